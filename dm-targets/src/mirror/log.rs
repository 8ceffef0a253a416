//! The disk log of a mirror: which regions may differ between its legs, kept so that a crash is
//! survived.
//!
//! The format is Linux's, little-endian: at byte 0 the magic number, u32; the version, u32; the
//! number of regions, u64. From byte 1024 on one bit a region, 1 for one that is in sync. What
//! Linux leaves unused from byte 512 on holds, here, which legs must not be copied from: a magic
//! number, u32; how many, u32; and for each a u64 that stands for its device and offset.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dm_sync::{OutOfMemory, try_box};
use dm_table::{Sector, Sectors};

use super::bitmap::{Bitmap, Found};
use crate::{Action, BioOp, DeviceId, IoError, Job, JobData, JobId, Op};

const MAGIC: u32 = 0x4D69_5272;
const VERSION: u32 = 2;
const BITS_AT: u64 = 1024;
const HEADER_WORDS: usize = 128;
const _: () = assert!(BITS_AT == 8 * HEADER_WORDS as u64);
const STALE_AT: usize = 512;
const STALE_MAGIC: u32 = 0x6C61_7473;

/// The most legs that can be kept from being copied from.
pub(super) const MAX_LEGS: usize = 32;

/// What is read and written at once, unless the device's blocks are larger.
const PAGE: Sectors = Sectors::new(8);

/// A log on a device, one page of which is in memory of its own while it is read or written.
pub(super) struct Log {
    device: DeviceId,
    /// The buffer, and the number, of its jobs.
    buffer: u16,
    job: JobId,
    page: Sectors,
    /// Its length on the device.
    size: Sectors,
    /// What the device is to hold.
    image: Bitmap,
    /// Ones wherever the device may hold one.
    disk: Bitmap,
    /// Zeros for the pages where `image` has changed.
    written: Bitmap,
    /// The words of the page that is on its way.
    snapshot: Vec<u64>,
    /// How many regions the log that was read is for.
    logged: u64,
    step: Step,
    /// Legs that the device is to name, those it does name, and those that are on their way.
    stale: Stale,
    stale_on_disk: Stale,
    stale_snapshot: Stale,
    header: OnDisk,
    health: Health,
}

/// Legs, by the numbers that stand for them.
pub(super) type Stale = heapless::Vec<u64, MAX_LEGS>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Idle,
    /// A page is to be read, is being read, or is to be looked at.
    Read(u64),
    Reading(u64),
    Look(u64),
    /// The same for writing: filled, then written.
    Write(u64),
    Writing(u64),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Health {
    /// It was not read yet.
    Unread,
    /// It could not be read.
    Unreadable,
    Good,
    /// It could not be written.
    Failed,
}

/// What the header on the device says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnDisk {
    /// That it is no log.
    None,
    /// That it is a log of so many regions, which are not as many as there are.
    Old(u64),
    /// The bits of all regions are there, and so the header is to follow: a power cut must not leave
    /// one without the other.
    Due,
    /// How many regions there are.
    Current,
}

/// What a step of the log led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum News {
    None,
    /// It was read: its regions are known.
    Loaded,
    /// A page was written: marks that were waited for may be there.
    Written,
    /// The device failed: from now on no more regions can be marked.
    Failed,
}

/// Whether regions that no log tells about are in sync.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Sync {
    /// What the log says; if it is new, they are not.
    #[default]
    AsLogged,
    /// None is, whatever the log says.
    Forced,
    /// What the log says; if it is new, all are.
    Assumed,
}

impl Log {
    /// How long a log for that many regions is on a device with such blocks.
    pub(super) fn size(regions: u64, block: Sectors) -> Sectors {
        let bytes = BITS_AT.saturating_add(regions.div_ceil(32).saturating_mul(4));
        let block = block.bytes().unwrap_or(512).max(512);
        Sectors::from_bytes(bytes.checked_next_multiple_of(block).unwrap_or(u64::MAX))
    }

    /// How many sectors its buffer must have.
    pub(super) fn page(block: Sectors) -> Sectors {
        PAGE.max(block)
    }

