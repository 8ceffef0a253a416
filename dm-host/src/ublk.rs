//! Mapped devices as block devices of this kernel, `/dev/ublkbN`, by its driver `ublk_drv`.
//!
//! The kernel takes each request from its block layer and hands it to a thread of this process, one
//! thread a queue, over an io_uring of that thread's own: a command waits in the kernel for each
//! request that there may be, and its completion is the request. The answer is the next command. Data
//! is copied between the request's pages and a buffer of ours by the kernel. What is spoken is the
//! kernel's documented interface, `linux/ublk_cmd.h`.
//!
//! When this process is killed, the kernel removes the block device, and what was on its way fails. The
//! device's number, and `/dev/ublkcN`, then stay until somebody deletes them.
//!
//! The crate libublk speaks the same, but needs libclang to be built, and brings an executor of its own;
//! here a queue's thread also waits for the devices below.

mod abi;
mod control;
mod disk;
mod params;
mod queue;
mod ring;

pub use disk::{Disk, UblkError};
