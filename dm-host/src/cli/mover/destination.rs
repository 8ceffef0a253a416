//! Where to: what `--to` says, and whether the lines may go there.

use dm_core::table_text::Escaped;
use dm_proc_shim::Errno;

use super::error::MoveError;
use super::identity::{Identity, is_number, resolve};
use super::plan::{Piece, Place};
use crate::cli::draw::lay_out;
use crate::cli::failure::Failure;
use crate::cli::source::Source;
use crate::control::{Class, Client, ClientError, DeviceInfo};

/// Reads `DEVICE[:SECTOR]`.
pub(super) fn parse(text: &str, devices: &[DeviceInfo]) -> Place {
    let split = text.rsplit_once(':').and_then(|(name, sector)| {
        let sector = sector.parse().ok()?;
        // `8:16` is a device, and so are `mem:512` and `mem:a:512`; `mem:1M:8` is one and a sector.
        let size = name.strip_prefix("mem:").and_then(|rest| rest.rsplit(':').next());
        let has_size = size.is_some_and(|size| size.starts_with(|first: char| first.is_numeric()));
        let is_whole = is_number(text) || text.starts_with("mem:") && !has_size;
        (!is_whole).then_some((name, sector))
    });
    let (name, sector) = split.unwrap_or((text, 0));
    let name = resolve(name, |name| devices.iter().any(|device| device.name == name));
    Place { device: Escaped(&name).to_string(), sector }
}

/// Finds out, with nothing changed, whether the lines can be moved.
pub(super) fn check(
    client: &mut Client,
    devices: &[DeviceInfo],
    table: &str,
    pieces: &[Piece],
) -> Result<(), Failure> {
    let mut after = table.to_owned();
    for piece in pieces {
        // Whether there is room, whether somebody else has it, and whether it is made of such blocks.
        printed(client, &format!("0 {} linear {}\n", piece.length, piece.to))?;
        printed(client, &format!("0 {} {}\n", piece.length, piece.mirror()))?;
        after = piece.after(&after);
    }
    printed(client, &after)?;
    for device in devices {
        for file in ["table", "inactive"] {
            let text = match client.read(&format!("{}/{file}", device.name)) {
                // Removed since we asked which there are.
                Err(ClientError::Refused { class, .. }) if is_gone(&class) => continue,
                text => text?,
            };
            if !text.is_empty() {
                overlaps(&device.name, text, pieces)?;
            }
        }
    }
    Ok(())
}

fn is_gone(class: &Class) -> bool {
    matches!(class.errno(), Some(Errno::NoEntry | Errno::NoDevice))
}

/// A table as a device that has it prints it, if one could have it.
pub(super) fn printed(client: &mut Client, table: &str) -> Result<String, Failure> {
    match client.ask_with("check rw", table.as_bytes()) {
        Err(ClientError::Table(refusal)) => {
            let first = refusal.diagnoses.into_iter().next().map(|first| first.message);
            Err(MoveError::Destination(first.unwrap_or_default()).into())
        }
        checked => Ok(checked?),
    }
}

/// Whether sectors that a table uses are among those that the pieces go to.
fn overlaps(user: &str, table: String, pieces: &[Piece]) -> Result<(), Failure> {
    let layout = lay_out(&Source::new(user, table))?;
    let ids: Vec<Identity> =
        layout.devices.iter().map(|device| Identity::of(&device.name)).collect();
    for piece in pieces {
        let to = Identity::of(&unescaped(&piece.to.device));
        let (start, end) = (piece.to.sector, piece.to.sector + piece.length);
        for (line, laid) in (1..).zip(&layout.lines) {
            let used = laid
                .extents
                .iter()
                .find(|used| ids[used.device] == to && used.start < end && start < used.end);
            if let Some(used) = used {
                let device = layout.devices[used.device].name.clone();
                let (start, last) = (start.max(used.start), end.min(used.end) - 1);
                let user = user.to_owned();
                return Err(MoveError::Overlap { device, start, last, line, user }.into());
            }
        }
    }
    Ok(())
}

/// The name that a table's word stands for.
fn unescaped(word: &str) -> String {
    use dm_core::table_text::{Args, Position};
    let word = Args::new(word, Position::START).next();
    word.map(|word| word.unescaped().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to() {
        for (text, device, sector) in [
            ("/b.img", "/b.img", 0),
            ("/b.img:2048", "/b.img", 2048),
            ("/odd:name", "/odd:name", 0),
            ("/a b:8", "/a\\ b", 8),
            ("direct:/b.img:8", "direct:/b.img", 8),
            ("8:16", "8:16", 0),
            ("8:16:2048", "8:16", 2048),
            ("mem:1048576", "mem:1048576", 0),
            ("mem:1M:8", "mem:1M", 8),
            ("mem:a:1M", "mem:a:1M", 0),
            ("mem:a:512", "mem:a:512", 0),
            ("mem:a:1M:8", "mem:a:1M", 8),
        ] {
            assert_eq!(parse(text, &[]), Place { device: device.into(), sector }, "{text}");
        }
    }
}
