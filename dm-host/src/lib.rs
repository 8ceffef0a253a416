//! A device mapper in a process of one's own: files underneath, and the program `dmctl` on top.
//!
//! Depend on this crate to map devices without a kernel's help; to run the device mapper on a block
//! layer of your own, depend on `dm-core` alone.

pub mod cli;
pub mod control;
pub mod daemon;
mod diagnosis;
mod doorbell;
pub mod draw;
mod durable;
pub mod exports;
pub mod fuse;
mod host;
mod inbox;
mod mirror_status;
pub mod nbd;
#[cfg(test)]
mod testing;
mod tls;
pub mod ublk;
mod unix_socket;
pub mod vhost;

pub use diagnosis::Diagnosis;
pub use host::{
    BackingDevice, BlockIo, Buffer, Complete, DeviceFigures, Done, EngineChoice, EngineNameError,
    FenceError, Figures, HostOptions, Mapper, StartError, UserBio, UserHost, Zeroing,
};
pub use mirror_status::{LegStatus, MirrorStatus};
