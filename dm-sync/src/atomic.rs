//! The atomics that everything here stands on: the real ones; those of loom, which tries every order in
//! which threads may run, and every value that they may see; or those of shuttle, which tries many
//! orders at random.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
