//! Small files that are whole, old or new, whenever the process or the machine dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Replaces the file at `path`, for this user alone; when it returns, the new text is on disk.
///
/// After an error the file has the old text or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path);
    let written = write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    written?;
    sync_folder(path)
}

/// Removes the file at `path`; when it returns, it is gone from the disk too.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // What an earlier attempt left, or somebody put there as a link to a file of others.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name in the same folder, which no other file has.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        for text in ["one", "another, longer", ""] {
            replace(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["record", "other"].map(|name| folder.path().join(name));
        fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        replace(&path, "ours").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours");
        assert_eq!(fs::read_to_string(&other).unwrap(), "theirs");
    }

    #[test]
    fn a_file_that_cannot_be_replaced_keeps_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        replace(&path, "old").unwrap();
        // Where the new text would be written, there is a folder.
        fs::create_dir(beside(&path)).unwrap();
        assert!(replace(&path, "new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }
}
