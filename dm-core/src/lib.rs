//! A device mapper as a library.
//!
//! A *mapped device* is a virtual block device. Its *table* maps ranges of 512-byte sectors onto
//! *targets*, and a target says where on which device a request goes. [`DeviceMapper`] holds the
//! mapped devices; a [`Host`] supplies the block layer underneath: a kernel, a process, a
//! simulator, or yours. `examples/host.rs` is a whole host in about a hundred lines, and
//! `examples/target.rs` a target type of one's own.
//!
//! This crate promises that it never blocks, never panics, never allocates without being able to
//! say [`OutOfMemory`], and touches nothing but its host. Every request that is submitted completes
//! once. What is loaded is validated whole before anything changes.
//!
//! ```
//! use dm_core::{CreateOptions, Mode};
//!
//! let sim = dm_sim::Sim::new(); // or your own host, with `DeviceMapper::new`
//! sim.add_disk("disk", 2048);
//! let mapper = sim.mapper();
//!
//! let device = mapper.create("foo".parse()?, CreateOptions::default())?;
//! let table = b"0 1000 linear disk 0\n1000 24 zero\n";
//! mapper.load(&device, table, Mode::ReadWrite, &mut |error| eprintln!("{error}"))?;
//! assert!(device.resume()?.is_done());
//!
//! let read = sim.read(&device.open()?, 990, 20);
//! assert_eq!(sim.pending().len(), 1, "ten sectors go to the disk, ten read as zeros");
//! sim.complete_all();
//! assert_eq!(read.result(), Some(Ok(())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod change;
mod device;
mod ended;
mod host;
mod load;
mod mapper;
mod name;
mod open;
mod pump;
mod route;
mod table;

pub use change::{Change, ChangeError};
pub use device::{MappedDevice, SendError, State};
pub use dm_btree as btree;
pub use dm_sync::{Arc, OutOfMemory, Pass, Text, take_at, try_box, try_insert, try_push};
pub use dm_table as table_text;
pub use dm_table::{Sector, SectorRange, Sectors};
pub use dm_targets as targets;
pub use dm_targets::{BioOp, IoError, Op, OpenError, Registry, TargetType, Time};
pub use ended::Ended;
pub use host::{Bio, BioFlags, Device, FreezeError, Host, Limits, Mode, Queue};
pub use load::{LoadError, LoadFailed, LoadReason};
pub use mapper::{
    CreateError, CreateOptions, DeviceMapper, LoadDeviceError, RemoveError, RenameError,
};
pub use name::{DeviceName, Minor, NameError, Uuid, UuidError};
pub use open::{Open, OpenDeviceError};
pub use table::{MAX_DEPTH, Table, TableLine};
