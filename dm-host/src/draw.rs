//! A table as a picture: which sectors lie where.
//!
//! A [`Layout`] is found by asking each line's target, so it is true for any target type. No device
//! needs to exist: a picture can be drawn of a table for another machine.

mod bar;
mod layout;
mod palette;
mod paper;
mod probe;
mod segments;
mod svg;
mod terminal;
mod units;

pub use layout::{DeviceLayout, Extent, Kind, Layout, LineLayout, Piece};
pub use paper::layout;
pub use svg::svg;
pub use terminal::terminal;
pub use units::Size;
