//! `dmctl`: mapped devices in a process of one's own.

use std::process::ExitCode;

fn main() -> ExitCode {
    dm_host::cli::main()
}
