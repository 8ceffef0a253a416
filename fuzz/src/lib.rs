//! What the fuzz targets do with their bytes, and what they hold to.
//!
//! Each target is a module with one function, `run`: it takes any bytes, and panics where something
//! is not as it should be. The fuzzer calls it; `tests/replay.rs` calls it with what is kept of
//! earlier runs, so that `cargo test` notices if something comes back.

#[path = "../../dm-core/tests/memory/allocator.rs"]
#[allow(dead_code, reason = "another test uses the rest of it")]
mod allocator;
pub mod boot;
pub mod btree;
pub mod control;
pub mod log;
pub mod mapper;
pub mod nbd;
pub mod table;
pub mod target;

/// A target: a name, and what takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("table", table::run),
    ("boot", boot::run),
    ("control", control::run),
    ("btree", btree::run),
    ("target", target::run),
    ("mapper", mapper::run),
    ("log", log::run),
    ("nbd", nbd::run),
];

/// The program of one target: for the fuzzer, or, built without one, for the files it is given.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $crate::$name::run(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}
