//! The atomics that everything here stands on: the real ones, or those of a checker that tries every
//! order in which threads may run, and every value that they may see.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
