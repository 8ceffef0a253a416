//! `cargo xtask vm`: a virtual machine with a disk of ours, and one of qemu-storage-daemon's.
//!
//! Both are vhost-user-blk disks with two queues, on one file. The guest verifies ours, makes a file
//! system on it, writes to it while its server is killed and started again, and then measures both in
//! turns.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::dmctl;
use crate::failure::Failure;
use crate::kernel::guest::Clock;
use crate::kernel::{guest, packages};
use crate::setup::{self, Tool, tool};
use crate::shell::{self, Running};

pub(crate) mod ublk;

const TOOLS: &[Tool] = &[
    tool("qemu-system-x86_64", "qemu-system-x86", "the machine"),
    tool("qemu-storage-daemon", "qemu-system-common", "a server to compare with"),
];

/// The script that the guest runs, from where those of the kernel module are.
const SCRIPT: &str = "../../../dm-host/tests/vm/vhost.sh";
const SECONDS: u32 = 900;
const SECTORS: u64 = 64 << 11;

/// Builds all of it, runs it, and writes `target/bench/vhost.json`.
pub(crate) fn run(kernel: Option<&str>) -> Result<(), Failure> {
    setup::packages(TOOLS)?;
    guest::install()?;
    let kernel = packages::provide(kernel)?;
    let image = guest::initramfs(&kernel, None, &[], &kernel.root.join("vm"), SCRIPT)?;
    dmctl::build()?;

    let folder = shell::scratch().join("vm");
    let _ = fs::remove_dir_all(&folder);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(file(&folder))?;
    let disk = folder.join("disk");
    let random = format!("head -c {} /dev/urandom > \"$0\"", SECTORS * 512);
    shell::run(shell::command("sh", &["-c", &random]).arg(&disk))?;
    let (ours, theirs) = (folder.join("ours.sock"), folder.join("theirs.sock"));
    let dmctl = serve(&folder, &disk, &ours)?;
    let _daemon = storage_daemon(&disk, &theirs)?;

    let mut qemu = guest::machine(&kernel, &image, "", Clock::Real, "1G", SECONDS);
    qemu.args(["-object", "memory-backend-memfd,id=memory,size=1G,share=on"]);
    qemu.args(["-machine", "q35,memory-backend=memory"]);
    for (name, socket) in [("ours", &ours), ("theirs", &theirs)] {
        let socket = socket.display();
        qemu.arg("-chardev").arg(format!("socket,id={name},path={socket},reconnect=1"));
        qemu.args(["-device", &format!("vhost-user-blk-pci,chardev={name},num-queues=2")]);
    }
    let log = kernel.root.join("vhost.log");
    let _ = fs::remove_file(&log);
    let ended = AtomicBool::new(false);
    let again = || serve(&folder, &disk, &ours);
    let log = std::thread::scope(|scope| {
        let killer = scope.spawn(|| kill_and_restart(dmctl, again, &log, &ended));
        let booted = guest::boot(&mut qemu, log.clone());
        ended.store(true, Ordering::SeqCst);
        // It panics nowhere.
        let restarted = killer.join().unwrap_or(Ok(()));
        restarted.and(booted)
    })?;

    let text = fs::read_to_string(&log).map_err(file(&log))?;
    let rows = rows(&text, ["vda", "vdb"]);
    for row in &rows {
        let (ours, theirs) = (1e6 / row.ours, 1e6 / row.theirs);
        println!(
            "{:20} ours {ours:6.2} k requests/s, qemu-storage-daemon {theirs:6.2}, ratio {:.2}",
            row.case,
            row.theirs / row.ours
        );
    }
    let path = shell::root().join("target/bench/vhost.json");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file(folder))?;
    }
    fs::write(&path, json(&rows)).map_err(file(&path))
}

/// Kills the server three times while the guest writes, as soon as it says so, and starts it again.
fn kill_and_restart(
    mut server: Running,
    start: impl Fn() -> Result<Running, Failure>,
    log: &Path,
    ended: &AtomicBool,
) -> Result<(), Failure> {
    let mut kills = 0;
    while !ended.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(2));
        let printed = fs::read_to_string(log).unwrap_or_default();
        if kills < 3 && printed.contains("KILLS-BEGIN") {
            drop(server);
            eprintln!("vm: the server is killed");
            std::thread::sleep(Duration::from_millis(500));
            server = start()?;
            kills += 1;
        }
    }
    drop(server);
    Ok(())
}

