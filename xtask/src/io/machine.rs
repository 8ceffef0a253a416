//! What a drawing says of where it was measured.

use std::fs;
use std::thread;

use super::file;
use crate::failure::Failure;
use crate::shell;

/// One line: the processor, the system, and the versions of the programs.
pub(super) fn describe() -> Result<String, Failure> {
    let path = "/proc/cpuinfo".as_ref();
    let processors = fs::read_to_string(path).map_err(file(path))?;
    let processor = value(&processors, "model name").unwrap_or("unknown processor");
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get());
    let kernel = shell::read(&mut shell::command("uname", &["-sr"]))?;
    let mut text = format!("{cpus} CPUs ({processor}), {}", kernel.trim());
    for program in ["fio", "qemu-nbd", "nbdkit"] {
        let printed = shell::read(&mut shell::command(program, &["--version"]))?;
        text += &format!(", {program} {}", version(&printed).unwrap_or("of unknown version"));
    }
    Ok(text)
}

/// What /proc/cpuinfo has under a key.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim())
}

/// The first word that has digits and a dot: `3.33` of `fio-3.33`.
fn version(printed: &str) -> Option<&str> {
    let words = printed.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        assert_eq!(version("fio-3.33\n"), Some("3.33"));
        assert_eq!(version("qemu-nbd 7.2.17 (Debian 1:7.2+dfsg-7)\nCopyright"), Some("7.2.17"));
        assert_eq!(version("nbdkit 1.32.5\n"), Some("1.32.5"));
        assert_eq!(version("none"), None);
    }
}
