//! Who may do what: what SECURITY.md says.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::files::mount;
use crate::hostile::start;
use crate::support::{DMCTL, Daemon, Folder, Said, is_root, not_tested, run};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn everything_is_the_owners_whatever_the_umask() {
    let folder = Folder::new();
    let mut command = Command::new("bash");
    let open = format!("umask 0; exec {DMCTL} --dir run serve");
    command.args(["-c", &open]).current_dir(folder.path(""));
    let daemon = Daemon::spawn(folder, command).unwrap_or_else(|said| panic!("{said:?}"));
    let (a, b) = (daemon.folder.disk("a.img", 2048), daemon.folder.disk("b.img", 2048));
    daemon.dmctl(["create", "foo", "--table", &format!("0 2048 linear {a} 0")]).ok();
    daemon.dmctl(["export", "foo", "--vhost-user", "new/vm.sock"]).ok();
    let path = |name: &str| daemon.folder.path(name);
    assert_eq!(mode(&path("run")), 0o700);
    assert_eq!(mode(&path("new")), 0o700);
    for file in ["run/control.sock", "run/nbd.sock", "run/lock", "new/vm.sock"] {
        assert_eq!(mode(&path(file)), 0o600, "{file}");
    }
    // A record of a move that goes on.
    let args = format!("umask 0; exec {DMCTL} --dir run move foo --to {b} --limit 1");
    let mut moving = Command::new("bash");
    moving.args(["-c", &args]).current_dir(path("")).stdout(std::process::Stdio::null());
    let mut moving = moving.spawn().unwrap();
    let record = path("run/move-foo.json");
    crate::support::wait_until("record", || {
        record.exists() || moving.try_wait().unwrap().is_some()
    });
    if let Ok(found) = std::fs::metadata(&record) {
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
    moving.wait().unwrap();
}

/// Runs a program as a user who has nothing here.
fn as_nobody(program: &str, args: &[&str]) -> Said {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]).args(args);
    run(&mut command, "")
}

#[test]
fn another_user_reaches_neither_the_sockets_nor_the_files() {
    if !is_root() {
        return not_tested("access as another user, since only root can become one");
    }
    let Some(daemon) = mount() else { return };
    daemon.dmctl(["create", "foo", "--table", "0 2048 zero"]).ok();
    let path = |name: &str| daemon.folder.path(name).display().to_string();
    let open = |name: &str| std::fs::set_permissions(path(name), PermissionsExt::from_mode(0o755));
    open("").unwrap();
    let uri = format!("nbd+unix:///foo?socket={}", path("run/nbd.sock"));
    let denied = |said: Said| {
        let is_denied = said.code != Some(0) && said.err.contains("ermission denied");
        assert!(is_denied, "{said:?}");
    };
    let said = as_nobody(DMCTL, &["--dir", &path("run"), "ls"]);
    assert!(said.refused().contains("belongs to user 0, not to this user"));
    denied(as_nobody("nbdinfo", &["--size", &uri]));
    denied(as_nobody("ls", &[&path("dm")]));
    denied(as_nobody("cat", &[&path("dm/foo/table")]));
    // Also where somebody has opened the folder: the sockets are closed too.
    open("run").unwrap();
    denied(as_nobody("nbdinfo", &["--size", &uri]));
    let control = format!("nbd+unix:///foo?socket={}", path("run/control.sock"));
    denied(as_nobody("nbdinfo", &["--size", &control]));
    // It is not that nobody can reach them.
    assert_eq!(run(Command::new("nbdinfo").args(["--size", &uri]), "").ok(), "1048576\n");
}

