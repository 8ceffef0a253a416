//! What stable Rust lacks for a block layer that may not fail for want of memory: a `Box` and an
//! [`Arc`] whose allocation can fail, and the [`Gate`] that requests pass on their way to a table.
//!
//! Depend on it through `dm-core`, which re-exports what its hosts need. All `unsafe` that the
//! core crates rest on, apart from the SIMD of `dm-btree`, is in this crate.
//!
//! ```
//! use dm_sync::Gate;
//!
//! let gate = Gate::new(1, || {}).unwrap();
//! assert!(gate.enter(0).is_none(), "a new gate is shut");
//! assert!(gate.open("table").is_ok());
//! let table = gate.enter(0).unwrap();
//! assert_eq!(*table, "table");
//! let pass = table.into_pass();
//! gate.close();
//! assert!(!gate.is_shut(), "a request is still on its way");
//! drop(pass);
//! assert!(gate.is_shut());
//! ```
#![no_std]
#![warn(missing_docs)]
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
#[cfg(test)]
extern crate std;

mod arc;
mod atomic;
mod boxed;
mod gate;
#[cfg(all(test, loom))]
mod interleavings;
mod text;
mod vector;

pub use arc::Arc;
pub use boxed::try_box;
pub use gate::{Entered, Gate, Pass};
pub use text::Text;
pub use vector::{take_at, try_insert, try_push};

/// There was not enough memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutOfMemory;

impl core::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

impl From<alloc::collections::TryReserveError> for OutOfMemory {
    fn from(_: alloc::collections::TryReserveError) -> OutOfMemory {
        OutOfMemory
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::OutOfMemory;

    #[test]
    fn lack_of_memory_has_words() {
        assert_eq!(OutOfMemory.to_string(), "out of memory");
    }
}
