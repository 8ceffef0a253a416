//! What a mirror's status line shows, and what messages to it change: read and written without its
//! machine's lock.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use dm_sync::OutOfMemory;

/// The most parts of a mirror that are copied at once.
pub(super) const MAX_COPIES: u8 = 4;

pub(super) struct Shared {
    letters: Vec<AtomicU8>,
    log_failed: AtomicBool,
    in_sync: AtomicU64,
    regions: u64,
    paused: AtomicBool,
    /// Sectors a second; none for no limit.
    limit: AtomicU64,
    copies: AtomicU8,
}

/// The condition of a leg, as Linux writes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Letter {
    /// It works.
    Alive,
    /// A write failed.
    Dead,
    /// It could not be made equal to the others.
    SyncFailed,
    /// A read failed.
    ReadFailed,
}

impl Letter {
    fn as_char(self) -> char {
        match self {
            Letter::Alive => 'A',
            Letter::Dead => 'D',
            Letter::SyncFailed => 'S',
            Letter::ReadFailed => 'R',
        }
    }

    fn of(number: u8) -> Letter {
        match number {
            0 => Letter::Alive,
            1 => Letter::Dead,
            2 => Letter::SyncFailed,
            _ => Letter::ReadFailed,
        }
    }
}

impl Shared {
    pub(super) fn new(legs: usize, regions: u64) -> Result<Shared, OutOfMemory> {
        let mut letters = Vec::new();
        letters.try_reserve_exact(legs)?;
        letters.resize_with(legs, AtomicU8::default);
        Ok(Shared {
            letters,
            log_failed: AtomicBool::new(false),
            in_sync: AtomicU64::new(0),
            regions,
            paused: AtomicBool::new(false),
            limit: AtomicU64::new(0),
            copies: AtomicU8::new(MAX_COPIES),
        })
    }

    pub(super) fn letter(&self, leg: usize) -> Letter {
        Letter::of(self.letters.get(leg).map_or(0, |letter| letter.load(Relaxed)))
    }

    /// Notes a leg's condition. That it may not be written weighs more than a read that failed.
    pub(super) fn set_letter(&self, leg: usize, letter: Letter) {
        if let Some(place) = self.letters.get(leg) {
            let before = Letter::of(place.load(Relaxed));
            let keeps = matches!(before, Letter::Dead | Letter::SyncFailed);
            if !(letter == Letter::ReadFailed && keeps) {
                place.store(letter as u8, Relaxed);
            }
        }
    }

    pub(super) fn letters(&self) -> impl Iterator<Item = char> {
        self.letters.iter().map(|letter| Letter::of(letter.load(Relaxed)).as_char())
    }

    pub(super) fn log_letter(&self) -> char {
        if self.log_failed.load(Relaxed) { Letter::Dead.as_char() } else { Letter::Alive.as_char() }
    }

    pub(super) fn set_log_failed(&self, failed: bool) {
        self.log_failed.store(failed, Relaxed);
    }

    pub(super) fn in_sync(&self) -> u64 {
        self.in_sync.load(Relaxed)
    }

    pub(super) fn set_in_sync(&self, regions: u64) {
        self.in_sync.store(regions, Relaxed);
    }

    pub(super) fn regions(&self) -> u64 {
        self.regions
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    pub(super) fn pause(&self, paused: bool) {
        self.paused.store(paused, Relaxed);
    }

    /// Sectors a second that may be copied; zero for as many as can be.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    pub(super) fn set_limit(&self, sectors: u64) {
        self.limit.store(sectors, Relaxed);
    }

    /// How many parts may be copied at once.
    pub(super) fn copies(&self) -> u8 {
        self.copies.load(Relaxed)
    }

    pub(super) fn set_copies(&self, copies: u8) {
        self.copies.store(copies.clamp(1, MAX_COPIES), Relaxed);
    }
}
