//! A vhost-user-blk server: a mapped device as a disk of a virtual machine.
//!
//! The machine's monitor (QEMU, cloud-hypervisor, crosvm) connects to a unix socket and shares the
//! machine's memory. Its requests are then taken from there and their results put there, without
//! the monitor in between. Each queue has a thread, and each socket one monitor at a time.
//!
//! Requests of a queue complete in the order in which they came, however their devices finish them.
//! So what the machine sees as the last completed request tells exactly which were not, and a
//! monitor that reconnects, after this process was ended in the middle of its work, has them carried
//! out again, and no others.

mod config;
mod disk;
mod request;
mod server;
mod worker;

pub use server::{Server, VhostError};
