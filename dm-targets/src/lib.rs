//! Target types of the device mapper: what a line of a table can map its sectors onto.
//!
//! Depend on this crate to write a target type of your own; to use the ones that are here, depend
//! on `dm-core`, which re-exports it. Targets know neither a block layer nor a lock: a
//! [`TargetType`] makes a [`Target`] from the words of a table line, and the target says, as a
//! plain function of position and length, where a request goes. So the same target runs in a
//! kernel, in a process and in a simulator, and can be tested without any of them.
//!
//! ```
//! use dm_targets::{Map, Op, Registry, Request, Target};
//! use dm_targets::table::{Sector, Sectors};
//!
//! let registry = Registry::with_builtins().unwrap();
//! assert_eq!(registry.find("io-err").unwrap().name(), "error");
//! let names: Vec<_> = registry.iter().map(|t| t.name()).collect();
//! assert_eq!(names, ["error", "linear", "mirror", "striped", "zero"]);
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

pub use dm_sync::OutOfMemory;
pub use dm_table as table;

mod construct;
mod error;
mod linear;
mod machine;
mod mirror;
mod reciprocal;
mod registry;
mod striped;
mod target;
mod time;
mod zero;

#[cfg(test)]
mod testing;

pub use construct::{CtrError, CtrReason, DeviceId, Devices, Extent, OpenError};
pub use error::ErrorTarget;
pub use linear::Linear;
pub use machine::{Action, Job, JobData, JobId, Machine, Slot, Taken};
pub use mirror::Mirror;
pub use registry::{RegisterError, Registry, nearest};
pub use striped::Striped;
pub use target::{BioOp, DeviceNames, IoError, Map, MessageError, Op, Request, Target, TargetType};
pub use time::Time;
pub use zero::Zero;
