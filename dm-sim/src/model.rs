//! A plain model of a disk: what each sector may hold, given what was asked for and what was answered.

use std::ops::Range;

mod stamp;

pub use stamp::{Mismatch, Stamp};
pub(crate) use stamp::{initial, stamp};

/// What a sector holds: the same eight bytes over and over, or something that nobody wrote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    Value(u64),
    /// After a discard: anything.
    Undefined,
}

/// The value of a sector of zeros.
pub(crate) const ZEROS: Content = Content::Value(0);

/// What each sector may hold.
///
/// A read returns the last write that was acknowledged before it began, or one that was concurrent
/// with it. A write that failed leaves either. What was acknowledged and flushed, or written with
/// FUA, survives a power cut; of what came later each sector may hold any.
pub(crate) struct Model {
    sectors: Vec<Vec<Version>>,
    /// Counts beginnings and ends, so that no two are at the same time.
    tick: u64,
    /// When the reads began that have not ended.
    reads: Vec<u64>,
    last_write: u64,
}

/// Something that was to be written to a sector, and may be there.
#[derive(Clone, Copy, Debug)]
struct Version {
    write: u64,
    content: Content,
    begun: u64,
    ended: Option<u64>,
    /// Whether it surely replaced what was there when it began.
    certain: bool,
    /// Whether it surely does so after a power cut, too.
    durable: bool,
    /// It was there before the last power cut.
    before_cut: bool,
    /// Another write of the sector was under way at the same time.
    raced: bool,
    failed: bool,
    /// A disk lost its cache while it was under way.
    weak: bool,
}

/// A write in the model.
#[derive(Clone, Debug)]
pub(crate) struct ModelWrite {
    number: u64,
    sectors: Range<u64>,
}

impl Model {
    /// A disk with these contents, which last.
    pub(crate) fn new(contents: impl IntoIterator<Item = Content>) -> Model {
        let first = |content| Version {
            write: 0,
            content,
            begun: 0,
            ended: Some(0),
            certain: true,
            durable: true,
            before_cut: true,
            raced: false,
            failed: false,
            weak: false,
        };
        let sectors = contents.into_iter().map(|content| vec![first(content)]).collect();
        Model { sectors, tick: 1, reads: Vec::new(), last_write: 0 }
    }

    /// A write, discard, or write of zeros begins. The number that it has is one more than the last.
    pub(crate) fn begin_write(
        &mut self,
        sectors: Range<u64>,
        content: impl Fn(u64, u64) -> Content,
    ) -> ModelWrite {
        let begun = self.next_tick();
        self.last_write += 1;
        let number = self.last_write;
        for sector in sectors.clone() {
            let versions = &mut self.sectors[sector as usize];
            let mut raced = false;
            for other in versions.iter_mut().filter(|other| other.ended.is_none()) {
                other.raced = true;
                raced = true;
            }
            versions.push(Version {
                write: number,
                content: content(number, sector),
                begun,
                ended: None,
                certain: false,
                durable: false,
                before_cut: false,
                raced,
                failed: false,
                weak: false,
            });
        }
        ModelWrite { number, sectors }
    }

    /// The number that the next write will have.
    pub(crate) fn next_write(&self) -> u64 {
        self.last_write + 1
    }

    /// A write ends, well or not, and lasts if it has to.
    pub(crate) fn end_write(&mut self, write: &ModelWrite, good: bool, fua: bool) {
        let ended = self.next_tick();
        for sector in write.sectors.clone() {
            let versions = &mut self.sectors[sector as usize];
            for version in versions.iter_mut().filter(|version| version.write == write.number) {
                version.ended = Some(ended);
                version.certain = good && (fua || !version.weak);
                version.durable = good && fua;
                version.failed = !good;
            }
        }
        if fua {
            self.forget(write.sectors.clone());
        }
    }

    /// A read begins; to be given back when it ends.
    pub(crate) fn begin_read(&mut self) -> u64 {
        let begun = self.next_tick();
        self.reads.push(begun);
        begun
    }

    /// A read ends that began at `begun`, with these data if it went well.
    pub(crate) fn end_read(
        &mut self,
        begun: u64,
        first: u64,
        data: Option<&[u8]>,
    ) -> Result<(), Mismatch> {
        self.next_tick();
        self.reads.retain(|read| *read != begun);
        for (n, bytes) in data.unwrap_or_default().chunks(512).enumerate() {
            let sector = first + n as u64;
            self.check_at(sector, bytes, begun)?;
            self.observe(sector, value(bytes), begun);
        }
        Ok(())
    }

    /// A flush begins; to be given back when it ends.
    pub(crate) fn begin_flush(&mut self) -> u64 {
        self.next_tick()
    }

