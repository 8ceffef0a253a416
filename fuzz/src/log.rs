//! Any bytes on the log of a mirror that is loaded and resumed.

use decode::Start;
use disks::Disks;
use session::{Session, Wish};

mod decode;
mod disks;
mod mirror;
mod session;

/// What the mirror believes is what a plain decoder reads there. Nothing but a log of version 2 is
/// believed, and one of another version is left alone, with all requests refused. A leg that the log
/// names is not copied from. No leg is written before the log on the disk says so; after each write
/// of the log, whoever loads it next is told the truth; and in the end it reads back as all in sync.
///
/// The first four bytes choose the mirror, then come requests, and then the log: either the parts of
/// it that mean something, or changes to one that a mirror has left behind.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let [regions, kind, filler, cut] = [(); 4].map(|()| bytes.next());
    let (regions, filler) = match (regions, kind >> 5) {
        // More than one page of the log has room for. It takes long, so it is rare, and most of them
        // are in sync.
        (255, 5) => (24_600, 0xff),
        _ => (1 + u64::from(regions % 140), filler),
    };
    let start = [Start::AsLogged, Start::AsLogged, Start::Forced, Start::Assumed];
    let start = start[usize::from(kind % 4)];
    let legs = if kind & 4 == 0 { 2 } else { 3 };
    let block = if kind & 8 == 0 { 1 } else { 8 };
    let wishes = bytes.wishes();
    let mut disks = Disks::new(legs, regions, block, filler);
    if kind & 16 == 0 {
        let parts = [bytes.take(16), bytes.named(), bytes.0.to_vec()];
        for (at, part) in [0, 512, 1024].into_iter().zip(parts) {
            disks.put_log(at, &part);
        }
    } else {
        disks.make_legs_equal();
        let cut = bytes.next();
        Session::begin(&mut disks, Start::Assumed).run(&bytes.wishes(), cut.into());
        for change in bytes.0.chunks_exact(3) {
            disks.put_log(u16::from_be_bytes([change[0], change[1]]).into(), &change[2..]);
        }
    }
    Session::begin(&mut disks, start).run(&wishes, cut.into());
    // Whatever that has left, the next one brings to an end, and the last has nothing to do.
    Session::begin(&mut disks, Start::AsLogged).run(&wishes, usize::MAX);
    Session::begin(&mut disks, Start::AsLogged).run(&[], usize::MAX);
}

struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    /// As many as the first byte says.
    fn named(&mut self) -> Vec<u8> {
        let count = self.next();
        self.take(count.into())
    }

    fn wishes(&mut self) -> Vec<Wish> {
        let count = self.next() % 8;
        (0..count).map(|_| Wish { place: self.next(), write: self.next() & 1 == 1 }).collect()
    }
}
