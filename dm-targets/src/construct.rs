//! What a target type is given to make a target with.

use alloc::string::String;

use dm_sync::OutOfMemory;
use dm_table::{ArgError, ArgReason, Args, Excerpt, Position, Sector, SectorRange, Sectors, Word};

/// One of the devices that a table has opened, by its number in that table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeviceId(pub u32);

/// The devices of the table that is being made.
pub trait Devices {
    /// Opens the device called `name`; one that this table has open already is shared.
    fn open(&mut self, name: &str) -> Result<DeviceId, OpenError>;

    /// How long an open device is.
    fn size(&self, device: DeviceId) -> Sectors;

    /// Sectors in a logical block of an open device: the unit of its requests. A power of two.
    fn logical_block(&self, device: DeviceId) -> Sectors;
}

/// Sectors of a device, checked to lie on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// The device.
    pub device: DeviceId,
    /// Where on it the sectors begin.
    pub start: Sector,
}

impl Extent {
    /// Reads `<device> <offset>`, opens the device, and checks that `length` sectors from there on
    /// lie on it and keep to its logical blocks.
    pub fn parse<'t>(
        args: &mut Args<'t>,
        length: Sectors,
        devices: &mut dyn Devices,
    ) -> Result<Extent, CtrError<'t>> {
        let word = args.word("a device")?;
        let opened = open_word(word, devices);
        Extent::parse_offset(opened, word, args, length, devices)
    }

    /// Reads `<offset>` for the device that the word `named` led to.
    pub(crate) fn parse_offset<'t>(
        opened: Result<DeviceId, OpenError>,
        named: Word<'t>,
        args: &mut Args<'t>,
        length: Sectors,
        devices: &dyn Devices,
    ) -> Result<Extent, CtrError<'t>> {
        let device = named.excerpt();
        let offset = args.word("the offset in sectors")?;
        let start = Sector::new(offset.number("the offset in sectors")?);
        let id = opened.map_err(|why| CtrError::at(named, CtrReason::Open { device, why }))?;
        let size = devices.size(id);
        let fits = SectorRange::new(start, length).is_some_and(|r| r.end().get() <= size.get());
        if !fits {
            return Err(CtrError::at(offset, CtrReason::PastEnd { device, size, start, length }));
        }
        let block = devices.logical_block(id);
        check_aligned("offset", start.get(), block).map_err(|why| CtrError::at(offset, why))?;
        check_aligned("length", length.get(), block).map_err(|why| CtrError::at(named, why))?;
        Ok(Extent { device: id, start })
    }
}

pub(crate) fn open_word(word: Word<'_>, devices: &mut dyn Devices) -> Result<DeviceId, OpenError> {
    if !word.raw().contains('\\') {
        return devices.open(word.raw());
    }
    let mut name = String::new();
    name.try_reserve_exact(word.raw().len()).map_err(OutOfMemory::from)?;
    // Unescaping only ever leaves characters out.
    name.extend(word.unescaped());
    devices.open(&name)
}

/// Refuses a number of sectors that is not a multiple of a device's logical block.
pub(crate) fn check_aligned(
    what: &'static str,
    number: u64,
    block: Sectors,
) -> Result<(), CtrReason<'static>> {
    if number & block.get().saturating_sub(1) != 0 {
        return Err(CtrReason::Misaligned { what, number, block });
    }
    Ok(())
}

/// Why no target could be made of a table line, and which word is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct CtrError<'t> {
    /// Where the word stands in the table; `None` where the line as a whole is to blame.
    pub at: Option<Position>,
    /// What is wrong.
    pub reason: CtrReason<'t>,
}

impl<'t> CtrError<'t> {
    /// An error at `word`.
    pub fn at(word: Word<'t>, reason: CtrReason<'t>) -> CtrError<'t> {
        CtrError { at: Some(word.position()), reason }
    }
}

impl<'t> From<ArgError<'t>> for CtrError<'t> {
    fn from(error: ArgError<'t>) -> CtrError<'t> {
        CtrError { at: Some(error.at), reason: CtrReason::Argument(error.reason) }
    }
}

impl From<CtrReason<'static>> for CtrError<'_> {
    fn from(reason: CtrReason<'static>) -> Self {
        CtrError { at: None, reason }
    }
}

impl From<OutOfMemory> for CtrError<'_> {
    fn from(_: OutOfMemory) -> Self {
        CtrError { at: None, reason: CtrReason::OutOfMemory }
    }
}

/// What is wrong with an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CtrReason<'t> {
    /// A word is missing, left over, or not a number.
    #[error("{0}")]
    Argument(ArgReason<'t>),
    /// A device cannot be opened.
    #[error("cannot open device {device}: {why}")]
    Open {
        /// What it was called.
        device: Excerpt<'t>,
        /// Why not.
        why: OpenError,
    },
    /// The device ends too early.
    #[error("{length} sectors from sector {start} on do not fit on {device}, which has {size}")]
    PastEnd {
        /// What it was called.
        device: Excerpt<'t>,
        /// How long it is.
        size: Sectors,
        /// The first sector asked for.
        start: Sector,
        /// How many were asked for.
        length: Sectors,
    },
    /// A number does not keep to the device's logical blocks.
    #[error("the {what} {number} is not a multiple of the device's logical block, {block} sectors")]
    Misaligned {
        /// Which number.
        what: &'static str,
        /// Its value, in sectors.
        number: u64,
        /// The logical block.
        block: Sectors,
    },
    /// The line's length does not suit the target.
    #[error("the length, {length} sectors, is not a multiple of {what}, {unit}")]
    Length {
        /// The line's length.
        length: Sectors,
        /// What it should be a multiple of.
        what: &'static str,
        /// How much that is.
        unit: u64,
    },
    /// A number is out of its bounds.
    #[error("{what} must be {bounds}, found {found}")]
    Bounds {
        /// Which number.
        what: &'static str,
        /// What it may be.
        bounds: &'static str,
        /// What it is.
        found: u64,
    },
    /// There is no memory for the target.
    #[error("out of memory")]
    OutOfMemory,
    /// Something only this type of target knows about.
    #[error("{0}")]
    Other(&'static str),
}

/// Why a device cannot be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is none of that name.
    #[error("no such device or file")]
    NotFound,
    /// Whoever runs this may not open it.
    #[error("permission denied")]
    Denied,
    /// Somebody else uses it.
    #[error("the device is in use")]
    Busy,
    /// It may only be read, and was to be written.
    #[error("it can only be read")]
    ReadOnly,
    /// It is a directory, a pipe, or something else without sectors.
    #[error("it is neither a block device nor a regular file")]
    NotADevice,
    /// The name is not one that this host understands; says what it should be.
    #[error("expected {expected}")]
    BadName {
        /// What the name should look like.
        expected: &'static str,
    },
    /// It is a mapped device that the new table would make part of itself.
    #[error("it is made of the device that this table is for")]
    Cycle,
    /// It is a mapped device on top of too many others.
    #[error("mapped devices may be stacked {limit} deep")]
    TooDeep {
        /// How deep.
        limit: u32,
    },
    /// There is no memory to open it.
    #[error("out of memory")]
    OutOfMemory,
    /// The host's own reason.
    #[error("{0}")]
    Other(&'static str),
}

impl From<OutOfMemory> for OpenError {
    fn from(_: OutOfMemory) -> OpenError {
        OpenError::OutOfMemory
    }
}
