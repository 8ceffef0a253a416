//! TLS with servers that nobody here wrote, and with one that cheats.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use dm_core::{BioFlags, Mode};
use dm_host::{BlockIo, Zeroing};

use crate::certificates::Authority;
use crate::support::{
    MEGABYTE, Running, Setup, free_port, nbdkit, nbdkit_on_tcp, qemu_nbd, uri, write_stripe,
};

/// The address of an export on a unix socket, with the certificates of a directory.
fn secure(setup: &Setup, socket: &Path, export: &str, directory: &str) -> String {
    let plain = uri(socket, export).replacen("nbd", "nbds", 1);
    format!("{plain}&tls-certificates={}", setup.path(directory).display())
}

/// Makes the directories `server` and `client`, which trust each other.
fn certify(setup: &Setup) -> Authority {
    let (server, client) = (setup.path("server"), setup.path("client"));
    let authority = Authority::new("an authority");
    authority.trusted_in(&server).sign(&server, "server", &["localhost", "127.0.0.1"]);
    authority.trusted_in(&client).sign(&client, "client", &["a client"]);
    authority
}

/// Serves a file with nbdkit and TLS on a unix socket, to clients with a certificate.
fn nbdkit_tls(setup: &Setup, socket: &Path, file: &str) -> Running {
    let directory = format!("--tls-certificates={}", setup.path("server").display());
    nbdkit(socket, file, &["--tls=require", "--tls-verify-peer", &directory])
}

/// The same, with qemu-nbd.
fn qemu_nbd_tls(setup: &Setup, socket: &Path, file: &str) -> Running {
    let directory = setup.path("server");
    let object =
        format!("tls-creds-x509,id=tls,endpoint=server,verify-peer=on,dir={}", directory.display());
    qemu_nbd(socket, file, &["--object", &object, "--tls-creds=tls"])
}

#[test]
fn a_stripe_over_two_servers_with_tls_has_its_bytes_where_they_must_be() {
    let setup = Setup::new();
    certify(&setup);
    let (a, b) = (setup.file("a", MEGABYTE), setup.file("b", MEGABYTE));
    let (first, second) = (setup.path("first"), setup.path("second"));
    let servers = (nbdkit_tls(&setup, &first, &a), qemu_nbd_tls(&setup, &second, &b));
    let uris = (secure(&setup, &first, "", "client"), secure(&setup, &second, "disk", "client"));
    let io = setup.open(&format!("0 4096 striped 2 8 {} 0 {} 0", uris.0, uris.1));
    let written = write_stripe(&io, [&a, &b]);
    let mut read = vec![0; written.len()];
    io.write_zeroes(8192, 16384, Zeroing::empty()).unwrap();
    io.read_at(&mut read[..32768], 0).unwrap();
    assert!(read[8192..24576].iter().all(|&byte| byte == 0));
    // The servers die, and others come in their place: TLS begins anew.
    drop(servers);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| io.write_at(&written, 0, BioFlags::empty()));
        let _servers = (nbdkit_tls(&setup, &first, &a), qemu_nbd_tls(&setup, &second, &b));
        assert_eq!(writer.join().unwrap(), Ok(written.len()));
        io.read_at(&mut read, 0).unwrap();
    });
    assert!(read == written);
}

#[test]
fn a_server_on_tcp_is_known_by_its_name_and_its_address() {
    let setup = Setup::new();
    certify(&setup);
    let port = free_port();
    let directory = format!("--tls-certificates={}", setup.path("server").display());
    let a = setup.file("a", MEGABYTE);
    let _server = nbdkit_on_tcp(port, &a, &["--tls=require", &directory]);
    let client = setup.path("client");
    for host in ["localhost", "127.0.0.1"] {
        let uri = format!("nbds://{host}:{port}/?tls-certificates={}", client.display());
        let io = setup.open(&format!("0 2048 linear {uri} 0"));
        assert_eq!(io.read_at(&mut [1; 4096], 0), Ok(4096), "{host}");
        drop(io);
        remove_disk(&setup);
    }
    let uri = format!("nbds://localhost:{port}/");
    let refused = setup.try_open(&format!("0 8 linear {uri} 0"), Mode::ReadOnly).err().unwrap();
    // Whoever the system trusts, if anybody, did not sign it.
    let known = ["signed by no authority that is trusted", "the system trusts nobody"];
    assert!(known.iter().any(|known| refused.contains(known)), "{refused}");
}

fn remove_disk(setup: &Setup) {
    let device = setup.mapper.find("disk").unwrap();
    setup.mapper.host().wait(&setup.mapper.remove(&device).unwrap());
}

