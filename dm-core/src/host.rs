//! What a block layer supplies so that mapped devices can run on it.

use alloc::collections::VecDeque;
use core::fmt;

use dm_sync::{OutOfMemory, Pass};
use dm_table::{Sector, Sectors};
use dm_targets::{BioOp, IoError, Op, OpenError, Time};

use crate::{Ended, Minor, Table};

/// A block layer: it opens devices, takes requests for them, and wakes whoever waits.
pub trait Host: Sized + Send + Sync + 'static {
    /// An open device. Dropping it closes it, which happens only when no bio is on its way there.
    type Device: Device;
    /// A request.
    type Bio: Bio<Host = Self>;
    /// Where requests wait while their device is suspended.
    type Queue: Queue<Self::Bio>;
    /// A lock for short sections that never sleep. Requests may complete while one is held, if this
    /// host's completions interrupt: then it must keep them out.
    type Lock: lock_api::RawMutex + Send + Sync + 'static;

    /// Whether requests may be submitted wherever one completes. If not, what a completion gives
    /// rise to is left to [`MappedDevice::settle`](crate::MappedDevice::settle), which `notify` asks
    /// for.
    const COMPLETIONS_SUBMIT: bool;

    /// Opens the device that a table calls `name`.
    fn open(&self, name: &str, mode: Mode) -> Result<Self::Device, OpenError>;

    /// The mapped device that `name` means, where this host has names of its own for them, such as
    /// the numbers and the nodes of the disks that it shows them as.
    fn mapped(&self, name: &str) -> Option<Minor> {
        let _ = name;
        None
    }

    /// A table is to lie on the mapped device `minor`. What this returns is kept as long as the
    /// table, so that a host that shows the device to others can hold it there meanwhile.
    fn claim(&self, minor: Minor, mode: Mode) -> Result<Option<Self::Device>, OpenError> {
        let _ = (minor, mode);
        Ok(None)
    }

    /// The device `minor` is about to pass requests on through `table`. What the host shows of it,
    /// for instance its size, may change now: all requests are held back.
    ///
    /// No lock is held. Called where devices may be closed.
    fn bind(&self, minor: Minor, table: &Table<Self>) {
        let _ = (minor, table);
    }

    /// Has what uses the device `minor`, for instance a mounted file system, come to rest, before
    /// the device is suspended. May block; control surfaces call it, the core does not.
    fn freeze(&self, minor: Minor) -> Result<(), FreezeError> {
        let _ = minor;
        Ok(())
    }

    /// Undoes each [`freeze`](Host::freeze) of the device `minor`, which passes requests on again.
    fn thaw(&self, minor: Minor) {
        let _ = minor;
    }

    /// Passes a request on to the device it was [aimed at](Bio::set_device).
    ///
    /// No lock is held. The bio may complete before this returns.
    fn submit(&self, bio: Self::Bio);

    /// Something about the device `minor` has changed: its event number moved, its requests have
    /// drained, or a target of it has something to do. Wake those who wait for a change, and see to
    /// it that somebody calls [`MappedDevice::settle`](crate::MappedDevice::settle) soon.
    ///
    /// Called wherever a bio is dropped or completed, and with a lock of the core held; it must not
    /// call back into the device.
    fn notify(&self, minor: Minor);

    /// What its clock shows: one that never goes back. May be called with a lock of the core held.
    fn now(&self) -> Time;

    /// See to it that somebody calls [`MappedDevice::settle`](crate::MappedDevice::settle) for the
    /// device `minor` at `at` or soon after. A device's earlier wish holds as well.
    fn wake(&self, minor: Minor, at: Time);

    /// Memory for jobs of a target's own: a bio that is aimed nowhere, only made
    /// [children](Bio::child) of. Dropping it frees the memory.
    fn buffer(&self, sectors: Sectors) -> Result<Self::Bio, OutOfMemory>;

    /// A number for the CPU or thread that asks, the smaller the better. CPUs with different
    /// numbers below [`Host::lanes`] do not disturb one another when they submit.
    fn lane(&self) -> usize {
        0
    }

    /// How many lanes to keep apart.
    fn lanes(&self) -> usize {
        1
    }
}

