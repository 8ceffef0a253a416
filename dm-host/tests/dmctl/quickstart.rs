//! `quickstart --once`: as anybody, with FUSE or without.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{DMCTL, Folder, is_root, run};

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
    assert!(said.is_ascii() || said.contains('─'));
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0, "something is left behind");
    said
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