    /// A flush ends well that began at `begun`.
    pub(crate) fn end_flush(&mut self, begun: u64) {
        self.next_tick();
        for version in self.sectors.iter_mut().flatten() {
            version.durable |= version.certain && version.ended.is_some_and(|end| end < begun);
        }
        self.forget(0..self.sectors.len() as u64);
    }

    /// The power fails: whatever is under way never ends, and what does not last may be lost.
    pub(crate) fn cut_power(&mut self) {
        let now = self.next_tick();
        self.reads.clear();
        for version in self.sectors.iter_mut().flatten() {
            version.ended.get_or_insert(now);
            version.certain = version.durable;
            version.before_cut = true;
        }
        self.forget(0..self.sectors.len() as u64);
    }

    /// Some disk may have lost what does not last; requests go on.
    pub(crate) fn lose_caches(&mut self) {
        for version in self.sectors.iter_mut().flatten() {
            version.certain = version.durable;
            version.weak = version.ended.is_none();
        }
    }

    /// Whether a write is under way to any of these sectors.
    pub(crate) fn is_busy(&self, sectors: Range<u64>) -> bool {
        sectors.clone().any(|n| self.sectors[n as usize].iter().any(|v| v.ended.is_none()))
    }

    /// Checks a sector that nobody reads or writes.
    pub(crate) fn check(&self, sector: u64, bytes: &[u8]) -> Result<(), Mismatch> {
        self.check_at(sector, bytes, u64::MAX)
    }

    /// Whether all copies of a sector must hold the same, although the model may not know what. Not
    /// after a discard; nor where two writes raced or one failed, unless that makes no difference.
    pub(crate) fn is_settled(&self, sector: u64, after_races: bool, after_failures: bool) -> bool {
        let mut allowed = self.allowed(sector, u64::MAX).peekable();
        let first = allowed.peek().map(|version| version.content);
        let versions: Vec<&Version> = allowed.collect();
        if versions.iter().any(|version| version.content == Content::Undefined) {
            return false;
        }
        versions.iter().all(|version| Some(version.content) == first)
            || versions.iter().all(|v| (after_races || !v.raced) && (after_failures || !v.failed))
    }

    fn check_at(&self, sector: u64, bytes: &[u8], begun: u64) -> Result<(), Mismatch> {
        let found = value(bytes);
        let fits = |version: &Version| match version.content {
            Content::Value(value) => found == Some(value),
            Content::Undefined => true,
        };
        if self.allowed(sector, begun).any(fits) {
            return Ok(());
        }
        let stamps = self.allowed(sector, begun).map(|version| match version.content {
            Content::Value(value) => Stamp::of(Some(value)),
            Content::Undefined => Stamp::Mixed,
        });
        Err(Mismatch { sector, found: Stamp::of(found), allowed: stamps.collect() })
    }

    /// What a read may find that began at `begun` and ends now.
    fn allowed(&self, sector: u64, begun: u64) -> impl Iterator<Item = &Version> {
        let versions = &self.sectors[sector as usize];
        versions.iter().filter(move |version| {
            !versions.iter().any(|other| {
                other.certain
                    && other.ended.is_some_and(|end| end < begun)
                    && version.ended.is_some_and(|end| end < other.begun)
            })
        })
    }

    /// What a power cut left open is known once it was read, unless copies may differ.
    fn observe(&mut self, sector: u64, found: Option<u64>, begun: u64) {
        let versions = &mut self.sectors[sector as usize];
        let old = |v: &Version| v.before_cut && v.ended.is_some_and(|end| end < begun);
        let open = |v: &Version| v.raced || v.failed || v.content == Content::Undefined;
        if versions.len() < 2 || !versions.iter().all(old) || versions.iter().any(open) {
            return;
        }
        if let Some(seen) =
            versions.iter().position(|v| found.map(Content::Value) == Some(v.content))
        {
            let seen = versions[seen];
            *versions = vec![Version { certain: true, durable: true, ..seen }];
        }
    }

    /// Forgets what can be there no more, not even after a power cut.
    fn forget(&mut self, sectors: Range<u64>) {
        let oldest_read = self.reads.iter().copied().min().unwrap_or(u64::MAX);
        for versions in &mut self.sectors[sectors.start as usize..sectors.end as usize] {
            let last = |v: &Version| v.durable && v.ended.is_some_and(|end| end < oldest_read);
            let Some(safe) = versions.iter().filter(|v| last(v)).map(|v| v.begun).max() else {
                continue;
            };
            versions.retain(|v| v.ended.is_none_or(|end| end >= safe));
        }
    }

    fn next_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }
}

/// The value of a sector; `None` if it is not the same everywhere.
fn value(bytes: &[u8]) -> Option<u64> {
    let first = bytes.first_chunk::<8>()?;
    let same = bytes.chunks(8).all(|chunk| chunk == first);
    same.then(|| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests;
