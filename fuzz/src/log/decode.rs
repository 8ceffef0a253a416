//! A mirror's log as its format has it, decoded for reading.

/// What a log says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Decoded {
    /// There is none.
    Nothing,
    /// It cannot be read.
    OtherVersion,
    /// That it is for so many regions; which of ours are in sync; and which legs are not to be
    /// believed.
    Log { for_regions: u64, in_sync: Vec<bool>, stale: Vec<u64> },
}

/// What a table line says of regions that are in no log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    AsLogged,
    /// `sync`: none is in sync, whatever the log says.
    Forced,
    /// `nosync`: all are.
    Assumed,
}

/// Regions that are in sync, and the leg that is right about the others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Belief {
    pub(super) in_sync: Vec<bool>,
    pub(super) source: usize,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The log of a mirror of so many regions; regions behind the last it is for are not in sync.
pub(super) fn decode(log: &[u8], regions: u64) -> Decoded {
    if number(&log[..4]) != 0x4D69_5272 {
        return Decoded::Nothing;
    }
    if number(&log[4..8]) != 2 {
        return Decoded::OtherVersion;
    }
    let for_regions = number(&log[8..16]);
    let bit = |region: u64| log[1024 + region as usize / 8] >> (region % 8) & 1 == 1;
    let in_sync = (0..regions).map(|region| region < for_regions && bit(region)).collect();
    let count = if number(&log[512..516]) == 0x6C61_7473 { number(&log[516..520]) } else { 0 };
    let stale = log[520..].chunks(8).take(count.min(32) as usize).map(number).collect();
    Decoded::Log { for_regions, in_sync, stale }
}

/// What a mirror of these legs is to believe; `None` if it is to refuse.
pub(super) fn believe(log: &[u8], regions: u64, start: Start, legs: &[u64]) -> Option<Belief> {
    let all = |value| vec![value; regions as usize];
    let decoded = if start == Start::Forced { Decoded::Nothing } else { decode(log, regions) };
    match decoded {
        Decoded::Nothing => Some(Belief { in_sync: all(start == Start::Assumed), source: 0 }),
        Decoded::OtherVersion => None,
        Decoded::Log { for_regions, mut in_sync, stale } => {
            let unlogged = in_sync.iter_mut().skip(for_regions.min(regions) as usize);
            unlogged.for_each(|in_sync| *in_sync = start == Start::Assumed);
            let source = legs.iter().position(|leg| !stale.contains(leg));
            Some(Belief { in_sync, source: source.unwrap_or(0) })
        }
    }
}

/// By what a log names a leg: FNV-1a of its two words.
pub(super) fn leg_number(words: &str) -> u64 {
    words.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
