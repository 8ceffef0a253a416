//! The volumes: what their tables may be, all of which mean the same bytes.

use std::fmt::Write;

use super::ground::Ground;
use super::mirrors::{CORE, DISK};
use super::random::Random;
use crate::failure::Failure;

/// How long each is: 32 MiB.
pub(super) const SECTORS: u64 = 65536;

#[derive(Clone, Copy, Debug)]
pub(super) enum Volume {
    /// Linear lines, cut in ever other places.
    Lines,
    /// Stripes, or the linear lines that they come to.
    Stripes,
    /// Linear lines that go to and fro between two disks.
    Moved,
    /// A mirror that keeps its log in memory.
    Core,
    /// A mirror with a log on disk, a leg of it on another server.
    Disk,
}

pub(super) const VOLUMES: &[Volume] =
    &[Volume::Lines, Volume::Stripes, Volume::Moved, Volume::Core, Volume::Disk];

impl Volume {
    pub(super) fn name(self) -> &'static str {
        match self {
            Volume::Lines => "lines",
            Volume::Stripes => "stripes",
            Volume::Moved => "moved",
            Volume::Core => CORE.name,
            Volume::Disk => DISK.name,
        }
    }
}

/// Makes the disks, and creates the volumes on them.
pub(super) fn create_all(ground: &Ground) -> Result<(), Failure> {
    let mut random = Random::new(0);
    ground.disk("lines.img", SECTORS)?;
    ground.ask(&["create", "lines", "--table", &lines(&mut random, 1)])?;
    for n in 0..STRIPES {
        ground.disk(&format!("stripe{n}.img"), SECTORS / STRIPES)?;
    }
    ground.ask(&["create", "stripes", "--table", &striped(1)])?;
    ground.disk("a.img", SECTORS)?;
    ground.disk("b.img", SECTORS)?;
    ground.ask(&["create", "moved", "--table", &to_move("a.img")])?;
    CORE.create(ground)?;
    DISK.create(ground)
}

/// Pieces in another order than on the disk, each cut into up to so many lines, anywhere.
pub(super) fn lines(random: &mut Random, most: u64) -> String {
    const PIECES: u64 = 16;
    const LONG: u64 = SECTORS / PIECES;
    let mut table = String::new();
    for piece in 0..PIECES {
        // 5 and 16 have no common factor, so each place is taken once.
        let (start, at) = (piece * LONG, piece * 5 % PIECES * LONG);
        let mut cuts: Vec<u64> = (1..most).map(|_| 1 + random.below(LONG - 1)).collect();
        cuts.extend([0, LONG]);
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.windows(2) {
            let (from, to) = (cut[0], cut[1]);
            let _ =
                writeln!(table, "{} {} linear lines.img {}", start + from, to - from, at + from);
        }
    }
    table
}

const STRIPES: u64 = 4;
const CHUNK: u64 = 128;

/// Stripes, as so many lines.
pub(super) fn striped(lines: u64) -> String {
    let long = SECTORS / lines;
    let mut table = String::new();
    for line in 0..lines {
        let _ = write!(table, "{} {long} striped {STRIPES} {CHUNK}", line * long);
        for n in 0..STRIPES {
            let _ = write!(table, " stripe{n}.img {}", line * long / STRIPES);
        }
        table.push('\n');
    }
    table
}

/// The same, each chunk a line of its own.
pub(super) fn chunks() -> String {
    let mut table = String::new();
    for chunk in 0..SECTORS / CHUNK {
        let (disk, at) = (chunk % STRIPES, chunk / STRIPES * CHUNK);
        let _ = writeln!(table, "{} {CHUNK} linear stripe{disk}.img {at}", chunk * CHUNK);
    }
    table
}

/// How many lines are moved, and how long each is.
pub(super) const MOVED_LINES: u64 = 4;
pub(super) const MOVED: u64 = SECTORS / MOVED_LINES;

pub(super) fn to_move(disk: &str) -> String {
    let line = |n: u64| format!("{} {MOVED} linear {disk} {}\n", n * MOVED, n * MOVED);
    (0..MOVED_LINES).map(line).collect()
}