#[test]
fn what_is_wrong_with_certificates_is_told() {
    let setup = Setup::new();
    let authority = certify(&setup);
    let a = setup.file("a", MEGABYTE);
    let (socket, expired, open) = (setup.path("socket"), setup.path("expired"), setup.path("open"));
    let _server = nbdkit_tls(&setup, &socket, &a);
    let refused = |uri: &str| {
        let told = setup.try_open(&format!("0 8 linear {uri} 0"), Mode::ReadOnly);
        told.err().unwrap_or_else(|| panic!("{uri} opens"))
    };
    let expect = |uri: &str, expected: &str| {
        let told = refused(uri);
        assert!(told.contains(expected), "{uri}: {told}");
    };
    // The server's.
    Authority::new("another").trusted_in(&setup.path("stranger"));
    let stranger = secure(&setup, &socket, "", "stranger");
    expect(&stranger, "the server's certificate was signed by no authority that is trusted");
    let elsewhere = secure(&setup, &socket, "", "client") + "&tls-hostname=elsewhere";
    expect(&elsewhere, "the server's certificate is for another host name");
    authority.trusted_in(&setup.path("old")).sign_until(
        &setup.path("old"),
        "server",
        &["localhost"],
        2001,
    );
    let old = format!("--tls-certificates={}", setup.path("old").display());
    let _old = nbdkit(&expired, &a, &["--tls=require", &old]);
    expect(&secure(&setup, &expired, "", "client"), "the server's certificate has expired");
    // The client's.
    authority.trusted_in(&setup.path("nobody"));
    // This server leaves without saying so.
    let wanted = "want a certificate of this client";
    expect(&secure(&setup, &socket, "", "nobody"), wanted);
    let other = setup.path("other");
    Authority::new("another").trusted_in(&other).sign(&other, "client", &["a client"]);
    authority.trusted_in(&other);
    expect(&secure(&setup, &socket, "", "other"), wanted);
    // The files.
    expect(&secure(&setup, &socket, "", "nowhere"), "ca-cert.pem is missing");
    std::fs::remove_file(other.join("client-key.pem")).unwrap();
    expect(&secure(&setup, &socket, "", "other"), "client-key.pem is missing");
    std::fs::write(other.join("client-key.pem"), "no key").unwrap();
    expect(&secure(&setup, &socket, "", "other"), "cannot be used");
    // Who does not ask for TLS, and who has none.
    expect(&uri(&socket, ""), "the server requires TLS");
    let _open = nbdkit(&open, &a, &["--tls=off"]);
    expect(&secure(&setup, &open, "", "client"), "the server has no TLS");
    // Who trusts anybody.
    let trusting = format!("{stranger}&tls-verify-peer=0");
    let told = refused(&trusting);
    assert!(told.contains(wanted), "its certificate was not the trouble: {told}");
    let trusting = secure(&setup, &expired, "", "stranger") + "&tls-verify-peer=0";
    let io = setup.try_open(&format!("0 2048 linear {trusting} 0"), Mode::ReadWrite).unwrap();
    assert_eq!(BlockIo::new(io).read_at(&mut [1; 4096], 0), Ok(4096));
}

/// What a server in the middle puts behind its consent to TLS is not taken for the real one's.
#[test]
fn what_a_server_says_in_clear_behind_its_consent_is_not_taken() {
    let setup = Setup::new();
    certify(&setup);
    let socket = setup.path("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let liar = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"NBDMAGICIHAVEOPT\0\x03").unwrap();
        client.read_exact(&mut [0; 4 + 16]).unwrap();
        let reply = |option: u8, kind: u8, data: &[u8]| {
            let mut bytes = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0".to_vec();
            bytes.extend([option, 0, 0, 0, kind, 0, 0, 0, data.len() as u8]);
            bytes.extend(data);
            bytes
        };
        let size = [0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 1];
        let all = [reply(5, 1, &[]), reply(7, 3, &size), reply(7, 1, &[])].concat();
        client.write_all(&all).unwrap();
        let mut rest = Vec::new();
        // It ends when the client has had enough.
        let _ = client.read_to_end(&mut rest);
        rest
    });
    let uri = secure(&setup, &socket, "", "client");
    let told = setup.try_open(&format!("0 8 linear {uri} 0"), Mode::ReadOnly).err().unwrap();
    assert!(told.contains("the server and this client do not agree on TLS"), "{told}");
    let rest = liar.join().unwrap();
    assert!(!rest.windows(8).any(|bytes| bytes == b"IHAVEOPT"), "it went on in clear: {rest:?}");
}
