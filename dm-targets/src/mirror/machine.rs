//! The mirror at work: requests, the log, copying, and tidying up, each in a file of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use dm_sync::{Arc, OutOfMemory};
use dm_table::Sectors;

use super::bitmap::Bitmap;
use super::legs::Legs;
use super::log::{Log, News, Sync};
use super::shared::{MAX_COPIES, Shared};
use crate::{Action, IoError, JobId, Machine, Slot, Taken, Time};

mod copying;
mod queue;
mod requests;
mod sweep;
#[cfg(test)]
mod testing;

use copying::Copying;
use queue::Queue;
use requests::Request;
use sweep::Sweep;

/// How many requests are in hand at once.
const REQUESTS: u16 = 128;

/// The most that is copied at once in one piece.
const CHUNK: u64 = 1024;

/// The most that is copied at once while others read or write, who wait for it; and not more than a
/// quarter of a region.
const SHORT_CHUNK: u64 = 128;

/// What a mirror is made of.
pub(super) struct Parts {
    pub(super) legs: Legs,
    pub(super) shared: Arc<Shared>,
    pub(super) length: Sectors,
    /// A power of two.
    pub(super) region: u64,
    /// The largest logical block of its legs, in sectors.
    pub(super) block: u64,
    pub(super) handle_errors: bool,
    pub(super) sync: Sync,
    pub(super) log: Option<Box<Log>>,
    /// How long the log's buffer is.
    pub(super) log_page: Sectors,
}

/// The state machine of a mirror.
pub(super) struct MirrorMachine {
    legs: Legs,
    shared: Arc<Shared>,
    length: u64,
    region: u64,
    short_chunk: u64,
    handle_errors: bool,
    sync: Sync,
    log: Option<Box<Log>>,
    log_page: Sectors,

    /// Regions where all legs hold the same.
    in_sync: Bitmap,
    /// Regions where all legs that work do.
    equal: Bitmap,
    /// Regions that were written since legs were last flushed for the log's sake.
    touched: Bitmap,

    mode: Mode,
    /// To be suspended.
    stopping: bool,
    requests: Vec<Request>,
    /// Requests that cannot go on yet, in the order in which they came.
    waiting: Queue,
    /// Whether something has happened that they may have waited for.
    look_again: bool,
    /// Requests that have something to say at the next [`Machine::poll`].
    ready: Queue,
    last_request: Time,
    copying: Copying,
    sweep: Sweep,
    event: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Stopped,
    /// The log is being read: requests wait.
    Loading,
    Running,
    /// To be suspended once what is in hand is done.
    Stopping,
    /// The log could not be read, so that it is not known which leg is right: requests fail.
    Blind,
}

/// Which part of the machine a job is of; the top bits of its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Request,
    Copy,
    Sweep,
    Log,
}

/// The number of the log's jobs.
pub(super) const LOG_JOB: JobId = JobId(job_number(Part::Log, 0, 0));

/// The buffer of the log. Those of the copies follow.
pub(super) const LOG_BUFFER: u16 = 0;

/// The buffer that flushes name as theirs. Not the log's: that one is filled while they are under way.
const FLUSH_BUFFER: u16 = LOG_BUFFER + MAX_COPIES as u16 + 1;

const fn job_number(part: Part, leg: u8, n: u16) -> u32 {
    (part as u32) << 24 | (leg as u32) << 16 | n as u32
}

fn job(part: Part, leg: u8, n: u16) -> JobId {
    JobId(job_number(part, leg, n))
}

impl MirrorMachine {
    pub(super) fn new(parts: Parts) -> Result<MirrorMachine, OutOfMemory> {
        let Parts { legs, shared, length, region, block, handle_errors, sync, log, log_page } =
            parts;
        let regions = shared.regions();
        let mut requests = Vec::new();
        requests.try_reserve_exact(REQUESTS.into())?;
        requests.resize_with(REQUESTS.into(), Request::default);
        let assumed = log.is_none() && sync == Sync::Assumed;
        let mut machine = MirrorMachine {
            legs,
            shared,
            length: length.get(),
            region,
            short_chunk: SHORT_CHUNK.min(region / 4).max(block),
            handle_errors,
            sync,
            log,
            log_page,
            in_sync: Bitmap::new(regions, assumed)?,
            equal: Bitmap::new(regions, assumed)?,
            touched: Bitmap::new(regions, false)?,
            mode: Mode::Stopped,
            stopping: false,
            requests,
            waiting: Queue::new(REQUESTS)?,
            look_again: false,
            ready: Queue::new(REQUESTS)?,
            last_request: Time::default(),
            copying: Copying::default(),
            sweep: Sweep::default(),
            event: false,
        };
        machine.legs.set_equal(assumed);
        machine.show_in_sync();
        Ok(machine)
    }

    fn region_of(&self, at: u64) -> u64 {
        at.checked_div(self.region).unwrap_or(0)
    }

    /// Regions differ, or may, and are not to be believed in before they were copied.
    fn set_unequal(&mut self, region: u64) {
        self.equal.set(region, false);
        self.in_sync.set(region, false);
        self.copying.spoil(region);
        self.show_in_sync();
    }

    /// A leg that no longer works has missed something in this region.
    fn set_missed(&mut self, region: u64) {
        if self.in_sync.set(region, false) {
            self.show_in_sync();
        }
    }

