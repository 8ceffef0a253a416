//! A host in userspace: backing devices, and the engines that read and write them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dm_core::{
    Change, DeviceMapper, Host, MappedDevice, Minor, Mode, OpenError, OutOfMemory, Registry,
    Sectors, Time,
};
use parking_lot::RawMutex;

mod backing;
mod backing_name;
mod bio;
mod block_io;
mod buffer;
mod catalog;
mod claim;
mod engine;
mod fence;
mod figures;
mod geometry;
mod job;
mod local_ring;
mod notifier;
mod pool;
mod remote;
mod ring;
mod ring_thread;
mod system_calls;

pub use backing::BackingDevice;
pub use bio::{Complete, Done, UserBio, Zeroing};
pub use block_io::BlockIo;
pub use buffer::Buffer;
pub(crate) use buffer::BufferPool;
pub use engine::{EngineChoice, EngineNameError};
pub use fence::FenceError;
pub(crate) use fence::{Fence, Place};
pub(crate) use figures::Counter;
pub use figures::{DeviceFigures, Figures};
pub(crate) use local_ring::LocalRing;
pub(crate) use ring::RingWaiting;
pub(crate) use system_calls::status_of_the_dead;

use catalog::Catalog;
use engine::Engine;
use job::Job;
use notifier::Notifier;

/// The device mapper of a process.
pub type Mapper = DeviceMapper<UserHost>;

/// What a host may be started with.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// Who reads and writes.
    pub engine: EngineChoice,
    /// The directories whose files tables may name, and nothing else; whatever they like, where
    /// there are none.
    pub allow: Vec<PathBuf>,
}

