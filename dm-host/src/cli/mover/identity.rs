//! Whether two names mean the same device.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What a device is, whatever it is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    File {
        device: u64,
        inode: u64,
    },
    Block {
        number: u64,
    },
    /// One that is no file: memory, a mapped device, or what is not there.
    Name(String),
}

impl Identity {
    /// That of a device whose name is one that tables print: a file's is its whole path.
    pub(super) fn of(name: &str) -> Identity {
        let (_, path) = split_prefix(name);
        if let Some(number) = block_number(name) {
            return Identity::Block { number };
        }
        match std::fs::metadata(path) {
            _ if !Path::new(path).is_absolute() => Identity::Name(name.into()),
            Ok(found) if found.file_type().is_block_device() => {
                Identity::Block { number: found.rdev() }
            }
            Ok(found) => Identity::File { device: found.dev(), inode: found.ino() },
            Err(_) => Identity::Name(name.into()),
        }
    }
}

/// The name as tables print it, of what a person here calls a device. `mapped` tells which names are
/// those of mapped devices.
pub(super) fn resolve(name: &str, mapped: impl Fn(&str) -> bool) -> String {
    let (prefix, path) = split_prefix(name);
    if mapped(name) || name.starts_with("mem:") || name.contains("://") || is_number(name) {
        return name.into();
    }
    let path = std::path::absolute(path).ok();
    match path.as_deref().and_then(Path::to_str) {
        Some(path) => format!("{}{path}", if prefix == "direct:" { prefix } else { "" }),
        None => name.into(),
    }
}

/// Whether that is `MAJOR:MINOR`.
pub(super) fn is_number(name: &str) -> bool {
    block_number(name).is_some()
}

fn split_prefix(name: &str) -> (&str, &str) {
    let prefixes = ["file:", "direct:"];
    let found = prefixes.iter().find(|&prefix| name.starts_with(prefix));
    name.split_at(found.map_or(0, |prefix| prefix.len()))
}

/// That of `MAJOR:MINOR`.
fn block_number(name: &str) -> Option<u64> {
    let (major, minor) = name.split_once(':')?;
    let number = |text: &str| text.parse::<u32>().ok();
    Some(rustix::fs::makedev(number(major)?, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, "").unwrap();
        std::os::unix::fs::symlink(&a, &b).unwrap();
        let a = a.to_str().unwrap();
        for same in [a.to_owned(), format!("direct:{a}"), format!("file:{a}")] {
            assert_eq!(Identity::of(&same), Identity::of(b.to_str().unwrap()), "{same}");
        }
        assert_ne!(Identity::of(a), Identity::of(folder.path().to_str().unwrap()));
    }

    #[test]
    fn names_are_those_that_tables_print() {
        let here = std::env::current_dir().unwrap();
        let here = here.to_str().unwrap();
        for (name, expected) in [
            ("a.img", format!("{here}/a.img")),
            ("file:a.img", format!("{here}/a.img")),
            ("direct:x/a.img", format!("direct:{here}/x/a.img")),
            ("/dev/sdb", "/dev/sdb".into()),
            ("8:16", "8:16".into()),
            ("mem:64M", "mem:64M".into()),
            ("foo", "foo".into()),
        ] {
            assert_eq!(resolve(name, |name| name == "foo"), expected);
        }
    }

    #[test]
    fn what_is_no_file_is_its_name() {
        assert_eq!(Identity::of("mem:a:64M"), Identity::Name("mem:a:64M".into()));
        assert_eq!(Identity::of("8:16"), Identity::Block { number: rustix::fs::makedev(8, 16) });
    }
}
