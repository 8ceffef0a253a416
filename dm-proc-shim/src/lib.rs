//! The text protocol of `/proc/device-mapper`, over any host's device mapper.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "testing"))]
extern crate std;

mod carry_out;
mod command;
mod error;
mod file;
mod frame;
mod input;
mod session;
mod show;
#[cfg(feature = "testing")]
pub mod testing;
mod text;

pub use error::{Cause, Errno, ShimError};
pub use file::{DeviceFile, File};
pub use session::{Interrupted, MAX_LINE, MAX_TABLE, Session, Step, Wait};
