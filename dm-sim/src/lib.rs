//! A simulated host for `dm-core`: disks in memory, and completions in the order a test chooses.
//!
//! For testing target types, and anything else that runs on a device mapper, without devices,
//! threads or time. Requests that reach a disk wait there until the test [completes](Sim::complete)
//! them, one by one in any order, or all of them.
//!
//! ```
//! use dm_sim::{Sim, load};
//!
//! let sim = Sim::new();
//! sim.add_disk("a", 100);
//! let device = load(&sim, "foo", "0 50 linear a 25");
//! let open = device.open().unwrap();
//! let write = sim.write(&open, 3, &[7; 512]);
//! assert!(!write.is_done());
//! sim.complete_all();
//! assert_eq!(write.result(), Some(Ok(())));
//! assert_eq!(sim.disk("a").sectors(28, 1), vec![7; 512]);
//! ```
#![forbid(unsafe_code)]

mod bio;
mod campaign;
mod disk;
mod failure;
mod host;
mod model;
mod plan;
mod random;
mod run;
pub mod scenarios;
mod shrink;
mod sim;

pub use bio::{SimBio, Ticket};
pub use campaign::{Found, Report, campaign};
pub use disk::{Disk, DiskCounts, Fault, FaultOn, SimDevice};
pub use failure::Failure;
pub use host::{Pending, SimHost};
pub use model::{Mismatch, Stamp};
pub use plan::{Act, Control, Copy, DiskPlan, Layout, Plan, Promises, Work};
pub use random::Random;
pub use run::{Outcome, Tally};
pub use shrink::shrink;
pub use sim::{Sim, load};
