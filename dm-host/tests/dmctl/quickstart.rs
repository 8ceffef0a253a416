//! `quickstart --once`: as anybody, with FUSE or without.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::{DMCTL, Folder, is_root, run, sh};

fn check(command: &mut Command, folder: &Folder) -> String {
    let temporary = folder.path("tmp");
    let said = run(command.args(["quickstart", "--once"]).env("TMPDIR", &temporary), "").ok();
    let said = folder.masked(&said);
    for expected in [
        "1. Two disks of 16 MiB in DIR/tmp/dmctl-",
        "demo: 20 MiB, 40960 sectors in 3 lines on 2 devices\n",
        "│1 linear",
        "3. Wrote all 20 MiB of it, read them back, and found each sector in its disk.\n",
        "nbdinfo 'nbd+unix:///demo?socket=DIR/tmp/",
    ] {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0, "something is left behind");
    said
}

#[test]
fn what_it_says_to_try_next_works() {
    let folder = folder();
    let mut command = Command::new(DMCTL);
    command.arg("quickstart").env("TMPDIR", folder.path("tmp"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let next = said.iter().skip_while(|line| !line.contains("Try next")).skip(1);
    let next: Vec<&str> = next.map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    assert_eq!(next.len(), 3, "{said:?}");
    assert!(sh(next[0]).contains("export-size: 20971520 (20M)"));
    let shown = sh(next[1]);
    assert!(shown.contains("active") || shown.contains("ACTIVE"), "{shown}");
    assert_eq!(sh(next[2]), "");
    assert!(sh(next[0]).contains("export-size: 25165824 (24M)"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
}

fn folder() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("tmp")).unwrap();
    for name in ["", "tmp"] {
        let open = PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(name), open).unwrap();
    }
    folder
}

#[test]
fn as_this_user() {
    let folder = folder();
    check(&mut Command::new(DMCTL), &folder);
}

#[test]
fn as_a_user_without_rights() {
    if !is_root() {
        // Then this one has none, which is what the other test tries.
        return as_this_user();
    }
    let folder = folder();
    let program = folder.path("dmctl");
    std::fs::copy(DMCTL, &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    let said = check(command.arg(program), &folder);
    let has_fuse = said.contains("as files.");
    assert_eq!(has_fuse, !said.contains("No control filesystem: "), "{said}");
}