    fn show_in_sync(&self) {
        self.shared.set_in_sync(self.in_sync.ones());
    }

    /// The log, if there is one, was read; or none is needed.
    fn start(&mut self) {
        if let Some(log) = &self.log
            && self.mode == Mode::Loading
        {
            let regions = log.regions();
            self.in_sync.map_words(|n, _| regions.word(n));
        }
        let in_sync = &self.in_sync;
        self.equal.map_words(|n, _| in_sync.word(n));
        let equal = self.equal.all_ones();
        self.legs.revive(equal);
        if self.mode == Mode::Loading
            && let Some(log) = &mut self.log
        {
            self.legs.loaded(log.stale_on_disk(), equal);
            log.set_stale(self.legs.name(self.legs.named()));
        }
        self.mode = Mode::Running;
        self.copying.restart();
        self.look_again = true;
        self.show_in_sync();
    }

    fn stop(&mut self) {
        self.mode = Mode::Stopping;
        self.sweep.want_last();
    }

    fn handle_news(&mut self, news: News, now: Time) {
        match news {
            News::None => {}
            News::Loaded => {
                self.start();
                // Only now it is known what is in sync, and it may be all there is to know.
                self.event = true;
                self.sweep.want(now);
                if self.stopping {
                    self.stop();
                }
            }
            News::Written => {
                self.look_again = true;
                self.release_held();
            }
            News::Failed => {
                self.shared.set_log_failed(true);
                if self.log.as_deref().is_some_and(Log::is_unreadable) {
                    self.mode = Mode::Blind;
                }
                self.look_again = true;
                self.event = true;
                self.release_held();
            }
        }
    }
}

impl Machine for MirrorMachine {
    fn capacity(&self) -> u16 {
        REQUESTS
    }

    fn buffer(&self, n: u16) -> Option<Sectors> {
        match n {
            LOG_BUFFER if self.log.is_some() => Some(self.log_page),
            // A core log needs none, but numbers stay the same.
            LOG_BUFFER => Some(Sectors::new(1)),
            n if n <= MAX_COPIES.into() => Some(Sectors::new(self.region.min(CHUNK))),
            FLUSH_BUFFER => Some(Sectors::new(1)),
            _ => None,
        }
    }

    fn resume(&mut self, now: Time) {
        self.shared.set_log_failed(false);
        self.stopping = false;
        self.mode = Mode::Running;
        self.sweep.want(now);
        let sync = self.sync;
        if let Some(log) = &mut self.log {
            if sync == Sync::Forced && !log.was_read() {
                log.start_anew(sync);
                self.mode = Mode::Loading;
            } else if log.resume() {
                self.mode = Mode::Loading;
                return;
            }
        }
        self.start();
    }

    fn suspend(&mut self, _now: Time) {
        self.stopping = true;
        if self.mode == Mode::Running {
            self.stop();
        }
    }

    fn handle_request(&mut self, slot: Slot, taken: &Taken, now: Time) {
        self.last_request = now;
        self.take(slot, taken, now);
    }

    fn handle_done(&mut self, id: JobId, result: Result<(), IoError>, now: Time) {
        let [part, leg, high, low] = id.0.to_be_bytes();
        let n = u16::from_be_bytes([high, low]);
        if part == Part::Request as u8 {
            self.request_done(n, leg, result, now);
        } else if part == Part::Copy as u8 {
            self.copy_done(n, leg, result, now);
        } else if part == Part::Sweep as u8 {
            self.sweep_done(leg, result, now);
        } else if let Some(log) = &mut self.log {
            let news = log.handle_done(result);
            self.handle_news(news, now);
        }
    }

    fn handle_time(&mut self, _now: Time) {
        // What has become due, `poll` finds.
    }

    fn fill(&mut self, _buffer: u16, bytes: &mut [u8]) {
        if let Some(log) = &mut self.log {
            log.fill(bytes);
        }
    }

    fn look(&mut self, _buffer: u16, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            let news = log.look(bytes, self.sync);
            self.handle_news(news, self.last_request);
        }
    }

    fn poll(&mut self, now: Time) -> Option<Action> {
        if core::mem::take(&mut self.event) {
            return Some(Action::Event);
        }
        if core::mem::take(&mut self.look_again) {
            self.dispatch_waiting(now);
        }
        let log = |this: &mut MirrorMachine| this.log.as_deref_mut().and_then(Log::poll);
        self.poll_requests()
            .or_else(|| log(self))
            .or_else(|| self.poll_copies(now))
            .or_else(|| self.poll_sweep(now))
            // A sweep that has ended gives the log something to write.
            .or_else(|| log(self))
    }

    fn timeout(&self) -> Option<Time> {
        match self.mode {
            Mode::Running => {
                [self.copying.timeout(), self.sweep_timeout()].into_iter().flatten().min()
            }
            _ => self.sweep_timeout(),
        }
    }

    fn is_quiet(&self) -> bool {
        let idle = self.waiting.is_empty() && self.ready.is_empty() && self.copying.is_idle();
        let log = self.log.as_deref().is_none_or(Log::is_quiet);
        let swept = self.mode != Mode::Stopping || self.sweep.is_over();
        idle && swept && log && self.mode != Mode::Loading && !self.requests_in_hand()
    }
}
