//! The legs and the log of a mirror.

use super::decode::{Belief, Start, believe, leg_number};

/// In sectors; the smallest that there may be.
pub(super) const REGION: u64 = 8;

/// The offset of each leg is so many times its number.
const OFFSET: u64 = 3;

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone)]
pub(super) struct Disks {
    /// A byte for each sector of the mirror.
    pub(super) legs: Vec<Vec<u8>>,
    pub(super) log: Vec<u8>,
    pub(super) regions: u64,
    /// The logical block of the log's device, in sectors.
    pub(super) block: u64,
    fills: u8,
}

impl Disks {
    /// Legs that differ everywhere; the log is filled with a byte.
    pub(super) fn new(legs: usize, regions: u64, block: u64, filler: u8) -> Disks {
        // The last region is shorter.
        let sectors = regions * REGION - 3;
        let content = |leg: u64, n: u64| ((leg << 6) | (n % 61)) as u8;
        let legs = (1..=legs as u64).map(|leg| (0..sectors).map(|n| content(leg, n)).collect());
        let log = 1024 + regions.div_ceil(32) * 4;
        let log = vec![filler; log.next_multiple_of(block * 512) as usize];
        Disks { legs: legs.collect(), log, regions, block, fills: 0 }
    }

    pub(super) fn sectors(&self) -> usize {
        self.legs[0].len()
    }

    pub(super) fn make_legs_equal(&mut self) {
        let first = self.legs[0].clone();
        self.legs.fill(first);
    }

    /// Changes the log, as far as it reaches.
    pub(super) fn put_log(&mut self, at: usize, bytes: &[u8]) {
        let place = self.log.iter_mut().skip(at);
        place.zip(bytes).for_each(|(place, byte)| *place = *byte);
    }

    /// The words of a leg in the table.
    fn words(leg: usize) -> String {
        format!("{} {}", NAMES[leg], leg as u64 * OFFSET)
    }

    /// Where on its device a leg begins.
    pub(super) fn offset(leg: usize) -> u64 {
        leg as u64 * OFFSET
    }

    pub(super) fn table(&self, start: Start) -> String {
        let (words, start) = match start {
            Start::AsLogged => (2, ""),
            Start::Forced => (3, " sync"),
            Start::Assumed => (3, " nosync"),
        };
        let legs: Vec<String> = (0..self.legs.len()).map(Disks::words).collect();
        let (count, legs) = (legs.len(), legs.join(" "));
        format!("0 {} mirror disk {words} log {REGION}{start} {count} {legs}\n", self.sectors())
    }

    /// What a mirror that is loaded now is to believe.
    pub(super) fn believe(&self, start: Start) -> Option<Belief> {
        let number = |leg| leg_number(&(Disks::words(leg) + " "));
        let legs: Vec<u64> = (0..self.legs.len()).map(number).collect();
        believe(&self.log, self.regions, start, &legs)
    }

    /// A byte that no leg holds at first, and that was not written lately.
    pub(super) fn next_fill(&mut self) -> u8 {
        self.fills = (self.fills + 1) % 60;
        self.fills
    }
}