    /// Not inlined, and boxed: a kernel's stack is small.
    #[inline(never)]
    pub(super) fn new(
        device: DeviceId,
        block: Sectors,
        regions: u64,
        buffer: u16,
        job: JobId,
    ) -> Result<Box<Log>, OutOfMemory> {
        let (page, size) = (Log::page(block), Log::size(regions, block));
        let words = usize::try_from(page.get().saturating_mul(64)).map_err(|_| OutOfMemory)?;
        let mut snapshot = Vec::new();
        snapshot.try_reserve_exact(words)?;
        snapshot.resize(words, 0);
        try_box(Log {
            device,
            buffer,
            job,
            page,
            size,
            image: Bitmap::new(regions, false)?,
            disk: Bitmap::new(regions, true)?,
            written: Bitmap::new(size.get().div_ceil(page.get().max(1)), true)?,
            snapshot,
            logged: 0,
            step: Step::Idle,
            stale: Stale::new(),
            stale_on_disk: Stale::new(),
            stale_snapshot: Stale::new(),
            header: OnDisk::None,
            health: Health::Unread,
        })
    }

    /// The regions that are in sync, as far as the log is concerned.
    pub(super) fn regions(&self) -> &Bitmap {
        &self.image
    }

    /// The legs that the device names as not to be copied from.
    pub(super) fn stale_on_disk(&self) -> &Stale {
        &self.stale_on_disk
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.health, Health::Unreadable | Health::Failed)
    }

    /// Whether it is known what it says.
    pub(super) fn was_read(&self) -> bool {
        matches!(self.health, Health::Good | Health::Failed)
    }

    /// Whether it is not known what it says, nor will be.
    pub(super) fn is_unreadable(&self) -> bool {
        self.health == Health::Unreadable
    }

    /// Whether nothing is on its way, nor about to be.
    pub(super) fn is_quiet(&self) -> bool {
        let written = self.written.all_ones() && self.header == OnDisk::Current;
        self.step == Step::Idle && (self.health != Health::Good || written)
    }

    /// Begins to read it; or, if it was read before, to write it again after a failure.
    ///
    /// Returns whether there is anything to wait for.
    pub(super) fn resume(&mut self) -> bool {
        match self.health {
            Health::Unread | Health::Unreadable => {
                self.health = Health::Unread;
                self.step = Step::Read(0);
                true
            }
            Health::Failed => {
                self.health = Health::Good;
                self.disk.fill(true);
                self.written.fill(false);
                false
            }
            Health::Good => false,
        }
    }

    /// The regions of a log that is not read, or turned out to be none.
    pub(super) fn start_anew(&mut self, sync: Sync) {
        self.image.fill(sync == Sync::Assumed);
        self.disk.fill(true);
        self.written.fill(false);
        self.stale.clear();
        self.header = OnDisk::None;
        self.health = Health::Good;
        self.step = Step::Idle;
    }

    /// Has a region marked as dirty. Returns whether the mark is on the device: only then may the
    /// region be written.
    pub(super) fn mark(&mut self, region: u64) -> bool {
        if self.image.set(region, false) {
            self.written.set(self.page_of(region), false);
        }
        self.header == OnDisk::Current && !self.disk.get(region)
    }

    /// Has a word of marks cleared: regions `64n` and following, those where `in_sync` has ones.
    pub(super) fn clear(&mut self, n: u64, in_sync: u64) {
        let before = self.image.word(n);
        self.image.set_word(n, before | in_sync);
        if self.image.word(n) != before {
            self.written.set(self.page_of(n.saturating_mul(64)), false);
        }
    }

    /// Has these legs named as not to be copied from.
    pub(super) fn set_stale(&mut self, stale: Stale) {
        if self.stale != stale {
            self.stale = stale;
            self.written.set(0, false);
        }
    }

    /// What is to be done next.
    pub(super) fn poll(&mut self) -> Option<Action> {
        let at_rest = self.step == Step::Idle && self.health == Health::Good;
        if at_rest
            && self.written.all_ones()
            && matches!(self.header, OnDisk::None | OnDisk::Old(_))
        {
            self.header = OnDisk::Due;
            self.written.set(0, false);
        }
        if at_rest && let Found::Bit(page) | Found::NotBefore(page) = self.written.find_zero(0) {
            self.step = Step::Write(page);
            self.written.set(page, true);
            return Some(Action::Fill { buffer: self.buffer });
        }
        let (op, page) = match self.step {
            Step::Read(page) => {
                self.step = Step::Reading(page);
                (Op::Read, page)
            }
            Step::Look(_) => return Some(Action::Look { buffer: self.buffer }),
            Step::Write(page) => {
                self.step = Step::Writing(page);
                (Op::Write, page)
            }
            Step::Idle | Step::Reading(_) | Step::Writing(_) => return None,
        };
        let at = Sectors::new(page.saturating_mul(self.page.get()));
        Some(Action::Start(Job {
            id: self.job,
            data: JobData::Buffer(self.buffer),
            op: BioOp::Data(op),
            fua: op == Op::Write,
            device: self.device,
            sector: Sector::new(at.get()),
            sectors: self.page.min(self.size.saturating_sub(at)),
        }))
    }

    /// A page was read or written.
    pub(super) fn handle_done(&mut self, result: Result<(), IoError>) -> News {
        match (self.step, result) {
            (Step::Reading(page), Ok(())) => {
                self.step = Step::Look(page);
                News::None
            }
            (Step::Writing(page), Ok(())) => {
                self.step = Step::Idle;
                let (first, snapshot) = (self.first_word(page), &self.snapshot);
                for (n, &word) in (first..).zip(snapshot.iter().skip(self.header_words(page))) {
                    self.disk.set_word(n, word);
                }
                if page == 0 && self.header != OnDisk::None {
                    self.stale_on_disk = self.stale_snapshot.clone();
                }
                if page == 0 && self.header == OnDisk::Due {
                    self.header = OnDisk::Current;
                }
                News::Written
            }
            (_, Err(_)) => self.fail(),
            (_, Ok(())) => News::None,
        }
    }

    /// The page that was read.
    pub(super) fn look(&mut self, bytes: &[u8], sync: Sync) -> News {
        let Step::Look(page) = self.step else {
            return News::None;
        };
        let Some(bytes) = bytes.get(..self.page_bytes(page)) else {
            return self.fail();
        };
        if page == 0 {
            match Header::read(bytes) {
                Header::None => {
                    self.start_anew(sync);
                    return News::Loaded;
                }
                Header::Unknown => return self.fail(),
                Header::Regions(regions) => {
                    self.stale = read_stale(bytes);
                    self.stale_on_disk = self.stale.clone();
                    self.logged = regions;
                    let current = regions == self.image.len();
                    self.header = if current { OnDisk::Current } else { OnDisk::Old(regions) };
                    self.written.fill(current);
                }
            }
        }
        let first = self.first_word(page);
        let words = bytes.chunks_exact(8).skip(self.header_words(page));
        for (n, word) in (first..).zip(words) {
            // What the log does not reach to is as new.
            let unknown = self.unlogged(n);
            let assumed = if sync == Sync::Assumed { unknown } else { 0 };
            let word = u64_at(word, 0).unwrap_or(0);
            self.image.set_word(n, word & !unknown | assumed);
            self.disk.set_word(n, word | unknown);
        }
        let next = page.saturating_add(1);
        if next < self.written.len() {
            self.step = Step::Read(next);
            return News::None;
        }
        self.health = Health::Good;
        self.step = Step::Idle;
        News::Loaded
    }

    /// Fills the page that is about to be written.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        let Step::Write(page) = self.step else {
            return;
        };
        bytes.fill(0);
        if page == 0 {
            self.stale_snapshot = self.stale.clone();
            match self.header {
                OnDisk::None => {}
                OnDisk::Old(regions) => Header::write(bytes, regions),
                OnDisk::Due | OnDisk::Current => Header::write(bytes, self.image.len()),
            }
            write_stale(bytes, &self.stale);
        }
        let first = self.first_word(page);
        let skipped = self.header_words(page);
        let words = self.snapshot.iter_mut().zip(bytes.chunks_exact_mut(8)).skip(skipped);
        for (n, (kept, place)) in (first..).zip(words) {
            *kept = self.image.word(n);
            place.copy_from_slice(&kept.to_le_bytes());
            // From now on these may be ones there, whatever becomes of the write.
            self.disk.set_word(n, self.disk.word(n) | *kept);
        }
    }

    fn fail(&mut self) -> News {
        self.step = Step::Idle;
        self.health = match self.health {
            Health::Unread | Health::Unreadable => Health::Unreadable,
            Health::Good | Health::Failed => Health::Failed,
        };
        News::Failed
    }

    fn page_of(&self, region: u64) -> u64 {
        let byte = BITS_AT.saturating_add(region / 8);
        self.page.bytes().and_then(|page| byte.checked_div(page)).unwrap_or(0)
    }

    /// The first word of bits on a page.
    fn first_word(&self, page: u64) -> u64 {
        let byte = page.saturating_mul(self.page.bytes().unwrap_or(u64::MAX));
        byte.saturating_sub(BITS_AT) / 8
    }

    /// Which regions of the `n`-th word the log that was read knows nothing of.
    fn unlogged(&self, n: u64) -> u64 {
        let known = self.logged.saturating_sub(n.saturating_mul(64)).min(64);
        u64::MAX.checked_shl(known as u32).unwrap_or(0)
    }

    /// How many words of a page are not bits.
    fn header_words(&self, page: u64) -> usize {
        if page == 0 { HEADER_WORDS } else { 0 }
    }

    fn page_bytes(&self, page: u64) -> usize {
        let at = Sectors::new(page.saturating_mul(self.page.get()));
        let sectors = self.page.min(self.size.saturating_sub(at));
        sectors.bytes().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
    }
}

