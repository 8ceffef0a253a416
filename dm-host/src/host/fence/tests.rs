use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// `in` and `out`, each with a file `disk` that says where it is.
fn folders() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["in", "in/sub", "out"] {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("disk"), name).unwrap();
    }
    root
}

fn is_outside(place: io::Result<Place>) -> bool {
    let outside = |error: io::Error| error.get_ref().is_some_and(|why| why.is::<Outside>());
    place.err().is_some_and(outside)
}

#[test]
fn what_lies_below_may_be_used_whatever_the_way_there() {
    let root = folders();
    let at = |name: &str| root.path().join(name);
    symlink("sub/disk", at("in/link")).unwrap();
    symlink("in", at("alias")).unwrap();
    let fence = Fence::new(&[at("alias")]).unwrap();
    let cases =
        [("in/disk", "in"), ("alias/disk", "in"), ("in/link", "in/sub"), ("in/sub/../disk", "in")];
    for (path, expected) in cases {
        let place = fence.file(&at(path)).unwrap();
        assert_eq!(fs::read_to_string(place.path()).unwrap(), expected, "{path}");
    }
    let missing = fence.file(&at("in/none")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_leads_out_is_refused_whether_it_is_there_or_not() {
    let root = folders();
    let at = |name: &str| root.path().join(name);
    symlink("../out/disk", at("in/link")).unwrap();
    symlink(at("out"), at("in/folder")).unwrap();
    symlink("/proc/self/root", at("in/proc")).unwrap();
    let fence = Fence::new(&[at("in")]).unwrap();
    for path in [
        "out/disk",
        "in/../out/disk",
        "in/../out/none",
        "in/link",
        "in/folder/disk",
        "in/folder/none",
        "in/proc/etc/passwd",
        "inside/disk",
        "out/none",
    ] {
        assert!(is_outside(fence.file(&at(path))), "{path}");
        assert!(is_outside(fence.new_file(&at(path))) || path == "in/link", "{path}");
    }
    assert!(is_outside(fence.file(Path::new("/dev/null"))));
}

#[test]
fn a_new_file_is_made_where_its_folder_was_when_it_was_looked_up() {
    let root = folders();
    let at = |name: &str| root.path().join(name);
    let fence = Fence::new(&[at("in")]).unwrap();
    let place = fence.new_file(&at("in/sub/new")).unwrap();
    // Somebody changes what the words mean.
    fs::rename(at("in/sub"), at("in/moved")).unwrap();
    symlink(at("out"), at("in/sub")).unwrap();
    fs::write(place.path(), "text").unwrap();
    assert_eq!(fs::read_to_string(at("in/moved/new")).unwrap(), "text");
    assert!(!at("out/new").exists());
}

#[test]
fn without_directories_all_is_allowed_and_a_missing_one_is_an_error() {
    let fence = Fence::new(&[]).unwrap();
    assert_eq!(fence.file(Path::new("/dev/null")).unwrap().path(), Path::new("/dev/null"));
    let root = folders();
    assert!(Fence::new(&[root.path().join("none")]).is_err());
    assert!(Fence::new(&[root.path().join("in/disk")]).is_err());
    let fence = Fence::new(&[root.path().join("in")]).unwrap();
    let both = fence.and(&root.path().join("out")).unwrap();
    assert!(is_outside(fence.file(&root.path().join("out/disk"))));
    assert!(both.file(&root.path().join("out/disk")).is_ok());
    assert!(Fence::default().and(root.path()).unwrap().is_open());
}
