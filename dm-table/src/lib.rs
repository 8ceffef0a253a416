//! Table text.
#![no_std]
#![forbid(unsafe_code)]
mod sector;
pub use sector::{SECTOR_SIZE, Sector, SectorRange, Sectors};
