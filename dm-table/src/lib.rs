//! The text of a device mapper's table: lines of `<start> <length> <target type> <arguments>`.
//!
//! ```text
//! # a volume of 8 MiB on two disks
//! 0    8192 linear /dev/sdb 2048
//! 8192 8192 striped 2 128 /dev/sdb 10240 /dev/sdc 0
//! ```
//!
//! # Who should depend on it
//!
//! Whoever reads or writes such tables: a device mapper that loads them, a tool that checks or draws
//! them, a boot loader that is given them on its command line ([`concise`]), and authors of target
//! types, whose constructors get the words of a line as [`Args`]. It needs `core` alone: no `std`, no
//! allocator, no `unsafe`.
//!
//! # What it promises
//!
//! - Every error, not just the first, each with its line and column and a reason to show a person;
//!   and each mistake once.
//! - Words are borrowed from the text. Nothing is copied or allocated; time is linear in the text.
//! - Any bytes are read without panicking; what a message shows of them is short and printable.
//! - Lines with no error between them are contiguous; a table without errors starts at sector 0,
//!   and its end fits 64 bits.
//! - Printing a line gives its canonical form, and parsing that gives the same line.
//!
//! It does not know target types: what the arguments mean, and whether the devices exist and are
//! long enough, is judged where the targets are made.
//!
//! # Example
//!
//! ```
//! let text = b"0 8 linear /dev/sdb 2048\n9 8k linear /dev/sdb 4096\n";
//! for line in dm_table::parse(text) {
//!     match line {
//!         Ok(line) => {
//!             assert_eq!((line.range().length().get(), line.target().raw()), (8, "linear"));
//!             let mut args = line.args();
//!             let device = args.word("a device")?;
//!             let offset = args.number("the offset in sectors")?;
//!             args.finish()?;
//!             println!("{} sectors from sector {offset} of {device} on", line.range().length());
//!         }
//!         Err(error) => eprintln!("{error}"),
//!     }
//! }
//! # let errors: Vec<_> = dm_table::parse(text).filter_map(Result::err).map(|e| e.to_string()).collect();
//! # assert_eq!(errors, [
//! #     "2:1: expected sector 8, where the line before ends, found 9: a gap",
//! #     "2:3: expected the length in sectors, found `8k`: not a decimal number",
//! # ]);
//! # Ok::<(), dm_table::ArgError<'static>>(())
//! ```
//!
//! prints
//!
//! ```text
//! 8 sectors from sector 2048 of /dev/sdb on
//! 2:1: expected sector 8, where the line before ends, found 9: a gap
//! 2:3: expected the length in sectors, found `8k`: not a decimal number
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

#[cfg(test)]
extern crate std;

mod args;
pub mod concise;
mod digits;
mod error;
mod escaped;
mod excerpt;
mod line;
mod lines;
mod position;
mod queue;
mod quick;
mod quoting;
mod sector;
mod sequence;
mod split;
mod swar;
mod text;
mod word;

pub use args::{ArgError, ArgReason, Args};
pub use error::{TableError, TableReason};
pub use escaped::Escaped;
pub use excerpt::Excerpt;
pub use line::Line;
pub use lines::{Lines, parse};
pub use position::Position;
pub use quoting::Unescaped;
pub use sector::{SECTOR_SIZE, Sector, SectorRange, Sectors};
pub use text::TextReason;
pub use word::Word;
