//! The NBD server with TLS, through clients that nobody here wrote, and through some that misbehave.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, OnceLock};

use dm_core::{BioFlags, MappedDevice, Mode, Registry};
use dm_host::nbd::{CertificatesError, Reach, Server, ServerTls};
use dm_host::{BlockIo, HostOptions, Mapper, UserHost};
use tempfile::TempDir;

use certificates::Authority;

mod certificates;

/// Everything that was logged since the first call.
fn log() -> &'static Mutex<Vec<u8>> {
    static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = tracing_subscriber::fmt().with_ansi(false);
        log.with_writer(|| LoggedTo(self::log())).init();
        Mutex::default()
    })
}

struct LoggedTo(&'static Mutex<Vec<u8>>);

impl Write for LoggedTo {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until something was logged; it may be said a little after the client knows.
fn assert_logged(text: &str) {
    for _ in 0..3000 {
        if String::from_utf8_lossy(&log().lock().unwrap()).contains(text) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("`{text}` is not in\n{}", String::from_utf8_lossy(&log().lock().unwrap()));
}

/// A device called `disk` on a TCP port, and two directories: of the server, and of a client that it
/// trusts and that trusts it.
struct Setup {
    folder: TempDir,
    mapper: Arc<Mapper>,
    server: Server,
}

const BYTES: u64 = 8 << 20;

impl Setup {
    fn new(tls: impl FnOnce(&Path) -> ServerTls) -> Setup {
        log();
        let folder = tempfile::tempdir().unwrap();
        let (server, client) = (folder.path().join("server"), folder.path().join("client"));
        let authority = Authority::new("an authority");
        authority.trusted_in(&server).sign(&server, "server", &["localhost", "127.0.0.1"]);
        authority.trusted_in(&client).sign(&client, "client", &["a client"]);
        let registry = Registry::with_builtins().unwrap();
        let mapper = UserHost::start(&HostOptions::default(), registry).unwrap();
        let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(BYTES).unwrap();
        let table = format!("0 {} linear {} 0", BYTES / 512, disk.display());
        let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
        mapper.load(&device, table.as_bytes(), Mode::ReadWrite, tell).unwrap();
        mapper.host().wait(&device.resume().unwrap());
        let tls = tls(&server);
        let server =
            Server::bind_tcp(([127, 0, 0, 1], 0).into(), Reach::default()).unwrap().with_tls(tls);
        server.serve(mapper.clone()).unwrap();
        Setup { folder, mapper, server }
    }

    fn requiring() -> Setup {
        Setup::new(|directory| ServerTls::load(directory, false).unwrap())
    }

    fn verifying() -> Setup {
        Setup::new(|directory| ServerTls::load(directory, true).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn port(&self) -> u16 {
        self.server.tcp_address().unwrap().port()
    }

    fn plain_uri(&self) -> String {
        format!("nbd://localhost:{}/disk", self.port())
    }

    /// For a client with the certificates of a directory.
    fn uri(&self, directory: &str) -> String {
        let directory = self.path(directory);
        format!("nbds://localhost:{}/disk?tls-certificates={}", self.port(), directory.display())
    }

    /// A client with none of its own.
    fn client_without_certificate(&self) -> String {
        let nobody = self.path("nobody");
        std::fs::create_dir(&nobody).unwrap();
        std::fs::copy(self.path("client/ca-cert.pem"), nobody.join("ca-cert.pem")).unwrap();
        self.uri("nobody")
    }
}

/// Runs a program that must be there and succeed; returns what it printed.
#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = attempt(program, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{program} {args:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// What a program complains of that must fail.
#[track_caller]
fn refused(program: &str, args: &[&str]) -> String {
    let output = attempt(program, args);
    assert!(!output.status.success(), "{program} {args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn attempt(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"))
}

/// A session of libnbd's, in Python.
fn nbdsh(uri: &str, session: &str) -> Command {
    let mut command = Command::new("nbdsh");
    // The system's Python has the module, and no other.
    let connect = format!("h.set_uri_allow_local_file(True); h.connect_uri('{uri}')");
    command.args(["-c", &connect, "-c", session]).env("PATH", "/usr/bin:/bin");
    command
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn libnbds_programs_read_and_write() {
    let setup = Setup::requiring();
    let uri = setup.uri("client");
    let told = run("nbdinfo", &[&uri]);
    assert!(told.contains("with TLS") && told.contains("export-size: 8388608"), "{told}");
    let source = setup.path("source");
    let written = pattern(BYTES as usize);
    std::fs::write(&source, &written).unwrap();
    run("nbdcopy", &[source.to_str().unwrap(), &uri]);
    assert!(std::fs::read(setup.path("disk")).unwrap() == written);
    let copy = setup.path("copy");
    run("nbdcopy", &[&uri, copy.to_str().unwrap()]);
    assert!(std::fs::read(copy).unwrap() == written);
    let session = "print(h.get_tls_negotiated(), h.get_structured_replies_negotiated()); \
                   h.pwrite(b'x' * 4096, 512); h.flush(); print(h.pread(1024, 4096)[511:513].hex())";
    let output = nbdsh(&uri, session).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.split_once('\n').unwrap().0, "True True");
    assert!(printed.ends_with(&format!("78{:02x}\n", written[4608])), "{printed}");
}

/// A device of another mapper, which lies on `disk` of a server.
fn far(setup: &Setup) -> (Arc<Mapper>, MappedDevice<UserHost>) {
    let mapper = UserHost::start(&HostOptions::default(), Registry::with_builtins().unwrap());
    let mapper = mapper.unwrap();
    let device = mapper.create("far".parse().unwrap(), Default::default()).unwrap();
    let uri = setup.uri("client") + "&reconnect-delay=1";
    let table = format!("0 {} linear {uri} 0", BYTES / 512);
    let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
    mapper.load(&device, table.as_bytes(), Mode::ReadWrite, tell).unwrap();
    mapper.host().wait(&device.resume().unwrap());
    (mapper, device)
}

#[test]
fn fio_verifies_what_it_writes() {
    // By way of a client of this project's, since libnbd has fio name no certificates.
    let setup = Setup::verifying();
    let (mapper, _device) = far(&setup);
    let socket = setup.path("socket");
    let server = Server::bind_unix(&socket).unwrap();
    server.serve(mapper).unwrap();
    let uri = format!("--uri=nbd+unix:///?socket={}", socket.display());
    let mut args = vec!["--name=verify", "--ioengine=nbd", &uri, "--rw=randwrite", "--size=8m"];
    args.extend(["--bsrange=512-64k", "--blockalign=512", "--iodepth=16", "--verify=crc32c"]);
    args.extend(["--verify_fatal=1", "--randseed=20011", "--verify_state_save=0"]);
    let printed = run("fio", &args);
    assert!(printed.contains("err= 0"), "{printed}");
}

#[test]
fn qemus_programs_read_and_write() {
    let setup = Setup::verifying();
    let credentials = format!(
        "tls-creds-x509,id=tls,endpoint=client,verify-peer=on,dir={}",
        setup.path("client").display()
    );
    let options = format!(
        "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=localhost,\
         file.server.port={},file.export=disk,file.tls-creds=tls",
        setup.port()
    );
    let shared = ["--object", &credentials, "--image-opts"];
    let told = run("qemu-img", &[&["info"], &shared[..], &[&options]].concat());
    assert!(told.contains("virtual size: 8 MiB"), "{told}");
    let commands = ["-c", "write -P 0x5a 1M 64k", "-c", "read -P 0x5a 1M 64k", "-c", "flush"];
    let told = run("qemu-io", &[&shared, &commands[..], &[&options]].concat());
    assert!(told.contains("wrote 65536/65536") && told.contains("read 65536/65536"), "{told}");
    let disk = std::fs::read(setup.path("disk")).unwrap();
    assert!(disk[1 << 20..][..64 << 10].iter().all(|&byte| byte == 0x5a));
}

#[test]
fn clients_without_tls_are_refused_where_it_is_required() {
    let setup = Setup::requiring();
    refused("nbdinfo", &[&setup.plain_uri()]);
    assert_logged("it does not use TLS, which is required");
    let complaint = refused("qemu-img", &["info", &setup.plain_uri()]);
    assert!(complaint.contains("TLS"), "{complaint}");
    // It asks for the list before anything else.
    refused("nbdinfo", &["--list", &setup.plain_uri()]);
}

#[test]
fn clients_choose_where_tls_is_allowed() {
    let setup = Setup::new(|directory| ServerTls::load(directory, false).unwrap().optional());
    let told = run("nbdinfo", &[&setup.plain_uri()]);
    assert!(told.contains("without TLS"), "{told}");
    let told = run("nbdinfo", &[&setup.uri("client")]);
    assert!(told.contains("with TLS"), "{told}");
}

#[test]
fn clients_show_certificates_where_they_must() {
    let setup = Setup::verifying();
    let told = run("nbdinfo", &[&setup.uri("client")]);
    assert!(told.contains("with TLS"), "{told}");
    refused("nbdinfo", &[&setup.client_without_certificate()]);
    assert_logged("peer sent no certificates");
    let other = setup.path("other");
    // Of the same name, since some show no certificate that others have signed.
    let authority = Authority::new("an authority");
    authority.trusted_in(&other).sign(&other, "client", &["a client"]);
    std::fs::copy(setup.path("client/ca-cert.pem"), other.join("ca-cert.pem")).unwrap();
    refused("nbdinfo", &[&setup.uri("other")]);
    assert_logged("invalid peer certificate: BadSignature");
}

#[test]
fn a_certificate_that_has_expired_is_refused() {
    let setup = Setup::new(|server| {
        let authority = Authority::new("an authority");
        let client = server.parent().unwrap().join("client");
        authority.trusted_in(server).sign(server, "server", &["localhost"]);
        authority.trusted_in(&client).sign_until(&client, "client", &["a client"], 2001);
        ServerTls::load(server, true).unwrap()
    });
    refused("nbdinfo", &[&setup.uri("client")]);
    assert_logged("invalid peer certificate: certificate expired");
}

/// A connection on which the greeting was exchanged.
fn by_hand(setup: &Setup) -> TcpStream {
    let mut client = TcpStream::connect(setup.server.tcp_address().unwrap()).unwrap();
    client.read_exact(&mut [0; 18]).unwrap();
    client.write_all(&[0, 0, 0, 3]).unwrap();
    client
}

const STARTTLS: &[u8] = b"IHAVEOPT\0\0\0\x05\0\0\0\0";
const LIST: &[u8] = b"IHAVEOPT\0\0\0\x03\0\0\0\0";
const ACK: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x05\0\0\0\x01\0\0\0\0";

#[test]
fn what_is_sent_in_clear_after_tls_was_asked_for_is_never_taken() {
    let setup = Setup::requiring();
    for (first, then) in [
        // At once, so that it is read together with the wish for TLS.
        ([STARTTLS, LIST].concat(), &[][..]),
        // After it was granted.
        (STARTTLS.to_vec(), LIST),
        // A piece of it before, a piece of it after.
        ([STARTTLS, &LIST[..5]].concat(), &LIST[5..]),
    ] {
        let mut client = by_hand(&setup);
        client.write_all(&first).unwrap();
        let mut answer = [0; 20];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, ACK);
        // It fails where the server has hung up already.
        let _ = client.write_all(then);
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
        assert!(!rest.windows(8).any(|bytes| bytes == &ACK[..8]), "an answer: {rest:?}");
    }
    assert_logged("it sent something in clear after it had asked for TLS");
    assert_logged("received corrupt message of type InvalidContentType");
}

#[test]
fn a_client_that_leaves_in_the_middle_is_told_in_the_log() {
    let setup = Setup::requiring();
    let mut client = by_hand(&setup);
    client.write_all(STARTTLS).unwrap();
    client.read_exact(&mut [0; 20]).unwrap();
    drop(client);
    assert_logged("it left in the middle of the TLS handshake");
}

#[test]
fn a_shutdown_ends_connections_with_tls() {
    let setup = Setup::requiring();
    let waits = "print(1, flush=True)\ntry: h.poll(-1)\nexcept nbd.Error: pass\n\
                 print(h.aio_is_closed() or h.aio_is_dead())";
    let mut session = nbdsh(&setup.uri("client"), waits);
    let mut child = session.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = [0; 2];
    child.stdout.as_mut().unwrap().read_exact(&mut told).unwrap();
    setup.server.shutdown();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "True\n", "{output:?}");
}

#[test]
fn a_shutdown_answers_what_has_come() {
    let setup = Setup::verifying();
    let (_mapper, device) = far(&setup);
    let io = BlockIo::new(device.open().unwrap());
    let (disk, host) = (setup.mapper.find("disk").unwrap(), setup.mapper.host());
    host.wait(&disk.suspend().unwrap());
    std::thread::scope(|scope| {
        // More than the relay holds at once.
        let writer = scope.spawn(|| io.write_at(&pattern(1 << 20), 0, BioFlags::empty()));
        while host.figures(&disk).device.in_flight == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let server = scope.spawn(|| setup.server.shutdown());
        std::thread::sleep(std::time::Duration::from_millis(100));
        host.wait(&disk.resume().unwrap());
        server.join().unwrap();
        assert_eq!(writer.join().unwrap(), Ok(1 << 20));
    });
    assert!(std::fs::read(setup.path("disk")).unwrap()[..1 << 20] == pattern(1 << 20));
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path();
    let told = |verify: bool| {
        let error = ServerTls::load(directory, verify).unwrap_err();
        (error.to_string().replace(directory.to_str().unwrap(), "DIR"), error)
    };
    let authority = Authority::new("an authority");
    assert_eq!(told(false).0, "DIR/server-key.pem is missing");
    authority.sign(directory, "server", &["localhost"]);
    assert!(ServerTls::load(directory, false).is_ok());
    assert_eq!(told(true).0, "DIR/ca-cert.pem is missing");
    authority.trusted_in(directory);
    assert!(ServerTls::load(directory, true).is_ok());
    let certificate = directory.join("server-cert.pem");
    std::fs::write(&certificate, "no certificate").unwrap();
    assert_eq!(told(false).0, "DIR/server-cert.pem holds no certificate in PEM form");
    std::fs::remove_file(&certificate).unwrap();
    std::fs::create_dir(&certificate).unwrap();
    assert!(matches!(told(false).1, CertificatesError::Unreadable { .. }));
    std::fs::remove_dir(&certificate).unwrap();
    // A certificate of another key.
    let other = folder.path().join("other");
    authority.trusted_in(&other).sign(&other, "server", &["localhost"]);
    std::fs::rename(other.join("server-cert.pem"), &certificate).unwrap();
    assert!(told(false).0.starts_with("DIR/server-key.pem: "), "{}", told(false).0);
}
