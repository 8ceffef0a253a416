//! TLS at the daemon's TCP address.

use std::net::TcpListener;
use std::process::Command;

use crate::certificates::Authority;
use crate::support::{Daemon, Folder, Said, run};

/// A folder whose `pki` trusts itself, and an address of this machine where nobody listens.
fn setup() -> (Folder, String) {
    let folder = Folder::new();
    let pki = folder.path("pki");
    let authority = Authority::new("an authority");
    authority.trusted_in(&pki).sign(&pki, "server", &["127.0.0.1"]).sign(&pki, "client", &["me"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (folder, listener.local_addr().unwrap().to_string())
}

/// Asks a daemon with these arguments for its device, with and without TLS.
fn ask(args: &[&str]) -> [Said; 2] {
    let (folder, address) = setup();
    let concise = "disk,,,rw,0 8 zero";
    let args = [&["serve", "--tcp", &address, "--concise", concise], args].concat();
    let daemon = Daemon::start(folder, &args).unwrap_or_else(|said| panic!("{said:?}"));
    let pki = daemon.folder.path("pki");
    let secure = format!("nbds://{address}/disk?tls-certificates={}", pki.display());
    [secure, format!("nbd://{address}/disk")]
        .map(|uri| run(Command::new("nbdinfo").arg("--size").arg(uri), ""))
}

#[test]
fn clients_must_use_tls_or_may_or_cannot() {
    let certified = ["--tls-certificates", "pki"];
    for (more, served) in [
        (&[][..], [true, false]),
        (&["--tls-verify-peer"], [true, false]),
        (&["--tls", "require"], [true, false]),
        (&["--tls", "allow"], [true, true]),
        (&["--tls", "off"], [false, true]),
    ] {
        let told = ask(&[&certified, more].concat());
        assert_eq!(told.each_ref().map(|said| said.out == "4096\n"), served, "{more:?}: {told:?}");
    }
}

#[test]
fn other_machines_are_served_where_they_must_use_tls() {
    let start = |more: &[&str]| {
        let args = ["serve", "--tcp", "0.0.0.0:0", "--tls-certificates", "pki"];
        Daemon::start(setup().0, &[&args, more].concat())
    };
    assert!(start(&[]).is_ok());
    assert!(start(&["--tls", "allow", "--insecure-tcp"]).is_ok());
    for more in [["--tls", "allow"], ["--tls", "off"]] {
        let refused = start(&more).err().unwrap().err;
        assert!(refused.contains("can be reached from other machines"), "{refused}");
    }
}

#[test]
fn what_is_missing_for_tls_is_told() {
    let refusal = |args: &[&str]| {
        let (folder, address) = setup();
        match Daemon::start(folder, &[&["serve", "--tcp", &address], args].concat()) {
            Ok(_) => panic!("{args:?}: it started"),
            Err(said) => said.err,
        }
    };
    let told = refusal(&["--tls-certificates", "nowhere"]);
    assert_eq!(told, "dmctl: --tls-certificates: nowhere/server-key.pem is missing\n");
    let told = refusal(&["--tls", "require"]);
    assert!(told.contains("--tls-certificates <DIR>"), "{told}");
}

#[test]
fn the_systems_authorities_are_trusted_where_no_directory_is_named() {
    let (folder, address) = setup();
    let args = ["serve", "--tcp", &address, "--tls-certificates", "pki"];
    let args = [&args[..], &["--concise", "disk,,,rw,0 8 zero"]].concat();
    let daemon = Daemon::start(folder, &args).unwrap_or_else(|said| panic!("{said:?}"));
    let table = daemon.folder.file("table", &format!("0 8 linear nbds://{address}/disk 0\n"));
    let elsewhere = Folder::new();
    let check = |authorities: &str| {
        let authorities = daemon.folder.path(authorities).join("ca-cert.pem");
        run(elsewhere.command().args(["check", &table]).env("SSL_CERT_FILE", authorities), "")
    };
    check("pki").ok();
    Authority::new("another").trusted_in(&daemon.folder.path("other"));
    let told = check("other").refused();
    assert!(told.contains("signed by no authority that is trusted"), "{told}");
}
