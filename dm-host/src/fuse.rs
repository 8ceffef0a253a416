//! The control filesystem: mapped devices as directories, what there is to know about them as
//! files, and what is on them as the file `data`.
//!
//! The thread that talks to the kernel never waits for a device: what could take longer is done by
//! the host's engine, or by a thread of its own. So a device that is suspended holds back only those
//! who read or write it.

mod attributes;
mod background;
mod data;
mod error;
mod filesystem;
mod handles;
mod mount;
mod node;
mod polls;
mod record;
mod text_file;
mod tree;
mod writer;

pub use mount::{Mount, MountError};
