//! The text protocol of `/proc/device-mapper`, over any host's device mapper.
//!
//! Depend on it to let people control a [`DeviceMapper`](dm_core::DeviceMapper) by reading and
//! writing files: a kernel's `/proc`, a mounted file system, a socket. Such a surface is an adapter
//! that finds a [`File`] by its path, [reads](File::read) it, and makes a [`Session`] for each open
//! that writes. It holds no state of its own, so that all surfaces give the same answers;
//! the feature [`testing`](#features) has the scripts that prove it.
//!
//! This crate promises what `dm-core` does: it never blocks, never panics whatever the bytes, and
//! every allocation can fail with an error. An error says which word of which line is wrong, and
//! what belongs there.
//!
//! ```
//! use dm_core::{Change, Host, DeviceMapper, Text};
//! use dm_proc_shim::{File, Interrupted, Session, ShimError};
//!
//! fn example<H: Host>(mapper: &DeviceMapper<H>) -> Result<Text, ShimError> {
//!     // How to sleep until `change.is_done()` is the host's business.
//!     let wait = &mut |change: &Change<H>| if change.is_done() { Ok(()) } else { Err(Interrupted) };
//!
//!     let mut control = Session::new(File::find(mapper, "control")?);
//!     control.write(mapper, b"create foo\n", wait)?;
//!
//!     let mut table = Session::new(File::find(mapper, "foo/table")?);
//!     table.write(mapper, b"0 2048 zero\n", wait)?;
//!     table.close(mapper, wait)?;
//!
//!     File::find(mapper, "foo")?.read(mapper)
//! }
//!
//! # use dm_sim::Sim;
//! let text = example(Sim::new().mapper())?;
//! assert_eq!(text.as_str(), "\
//! state active
//! events 1
//! table
//!   0 2048 zero
//! inactive
//! status
//!   0 2048 zero
//! error
//! message
//! ");
//! # Ok::<(), ShimError>(())
//! ```
//!
//! # Files
//!
//! | path | written | read |
//! |---|---|---|
//! | `control` | commands, one a line | `name minor state open events`, a line a device, in the order of the minors |
//! | `targets` | | `name[,alias]... version [usage]`, a line a target type |
//! | `<name>` | a table | everything about the device, as below |
//! | `<name>/table` | a table | the live table |
//! | `<name>/inactive` | | the table that waits for `resume` |
//! | `<name>/error` | | each error of the last load, `line:column: message` |
//! | `<name>/status` | | the condition of each target, a line a target |
//! | `<name>/state` | `suspend` or `resume`, perhaps `nofreeze` | `active`, `suspended` or `empty` |
//! | `<name>/events` | | the event number |
//! | `<name>/message` | `<sector> <word>...` | the last answer |
//!
//! `<name>` alone is for surfaces with one file a device. It reads as the other files do, each under
//! its name: `state` and `events` on the same line, the others on lines of their own, with two blanks
//! before each. `sed -n '/^table/,/^[a-z]/s/^  //p'` takes a live table out of it, fit to be loaded.
//!
//! # Commands
//!
//! ```text
//! create <name> [<minor>]         remove <name>                   rename <name> <new>
//! suspend <name> [nofreeze]       resume <name> [nofreeze]        clear <name>
//! message <name> <sector> <word>...
//! ```
//!
//! Words are written as in tables, in UTF-8: white space separates them, and a backslash takes the
//! character behind it as it is. Blank lines and lines with `#` are skipped. A line is carried out
//! when its line feed is written, the last one at the latest when the file is closed, and none is
//! longer than 64 KiB. The first line that fails ends a write: what stands behind it in the same
//! write is dropped. Errors count lines from the opening of the file.
//!
//! Before a device is suspended, or resumed with another table, what is mounted on it is brought to
//! rest, where the host can do so (in the Linux kernel: freeze), and let go when the device is
//! resumed; `nofreeze` leaves it alone.
//!
//! `suspend`, `resume`, `remove`, and a table that is bound have taken place when the write returns.
//!
//! # Tables
//!
//! A table is framed by `begin` and `end`, and then loaded when the line feed behind `end` is written,
//! or by open and close, and then loaded at the close. It is parsed, constructed and validated whole.
//! The first table of an empty device is bound at once; each later one waits for `resume`.
//!
//! Each open has a buffer of its own: two that write to one device do not mix. A table with `begin`
//! but without `end` is refused at the close, so that a process that dies in the middle of one leaves
//! nothing behind but the message in `error`. Without `begin`, the close is all that says that the
//! table is whole, whoever closes. (The control filesystem of dm-host knows where a process was
//! killed, and drops what that had written.) To open and close a file without writing does nothing.
//!
//! Behind `end`, `begin` and another table may follow through the same open; the lines of each are
//! counted by themselves. A table has at most 256 MiB.
//!
//! # Features
//!
//! - `testing` (needs `std`): the module `testing`, with scripts of commands and their answers, and
//!   what runs them against a surface.
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
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::string_slice,
    reason = "tests run it, and nothing else"
)]
pub mod testing;
mod text;

pub use error::{Cause, Errno, ShimError};
pub use file::{DeviceFile, File};
pub use session::{Interrupted, MAX_LINE, MAX_TABLE, Session, Step, Wait};