/// What the first bytes of a log say.
enum Header {
    /// It is not one.
    None,
    /// It is one of another version.
    Unknown,
    /// It is for so many regions.
    Regions(u64),
}

impl Header {
    fn read(bytes: &[u8]) -> Header {
        match (u32_at(bytes, 0), u32_at(bytes, 4), u64_at(bytes, 8)) {
            (Some(MAGIC), Some(VERSION), Some(regions)) => Header::Regions(regions),
            (Some(MAGIC), ..) => Header::Unknown,
            _ => Header::None,
        }
    }

    fn write(bytes: &mut [u8], regions: u64) {
        put(bytes, 0, &MAGIC.to_le_bytes());
        put(bytes, 4, &VERSION.to_le_bytes());
        put(bytes, 8, &regions.to_le_bytes());
    }
}

fn read_stale(bytes: &[u8]) -> Stale {
    let bytes = bytes.get(STALE_AT..).unwrap_or(&[]);
    let (magic, count) = (u32_at(bytes, 0), u32_at(bytes, 4));
    let count = if magic == Some(STALE_MAGIC) { count.unwrap_or(0) } else { 0 };
    let ids = bytes.chunks_exact(8).skip(1).filter_map(|id| u64_at(id, 0));
    let mut stale = Stale::new();
    for (id, _) in ids.zip(0..count) {
        // More than there is room for no log names.
        let _ = stale.push(id);
    }
    stale
}

fn write_stale(bytes: &mut [u8], stale: &Stale) {
    let bytes = bytes.get_mut(STALE_AT..).unwrap_or(&mut []);
    if !stale.is_empty() {
        put(bytes, 0, &STALE_MAGIC.to_le_bytes());
        let count = u32::try_from(stale.len()).unwrap_or(u32::MAX);
        put(bytes.get_mut(4..).unwrap_or(&mut []), 0, &count.to_le_bytes());
    }
    for (place, id) in bytes.chunks_exact_mut(8).skip(1).zip(stale) {
        place.copy_from_slice(&id.to_le_bytes());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len()));
    if let Some(place) = place {
        place.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests;
