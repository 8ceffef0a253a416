//! The device mapper as a Linux kernel module: the Rust half. The C half is in `c/`, and
//! `README.md` says how they meet.
#![no_std]

extern crate alloc;

mod bio;
mod device;
mod disk;
mod disks;
mod glue;
mod host;
mod lock;
mod memory;
mod module;
mod say;
mod session;
mod shown;

use core::panic::PanicInfo;

/// No code of ours is known to come here. If some did, a clear message and an oops in whoever ran it
/// are better than a disk that nobody can trust.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = say::Line::of(format_args!("{info}"));
    let bytes = line.bytes();
    // SAFETY: C reads that many bytes.
    unsafe { glue::dmrs_panic(bytes.as_ptr(), bytes.len()) }
}
