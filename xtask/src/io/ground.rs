//! The files that the servers serve, and the tables and disks over them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::file;
use crate::failure::Failure;
use crate::shell;

/// What the disk is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    /// One line, on a file from an offset on.
    Line,
    /// 16 lines, on parts of that file in another order.
    Lines,
    /// 16 lines, each on a file of its own.
    Files,
    /// A stripe of four files, in chunks of 64 KiB.
    Stripe,
}

impl Layout {
    pub(super) const ALL: [Layout; 4] =
        [Layout::Line, Layout::Lines, Layout::Files, Layout::Stripe];

    pub(super) fn label(self) -> &'static str {
        match self {
            Layout::Line => "one line",
            Layout::Lines => "16 lines",
            Layout::Files => "16 lines on 16 files",
            Layout::Stripe => "stripe of 4 files",
        }
    }

    /// What its export is called, where that can be chosen.
    pub(super) fn export(self) -> &'static str {
        match self {
            Layout::Line => "line",
            Layout::Lines => "lines",
            Layout::Files => "files",
            Layout::Stripe => "stripe",
        }
    }

    /// How many targets or stripes there are.
    pub(super) fn targets(self) -> u64 {
        match self {
            Layout::Line => 1,
            Layout::Lines | Layout::Files => 16,
            Layout::Stripe => 4,
        }
    }
}

/// Whether the servers use the page cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cache {
    Pages,
    Direct,
}

impl Cache {
    pub(super) fn label(self) -> &'static str {
        match self {
            Cache::Pages => "page cache",
            Cache::Direct => "O_DIRECT",
        }
    }
}

/// Files of random bytes.
pub(super) struct Ground {
    pub(super) folder: PathBuf,
    /// How long the disk is.
    pub(super) bytes: u64,
}

/// Where the disk begins on its file, in bytes.
pub(super) const OFFSET: u64 = 1 << 20;

impl Ground {
    /// Writes them all, so that they are in the page cache.
    pub(super) fn prepare(megabytes: u64) -> Result<Ground, Failure> {
        let folder = shell::scratch().join("io");
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let ground = Ground { folder, bytes: megabytes << 20 };
        let mut seed = 20011;
        fill(&ground.whole(), ground.bytes + 2 * OFFSET, &mut seed)?;
        for number in 0..16 {
            fill(&ground.part(number), ground.bytes / 16, &mut seed)?;
        }
        for number in 0..4 {
            fill(&ground.quarter(number), ground.bytes / 4, &mut seed)?;
        }
        ground.partition()?;
        ground.settle()?;
        Ok(ground)
    }

    /// Writes a partition table before the disk, in whose first partition it lies.
    fn partition(&self) -> Result<(), Failure> {
        let mut table = [0; 66];
        // Not bootable, a Linux file system; where it begins, and how long it is, in sectors.
        table[4] = 0x83;
        table[8..12].copy_from_slice(&((OFFSET / 512) as u32).to_le_bytes());
        table[12..16].copy_from_slice(&((self.bytes / 512) as u32).to_le_bytes());
        table[64..].copy_from_slice(&[0x55, 0xaa]);
        let path = self.whole();
        let whole = File::options().write(true).open(&path).map_err(file(&path))?;
        whole.write_all_at(&table, 446).map_err(file(&path))
    }

    /// Reads all of the files, so that they are in the page cache: some servers drop what is there
    /// when they open a file.
    pub(super) fn warm(&self) -> Result<(), Failure> {
        for path in self.files()? {
            let read = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
            read.map_err(file(&path))?;
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(file(&self.folder))? {
            let path = entry.map_err(file(&self.folder))?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        Ok(files)
    }

    /// The file that has all of the disk, from [`OFFSET`] on.
    pub(super) fn whole(&self) -> PathBuf {
        self.folder.join("whole")
    }

    /// One of 16 files.
    pub(super) fn part(&self, number: u64) -> PathBuf {
        self.folder.join(format!("part{number}"))
    }

    fn quarter(&self, number: u64) -> PathBuf {
        self.folder.join(format!("quarter{number}"))
    }

    /// Has everything that was written to the files written back, so that nobody is measured with
    /// what another left to do.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        for path in self.files()? {
            File::open(&path).and_then(|file| file.sync_data()).map_err(file(&path))?;
        }
        Ok(())
    }

    /// The table of a layout.
    pub(super) fn table(&self, layout: Layout, cache: Cache) -> String {
        let device = |path: PathBuf| match cache {
            Cache::Pages => path.display().to_string(),
            Cache::Direct => format!("direct:{}", path.display()),
        };
        let (sectors, offset) = (self.bytes / 512, OFFSET / 512);
        let part = sectors / 16;
        let mut table = String::new();
        match layout {
            Layout::Line => {
                table = format!("0 {sectors} linear {} {offset}\n", device(self.whole()))
            }
            Layout::Lines => {
                for number in 0..16 {
                    // 5 and 16 have no common factor, so each part comes once.
                    let (start, at) = (number * part, offset + number * 5 % 16 * part);
                    let _ = writeln!(table, "{start} {part} linear {} {at}", device(self.whole()));
                }
            }
            Layout::Files => {
                for number in 0..16 {
                    let (start, name) = (number * part, device(self.part(number)));
                    let _ = writeln!(table, "{start} {part} linear {name} 0");
                }
            }
            Layout::Stripe => {
                table = format!("0 {sectors} striped 4 128");
                for number in 0..4 {
                    let _ = write!(table, " {} 0", device(self.quarter(number)));
                }
                table.push('\n');
            }
        }
        table
    }
}

/// Writes random bytes, in pages.
///
/// The page cache keeps what was written in larger pieces in larger pieces too, and some file
/// systems then take long over each small write: their time would hide the servers'.
pub(crate) fn fill(path: &PathBuf, bytes: u64, seed: &mut u64) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(4096, File::create(path).map_err(file(path))?);
    for _ in 0..bytes / 8 {
        // Xorshift: no two blocks are the same.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        out.write_all(&seed.to_le_bytes()).map_err(file(path))?;
    }
    out.flush().map_err(file(path))
}
