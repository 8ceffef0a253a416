//! Runs the tests of whatever has threads or unsafe code under the compiler's sanitizers.
//!
//! Rust's own library is built from source, so that it is watched as well, and so is `dmctl`, which
//! many tests start.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::{rust_src, shell};

/// What the compiler can watch for: data races, and accesses to memory that is not theirs.
pub(crate) const SANITIZERS: &[&str] = &["thread", "address"];

const TARGET: &str = "x86_64-unknown-linux-gnu";
const CRATES: &[&str] = &["dm-sync", "dm-core", "dm-host"];

/// Runs the tests under each of these sanitizers; all of them, when none is named.
pub(crate) fn run(chosen: &[&'static str]) -> Result<(), Failure> {
    let chosen = if chosen.is_empty() { SANITIZERS } else { chosen };
    chosen.iter().try_for_each(|sanitizer| watch(sanitizer))
}

fn watch(sanitizer: &str) -> Result<(), Failure> {
    let toolchain = rust_src::Toolchain::find()?;
    let library = match toolchain.source() {
        Some(library) => library,
        None => toolchain.fetch_source()?,
    };
    let folder = shell::scratch().join("sanitize").join(sanitizer);
    let reports = folder.join("reports");
    let file = |source| Failure::File { path: reports.clone(), source };
    if reports.is_dir() {
        fs::remove_dir_all(&reports).map_err(file)?;
    }
    fs::create_dir_all(&reports).map_err(file)?;

    let mut cargo = shell::cargo(&["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
    cargo.args(["-Zbuild-std", "--profile", "fuzz", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&folder);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    // Calls that pass libc by would be hidden from them, those that map and unmap memory among them.
    cargo.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer} --cfg=rustix_use_libc"));
    // Of the programs that tests start, too: each process has a file of its own. Tests ask for more
    // memory than there can be; that is an error, as it is elsewhere.
    let log_path = reports.join("report");
    let mut options = format!("log_path={}:allocator_may_return_null=1", log_path.display());
    if sanitizer == "thread" {
        // Tests are to go on: what it finds is counted in the end.
        options += ":exitcode=0";
    }
    let variable = if sanitizer == "thread" { "TSAN_OPTIONS" } else { "ASAN_OPTIONS" };
    cargo.env(variable, options);
    let tested = shell::run(&mut cargo);
    match print(&reports).map_err(file)? {
        0 => tested,
        count => Err(Failure::Sanitizer { sanitizer: sanitizer.to_owned(), count }),
    }
}

/// Prints every report, and how many there are.
fn print(reports: &Path) -> Result<usize, std::io::Error> {
    let mut count = 0;
    for report in fs::read_dir(reports)? {
        eprintln!("{}", fs::read_to_string(report?.path())?);
        count += 1;
    }
    Ok(count)
}
