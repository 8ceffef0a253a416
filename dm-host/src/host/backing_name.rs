//! What tables may call a device of this host.

use std::path::{Path, PathBuf};

use dm_core::{OpenError, Sectors};

use super::remote::Address;

/// A device's name, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum BackingName {
    /// `PATH`, `file:PATH`, `direct:PATH`: a regular file or a block device.
    File { path: PathBuf, direct: bool },
    /// `mem:SIZE`, `mem:WORD:SIZE`: a disk in memory; the whole name says which.
    Memory { size: Sectors },
    /// `MAJOR:MINOR`: a block device by its number.
    Number { major: u32, minor: u32 },
    /// `nbd://...`, `nbd+unix://...`, and the same with `nbds`: an NBD export.
    Remote(Address),
}

const EXPECTED: &str = "a path, file:PATH, direct:PATH (past the page cache), mem:[NAME:]SIZE, MAJOR:MINOR or nbd[s]://...";
const EXPECTED_SIZE: &str =
    "mem:[NAME:]SIZE, where SIZE is a number of bytes, a multiple of 512, or one with K, M, G or T";

impl BackingName {
    pub(crate) fn parse(name: &str) -> Result<BackingName, OpenError> {
        if let Some(rest) = name.strip_prefix("mem:") {
            let size = rest.rsplit(':').next().and_then(parse_size);
            let size = size.ok_or(OpenError::BadName { expected: EXPECTED_SIZE })?;
            return Ok(BackingName::Memory { size });
        }
        if Address::is_one(name) {
            return Address::parse(name).map(BackingName::Remote);
        }
        if let Some((major, minor)) = name.split_once(':')
            && let (Some(major), Some(minor)) = (parse_number(major), parse_number(minor))
        {
            return Ok(BackingName::Number { major, minor });
        }
        let (path, direct) = match name.split_once(':') {
            Some(("file", path)) => (path, false),
            Some(("direct", path)) => (path, true),
            _ => (name, false),
        };
        if path.is_empty() || path.contains('\0') || path.contains("://") {
            return Err(OpenError::BadName { expected: EXPECTED });
        }
        let path = Path::new(path).to_path_buf();
        Ok(BackingName::File { path, direct })
    }
}

fn parse_number(digits: &str) -> Option<u32> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

/// A size in bytes, or with a suffix; at least a sector, and no more than a file may be long.
fn parse_size(text: &str) -> Option<Sectors> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        b'T' | b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let number = u64::from(parse_number(digits)?);
    let bytes = number.checked_mul(1 << shift)?;
    let fits = i64::try_from(bytes).is_ok() && bytes > 0 && bytes.is_multiple_of(512);
    fits.then(|| Sectors::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, direct: bool) -> Option<BackingName> {
        Some(BackingName::File { path: path.into(), direct })
    }

    fn memory(sectors: u64) -> Option<BackingName> {
        Some(BackingName::Memory { size: Sectors::new(sectors) })
    }

    #[test]
    fn names() {
        let cases: &[(&str, Option<BackingName>)] = &[
            ("/dev/sda", file("/dev/sda", false)),
            ("disk.img", file("disk.img", false)),
            ("file:8:0", file("8:0", false)),
            ("direct:/srv/a:b.img", file("/srv/a:b.img", true)),
            ("odd:name", file("odd:name", false)),
            ("8:16", Some(BackingName::Number { major: 8, minor: 16 })),
            ("mem:64M", memory(64 << 11)),
            ("mem:a:1k", memory(2)),
            ("mem:a:b:512", memory(1)),
            ("mem:4194304T", memory(4194304 << 31)),
            ("mem:8388608T", None),
            ("mem:0", None),
            ("mem:513", None),
            ("mem:-1K", None),
            ("mem:", None),
            ("mem:64M:a", None),
            ("mem:M", None),
            ("", None),
            ("file:", None),
            (
                "nbd://host/export",
                Address::parse("nbd://host/export").ok().map(BackingName::Remote),
            ),
            ("nbd+unix://nowhere", None),
            ("http://host/", None),
            ("a\0b", None),
        ];
        for (name, expected) in cases {
            assert_eq!(BackingName::parse(name).ok(), *expected, "{name}");
        }
    }
}
