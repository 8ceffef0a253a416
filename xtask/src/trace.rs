//! Traces: which requests bonnie++ makes of a mapped device, recorded for the benchmarks.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::dmctl;
use crate::failure::Failure;
use crate::shell;

mod volumes;

use volumes::{DISK, DISKS, VOLUMES, Volume};

/// What is run, and takes everything down again however it ends.
const SCRIPT: &str = "xtask/src/trace/record.sh";

const FILE_SYSTEMS: &[&str] = &["ext4", "xfs"];

/// Files of 256 MiB, and 8,192 small ones, as for a machine with half as much memory.
const BONNIE: &[&str] = &["-r", "128", "-s", "256", "-n", "8"];

/// What the script runs, and `cargo xtask setup` installs where the system lacks it.
const PROGRAMS: &[&str] = &["bonnie++", "mkfs.ext4", "mkfs.xfs", "losetup", "mountpoint", "setsid"];

/// Why no traces were recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceFailure {
    #[error("traces are recorded through a loop device and a mounted file system: only as root")]
    NotRoot,

    #[error("{0}: not installed; `cargo xtask setup` may help")]
    Missing(String),
}

/// Records a trace of each file system over each volume into `benches/traces`.
pub(crate) fn record() -> Result<(), Failure> {
    if !fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) {
        return Err(TraceFailure::NotRoot.into());
    }
    let missing: Vec<&str> = PROGRAMS.iter().copied().filter(|name| !shell::has(name)).collect();
    if !missing.is_empty() {
        return Err(TraceFailure::Missing(missing.join(", ")).into());
    }
    let dmctl = dmctl::build()?;
    for volume in VOLUMES {
        for file_system in FILE_SYSTEMS {
            trace(&dmctl, volume, file_system)?;
        }
    }
    Ok(())
}

fn trace(dmctl: &Path, volume: &Volume, file_system: &str) -> Result<(), Failure> {
    let folder = shell::scratch().join("trace");
    let at = |name: &str| folder.join(name);
    let failed = |source| Failure::File { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    for n in 0..DISKS {
        // Empty, and sparse.
        let disk = File::create(at(&format!("disk-{n}")));
        disk.and_then(|disk| disk.set_len(DISK * 512)).map_err(failed)?;
    }
    fs::write(at("table"), (volume.table)()).map_err(failed)?;

    let mut script = shell::command("sh", &[]);
    script.arg(shell::root().join(SCRIPT)).arg(dmctl).arg(file_system).args(BONNIE);
    shell::run(script.current_dir(&folder))?;

    let what = format!("bonnie++ on {file_system} over {}", volume.what);
    let traces = shell::root().join("benches/traces");
    let mut compact = shell::cargo(&["run", "--release", "--package=dm-benches"]);
    compact.args(["--example=compact_trace", "--", &what]).args([at("table"), at("requests")]);
    compact.arg(traces.join(format!("{}-{file_system}.trace", volume.name)));
    shell::run(&mut compact)?;
    fs::remove_dir_all(&folder).map_err(failed)
}
