//! A simulated host for `dm-core`: faulty disks, power cuts, a clock, and seeds that decide what
//! happens.
//!
//! For testing target types, and anything else that runs on a device mapper, without devices,
//! threads or time. Depend on it from tests. There are two ways to use it.
//!
//! **Step by step**, with a [`Sim`]. Requests that reach a disk wait there until the test
//! [completes](Sim::complete) them, one by one in any order, or all of them; the clock stands still
//! until it is [moved](Sim::advance).
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
//!
//! **By seeds**, with a [`Plan`]. It says what is asked of a device and what goes wrong meanwhile:
//! [faults](Fault), stalls, disks that go away, [power cuts](Act::CutPower), suspends, tables that
//! replace one another. A run of it picks from a seed what happens next, request by request, and a
//! plain model of a disk tells whether what comes back is what it may be. What is checked is said
//! with [`Promises`]. A run that fails is told with its seed, and [made small](shrink).
//!
//! ```
//! use dm_sim::{Act, Plan, Random, campaign};
//!
//! fn plan(seed: u64) -> Plan {
//!     let mut random = Random::new(seed);
//!     let mut plan = Plan::new("one disk", random.number(), 50, "0 50 linear a 25");
//!     let disk = plan.add_disk("a", 100);
//!     plan.add_requests(40, &mut random);
//!     plan.add_fault(disk, &mut random);
//!     plan.add(&mut random, 100, Act::CutPower);
//!     plan
//! }
//!
//! let report = campaign(0..20, 1, &plan, &|_| {});
//! assert!(report.found.is_none(), "{}", report.found.unwrap());
//! assert_eq!(report.tally.cuts, 20);
//! ```
//!
//! `examples/own_target.rs` tests a target type of one's own like this. The built-in types are tested
//! by the [`scenarios`].
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
pub use plan::{Act, Control, DiskPlan, Layout, Place, Plan, Promises, Work};
pub use random::Random;
pub use run::{Outcome, Tally};
pub use shrink::shrink;
pub use sim::{Sim, load};