fn serve(folder: &Path, disk: &Path, socket: &Path) -> Result<Running, Failure> {
    let program = dmctl::program();
    let table = folder.join("table");
    let text = format!("0 {SECTORS} linear {} 0\n", disk.display());
    fs::write(&table, text).map_err(file(&table))?;
    let dmctl = || {
        let mut command = Command::new(&program);
        command.env("DMCTL_DIR", folder.join("run")).stdin(Stdio::null());
        command
    };
    let table = format!("volume={}", table.display());
    let daemon = start(dmctl().args(["serve", "--table", &table]).stdout(Stdio::null()))?;
    let export = || {
        let mut export = dmctl();
        export.args(["export", "volume", "--queues", "2", "--vhost-user"]).arg(socket);
        export
    };
    // Until the daemon has the device.
    let begin = Instant::now();
    while !shell::succeeds(&mut export()) {
        if begin.elapsed() > Duration::from_secs(10) {
            shell::run(&mut export())?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(daemon)
}

fn storage_daemon(disk: &Path, socket: &Path) -> Result<Running, Failure> {
    let mut command = shell::command("qemu-storage-daemon", &["--blockdev"]);
    command.arg(format!(
        "driver=file,node-name=disk,filename={},aio=io_uring,locking=off,discard=unmap",
        disk.display()
    ));
    command.arg("--export").arg(format!(
        "type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path={},\
         writable=on,num-queues=2",
        socket.display()
    ));
    let running = start(&mut command)?;
    let begin = Instant::now();
    while !socket.exists() && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(running)
}

fn start(command: &mut Command) -> Result<Running, Failure> {
    eprintln!("$ {command:?}");
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn();
    child.map(Running).map_err(|source| Failure::Start { command: program, source })
}

/// Nanoseconds a request, the medians.
#[derive(Debug, PartialEq)]
struct Row {
    case: String,
    ours: f64,
    theirs: f64,
}

/// From lines `FIGURE <pattern> <depth> <disk> <reads a second>;<writes a second>`, of our disk and
/// another.
fn rows(log: &str, [ours, theirs]: [&str; 2]) -> Vec<Row> {
    let mut figures: BTreeMap<(&str, &str), BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["FIGURE", pattern, depth, disk, rates] = words[..] {
            let rate: f64 = rates.split(';').filter_map(|rate| rate.parse::<f64>().ok()).sum();
            let disks = figures.entry((pattern, depth)).or_default();
            disks.entry(disk).or_default().push(1e9 / rate);
        }
    }
    let row = |((pattern, depth), mut disks): ((&str, &str), BTreeMap<&str, Vec<f64>>)| {
        Some(Row {
            case: format!("{pattern} 4K, depth {depth}"),
            ours: median(disks.get_mut(ours)?),
            theirs: median(disks.get_mut(theirs)?),
        })
    };
    figures.into_iter().filter_map(row).collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn json(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        format!(
            "  {{\"case\": \"vhost-user-blk: {}\", \"targets\": 1, \"ours\": \"dmctl\", \
             \"ours_ns\": {:.3}, \"peer\": \"qemu-storage-daemon\", \"peer_ns\": {:.3}, \
             \"ratio\": {:.3}}}",
            row.case,
            row.ours,
            row.theirs,
            row.theirs / row.ours
        )
    });
    format!("[\n{}\n]\n", rows.collect::<Vec<_>>().join(",\n"))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_each_disk_counts() {
        let log = "FIGURE randread 1 vda 100;0\nFIGURE randread 1 vdb 50;0\nsomething else\n\
                   FIGURE randread 1 vda 1000;0\nFIGURE randread 1 vda 200;0\n";
        let row = Row { case: "randread 4K, depth 1".into(), ours: 5e6, theirs: 2e7 };
        assert_eq!(rows(log, ["vda", "vdb"]), [row]);
        assert!(json(&rows(log, ["vda", "vdb"])).contains("\"ratio\": 4.000"));
    }
}