#[test]
fn tables_name_only_what_is_allowed() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("in/sub")).unwrap();
    let inside = folder.disk("in/a.img", 8);
    let nested = folder.disk("in/sub/b.img", 8);
    let outside = folder.disk("out.img", 8);
    symlink("../out.img", folder.path("in/link")).unwrap();
    symlink(folder.path(""), folder.path("in/up")).unwrap();
    symlink("sub/b.img", folder.path("in/near")).unwrap();
    let daemon = start(folder, &["serve", "--allow", "in"]);
    let path = |name: &str| daemon.folder.path(name).display().to_string();
    let check = |device: &str| {
        let table = daemon.folder.file("table", &format!("0 8 linear {device} 0\n"));
        daemon.dmctl(["create", "foo", "--table-file", &table])
    };
    for device in [
        &inside,
        &nested,
        "in/a.img",
        &path("in/near"),
        &path("in/sub/../a.img"),
        &format!("file:{inside}"),
    ] {
        assert_eq!(check(device).ok(), "", "{device}");
        daemon.dmctl(["remove", "foo"]).ok();
    }
    for device in [
        &outside,
        "out.img",
        "in/../out.img",
        &path("in/link"),
        &path("in/up/out.img"),
        &path("in/up/in/a.img"),
        &format!("file:{outside}"),
        &format!("direct:{outside}"),
        &path("none.img"),
        "/dev/loop0",
        "/proc/self/root/etc/passwd",
        "mem:4K",
        "nbd://127.0.0.1/a",
        "nbd+unix:///a?socket=in/a.sock",
    ] {
        let said = check(device).refused();
        assert!(said.contains("this daemon may only use files in some directories"), "{said}");
    }
    daemon.wait_for_log(&["out.img is outside of what --allow names"]);
    // A number that there is, or is none.
    for device in ["7:0", "1:0"] {
        let said = check(device).refused();
        let known = said.contains("only use files in some") || said.contains("no such device");
        assert!(known, "{said}");
    }
    // Through a device that is there, and in its tables to come.
    assert_eq!(check(&inside).ok(), "");
    daemon.dmctl(["create", "bar", "--table", "0 8 linear foo 0"]).ok();
    let load = daemon.dmctl(["load", "bar", "--table", &format!("0 8 linear {outside} 0")]);
    assert!(load.refused().contains("may only use files"));
    let said = daemon.dmctl(["move", "foo", "--to", &outside]);
    assert!(said.code == Some(1) && said.err.contains("may only use files"), "{said:?}");
}

#[test]
fn a_client_has_files_written_only_where_that_is_allowed() {
    let folder = Folder::new();
    for name in ["in", "state"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    let (a, b) = (folder.disk("in/a.img", 2048), folder.disk("in/b.img", 2048));
    let daemon = start(folder, &["serve", "--allow", "in"]);
    daemon.dmctl(["create", "foo", "--table", &format!("0 2048 linear {a} 0")]).ok();
    // The socket of an export, which would be made, and its folder.
    for socket in ["vm.sock", "new/vm.sock", "in/../vm.sock"] {
        let said = daemon.dmctl(["export", "foo", "--vhost-user", socket]).refused();
        assert!(said.contains("it is not in a directory that this daemon may use"), "{said}");
    }
    assert!(!daemon.folder.path("new").exists());
    for socket in ["in/vm.sock", "run/vm.sock"] {
        daemon.dmctl(["export", "foo", "--vhost-user", socket]).ok();
        daemon.dmctl(["unexport", socket]).ok();
        assert!(!daemon.folder.path(socket).exists());
    }
    // The record of a move, which would be replaced.
    let victim = daemon.folder.file("victim", "theirs");
    let table = daemon.dmctl(["table", "foo"]).ok();
    let switch = serde_json::json!({
        "turn": 1, "from": table, "to": "0 2048 zero\n", "message": null,
        "with": {"mirror": 0, "legs": "Equal", "record": [victim, "ours"]},
    });
    let mirror = format!("0 2048 mirror core 1 1024 2 {a} 0 {b} 0 1 handle_errors");
    daemon.dmctl(["load", "foo", "--table", &mirror]).ok();
    daemon.dmctl(["resume", "foo"]).ok();
    crate::support::wait_until("mirror in sync", || {
        daemon.dmctl(["status", "foo"]).ok().contains(" 2/2 ")
    });
    let mut switch = switch;
    switch["from"] = daemon.dmctl(["table", "foo"]).ok().into();
    assert_eq!(daemon.client().ask("turn foo").unwrap(), "1\n");
    let refused = daemon.client().ask_with("switch foo", switch.to_string().as_bytes());
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("it is not in a directory that this daemon may use"), "{refused}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
    // Beside the sockets it may.
    switch["with"]["record"][0] = daemon.folder.path("run/record").display().to_string().into();
    daemon.client().ask_with("switch foo", switch.to_string().as_bytes()).unwrap();
    assert_eq!(std::fs::read_to_string(daemon.folder.path("run/record")).unwrap(), "ours");
}

#[test]
fn a_directory_that_is_none_cannot_be_allowed() {
    let said = Daemon::start(Folder::new(), &["serve", "--allow", "none"]).err().unwrap();
    assert_eq!(said.err, "dmctl: cannot allow none: No such file or directory (os error 2)\n");
}