/// Why no host was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The engine that was asked for is refused.
    #[error("the system refuses io_uring: {0}")]
    NoEngine(#[source] io::Error),
    /// The thread that looks after the devices did not start.
    #[error("no thread: {0}")]
    NoThread(#[source] io::Error),
    /// A directory that tables may name files of is none.
    #[error(transparent)]
    Allow(#[from] FenceError),
    /// There is no memory for it.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for StartError {
    fn from(_: OutOfMemory) -> StartError {
        StartError::OutOfMemory
    }
}

/// A block layer in a process: files and block devices, read and written by io_uring or threads.
///
/// Tables may call a device
/// - by a path, or `file:PATH`: a regular file, or a block device;
/// - `direct:PATH`: the same, past the page cache (`O_DIRECT`);
/// - `MAJOR:MINOR`: a block device by its number;
/// - `mem:SIZE`, `mem:NAME:SIZE`: a disk in memory, where SIZE is bytes, or has K, M, G or T behind
///   it. The same words are the same disk for as long as a table has it open; then it is gone;
/// - `nbd://HOST[:PORT]/EXPORT`, `nbd+unix:///EXPORT?socket=PATH`: an NBD export. While its server is
///   gone requests wait, and are then sent again; after a minute, or as many seconds as the parameter
///   `reconnect-delay` says, they fail until it is back. (That a machine is gone, rather than a
///   server, shows after half a minute of silence.) With `nbds` in front it is spoken to over TLS, with the
///   parameters `tls-certificates=DIR` (where `ca-cert.pem` has the authorities to trust instead of
///   the system's, and `client-cert.pem` and `client-key.pem` are shown if they are there),
///   `tls-hostname=NAME` (whom the server's certificate must be for) and `tls-verify-peer=0`.
///
/// Where the host is told which directories may be [used](HostOptions::allow), only regular files and
/// block devices below them are devices. The system looks such names up and stays below on the way:
/// `..` and relative symbolic links may lead elsewhere below, absolute ones nowhere.
///
/// A device that is written is this process's alone, one that is only read is shared with other
/// readers, among all that ask for flock(2) locks. A sector that a file ends in the middle of does
/// not count. A file that becomes shorter while it is in use gives I/O errors where it is missing.
pub struct UserHost {
    engine: Engine,
    catalog: Catalog,
    notifier: Arc<Notifier>,
    figures: Arc<figures::Registry>,
    lanes: usize,
    /// Where its clock begins.
    started: Instant,
}

impl UserHost {
    /// Starts a host, and a device mapper on it that knows the target types of `registry`.
    pub fn start(options: &HostOptions, registry: Registry) -> Result<Arc<Mapper>, StartError> {
        let lanes = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        let notifier = Arc::new(Notifier::default());
        let host = UserHost {
            engine: Engine::new(options.engine, lanes).map_err(StartError::NoEngine)?,
            catalog: Catalog::new(Fence::new(&options.allow)?),
            notifier: notifier.clone(),
            figures: Arc::default(),
            lanes,
            started: Instant::now(),
        };
        let mapper = Arc::new(DeviceMapper::new(host, registry)?);
        UserHost::forget_figures(&mapper);
        let weak = Arc::downgrade(&mapper);
        let settle = move || notifier.settle_devices(&weak);
        let thread = std::thread::Builder::new().name("dm-settle".into()).spawn(settle);
        thread.map_err(StartError::NoThread)?;
        Ok(mapper)
    }

    /// Who reads and writes: what was chosen, or what `Auto` came to.
    pub fn engine(&self) -> EngineChoice {
        self.engine.choice()
    }

    /// Waits until a change has taken place; after a removal, the name is free again.
    pub fn wait(&self, change: &Change<UserHost>) {
        self.notifier.wait_for(None, || change.is_done().then_some(()));
        if change.device().is_removed() {
            self.notifier.notify_and_wait(change.device().minor());
        }
    }

    /// Waits until a device's event number is another than `after`, or the device was removed.
    ///
    /// Returns the number there is then, or `None` when that took longer than `timeout`.
    pub fn wait_event(
        &self,
        device: &MappedDevice<UserHost>,
        after: u64,
        timeout: Option<Duration>,
    ) -> Option<u64> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.notifier.wait_for(deadline, || {
            let events = device.events();
            (events != after || device.is_removed()).then_some(events)
        })
    }

    /// Calls `listener` with a device's number whenever something about the device has changed: its
    /// event number, for one. It must not wait for other changes.
    pub fn on_change(&self, listener: impl Fn(Minor) + Send + Sync + 'static) {
        self.notifier.listen(Arc::new(listener));
    }

    /// The files that may be named to this host.
    pub(crate) fn fence(&self) -> &Fence {
        self.catalog.fence()
    }

    /// Gives this thread a ring of its own for what it submits, if that is how this host works.
    pub(crate) fn local_ring(&self, waiting: RingWaiting) -> Option<LocalRing> {
        self.engine.local_ring(waiting)
    }
}

impl Host for UserHost {
    type Device = BackingDevice;
    type Bio = UserBio;
    type Queue = std::collections::VecDeque<UserBio>;
    type Lock = RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, mode: Mode) -> Result<BackingDevice, OpenError> {
        self.catalog.open(name, mode)
    }

    #[inline]
    fn submit(&self, mut bio: UserBio) {
        // One that was not aimed is dropped, and so fails.
        if let Some(file) = bio.take_file() {
            self.engine.submit(Job::new(bio, file), lane());
        }
    }

    fn notify(&self, minor: Minor) {
        self.notifier.notify(minor);
    }

    fn now(&self) -> Time {
        Time::from_nanos(self.started.elapsed().as_nanos() as u64)
    }

    fn wake(&self, minor: Minor, at: Time) {
        self.notifier.wake(minor, self.started + Duration::from_nanos(at.nanos()));
    }

    fn buffer(&self, sectors: Sectors) -> Result<UserBio, OutOfMemory> {
        UserBio::buffer(sectors)
    }

    fn lane(&self) -> usize {
        lane()
    }

    fn lanes(&self) -> usize {
        self.lanes
    }
}

impl Drop for UserHost {
    fn drop(&mut self) {
        self.notifier.stop();
    }
}

/// A number for each thread, in the order in which they first ask.
fn lane() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    LANE.with(|lane| *lane)
}
