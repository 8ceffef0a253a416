//! Table text.
#![no_std]
#![forbid(unsafe_code)]

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