/// A request for a device: an owned token that completes once.
///
/// Dropping it completes it with [`IoError::Failed`]. One that was [split](Bio::split) or
/// [duplicated](Bio::duplicate) completes as a whole when all its parts have; it fails if one did.
pub trait Bio: Sized + Send + 'static {
    /// Whose it is.
    type Host: Host<Bio = Self>;

    /// What is to be done.
    fn op(&self) -> BioOp;

    /// How.
    fn flags(&self) -> BioFlags;

    /// Where it begins.
    fn sector(&self) -> Sector;

    /// How long it is; zero for a flush.
    fn sectors(&self) -> Sectors;

    /// Takes the first `front` sectors off, of the more than that many that it has. The part taken
    /// off carries a clone of each pass.
    fn split(&mut self, front: Sectors) -> Result<Self, OutOfMemory>;

    /// Another request for the same sectors and the same data, with a clone of each pass.
    fn duplicate(&self) -> Result<Self, OutOfMemory>;

    /// A request of its own for the first `sectors` of this one's memory, as it stands now, without
    /// passes; `ended` is told when it has completed, and before its passes are dropped.
    ///
    /// This one has nothing to do with how it ends, but its memory outlives it. Gives `ended` back
    /// where there is no memory.
    fn child(
        &self,
        op: BioOp,
        flags: BioFlags,
        sectors: Sectors,
        ended: Ended<Self::Host>,
    ) -> Result<Self, Ended<Self::Host>>;

    /// Lets `work` at the memory of a [buffer](Host::buffer), once all its children have told that
    /// they have ended; `None`, with nothing done, before that.
    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T>;

    /// Moves it: it now begins at `sector` of whatever device is next to get it.
    fn set_sector(&mut self, sector: Sector);

    /// Aims it at a device. What [`Host::submit`] needs of the device is to be copied, for instance
    /// its descriptor: the device outlives the bio, by the passes that the bio carries.
    fn set_device(&mut self, device: &<Self::Host as Host>::Device);

    /// Keeps `pass` until it completes. Called at most [`MAX_DEPTH`](crate::MAX_DEPTH) times.
    fn carry(&mut self, pass: Pass);

    /// Fills the data of a read with zeros.
    fn fill_zeros(&mut self);

    /// Completes it.
    fn complete(self, result: Result<(), IoError>);
}

bitflags::bitflags! {
    /// How a bio is to be carried out.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct BioFlags: u32 {
        /// Force unit access: what it writes must last once it has completed.
        const FUA = 1;
    }
}

/// What uses a device did not come to rest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("what is mounted on the device could not be frozen")]
pub struct FreezeError;

/// Requests in the order they came. Only a queue that has no room may refuse one.
///
/// A host whose bios have a link in them need never refuse.
pub trait Queue<B>: Default + Send {
    /// Adds a bio at the end; gives it back if there is no memory for it.
    fn push(&mut self, bio: B) -> Result<(), B>;

    /// Takes the first bio.
    fn pop(&mut self) -> Option<B>;
}

impl<B: Send> Queue<B> for VecDeque<B> {
    fn push(&mut self, bio: B) -> Result<(), B> {
        if self.try_reserve(1).is_err() {
            return Err(bio);
        }
        self.push_back(bio);
        Ok(())
    }

    fn pop(&mut self) -> Option<B> {
        self.pop_front()
    }
}

/// An open device of a host.
pub trait Device: Send + Sync + 'static {
    /// Its length.
    fn size(&self) -> Sectors;

    /// What its requests must keep to.
    fn limits(&self) -> Limits;

    /// Whether both are the same device, whatever they were opened as.
    fn is_same(&self, other: &Self) -> bool;

    /// Writes a name that opens it again.
    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

/// What requests for a device must keep to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The unit in which it is addressed: a power of two.
    pub logical_block: Sectors,
    /// The unit it is happiest with: a power of two, at least the logical block.
    pub physical_block: Sectors,
    /// The longest read or write.
    pub max_transfer: Sectors,
    /// The longest discard; none if it does not discard.
    pub max_discard: Sectors,
    /// The longest write of zeros; none if it does not write zeros by itself.
    pub max_write_zeroes: Sectors,
}

impl Limits {
    /// Those of a device that takes anything.
    pub const NONE: Limits = Limits {
        logical_block: Sectors::new(1),
        physical_block: Sectors::new(1),
        max_transfer: Sectors::new(u64::MAX),
        max_discard: Sectors::new(u64::MAX),
        max_write_zeroes: Sectors::new(u64::MAX),
    };

    /// The longest request for `op`; zero if there may be none.
    pub const fn max(&self, op: Op) -> Sectors {
        match op {
            Op::Read | Op::Write => self.max_transfer,
            Op::Discard => self.max_discard,
            Op::WriteZeroes => self.max_write_zeroes,
        }
    }
}

/// Whether a device may be written.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Read and written.
    #[default]
    ReadWrite,
    /// Only read.
    ReadOnly,
}
