//! `quickstart`: everything in one go.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use dm_core::{BioFlags, IoError};

use super::args::{Create, Quickstart, TableSource};
use super::create::create;
use super::failure::Failure;
use super::output::print;
use super::serve::{Stop, stop};
use super::{draw, source::Source};
use crate::control::Client;
use crate::daemon::{Daemon, DaemonError, DaemonOptions, RuntimeDir};
use crate::nbd::Reach;
use crate::{BlockIo, HostOptions};

/// Each disk's size, and the volume's, in sectors.
const DISK: u64 = 32_768;
const VOLUME: u64 = 40_960;

pub(super) fn run(args: &Quickstart) -> Result<(), Failure> {
    let signals = Stop::new()?;
    let folder = Folder::create()?;
    let disks = ["a.img", "b.img"].map(|name| folder.path.join(name));
    for disk in &disks {
        let made = File::create(disk).and_then(|file| file.set_len(DISK * 512));
        made.map_err(|why| Failure::Write { path: disk.clone(), why })?;
    }
    let where_to = folder.path.display();
    print(&format!("1. Two disks of 16 MiB in {where_to}: a.img and b.img.\n\n"))?;

    let (daemon, options) = start(&folder)?;
    let shown = show(&folder, &disks, &daemon, &options).and_then(|()| match args.once {
        true => Ok(()),
        false => print("\nCtrl-C stops it, and removes the folder.\n"),
    });
    if shown.is_ok() && !args.once {
        signals.wait();
    }
    shown.and(stop(daemon))
}

fn show(
    folder: &Folder,
    disks: &[PathBuf; 2],
    daemon: &Daemon,
    options: &DaemonOptions,
) -> Result<(), Failure> {
    let source = Source::new("demo", table(disks));
    let second = folder.path.join("second.table");
    let longer = table(disks) + &format!("{VOLUME} 8192 linear {} 24576\n", word(&disks[1]));
    std::fs::write(&second, longer).map_err(|why| Failure::Write { path: second.clone(), why })?;
    let mut client = Client::connect(&options.dir)?;
    create(
        &mut client,
        &Create {
            name: "demo".into(),
            source: TableSource { table: Some(table(disks)), table_file: None },
            minor: None,
            uuid: None,
            readonly: false,
        },
    )?;
    print("2. A table of three lines makes one volume of them, `demo`:\n\n")?;
    print(&draw::picture(&draw::lay_out(&source)?, "demo"))?;

    let device = daemon.mapper().find("demo");
    let open = device.and_then(|device| device.open().ok());
    let io = BlockIo::new(open.ok_or(Failure::Said("demo is gone".into()))?);
    verify(&io, disks)?;
    let verified =
        "\n3. Wrote all 20 MiB of it, read them back, and found each sector in its disk.\n";
    print(&format!("{verified}\n{}", what_next(options, &second)))
}

/// What is served, and three things to do with it.
fn what_next(options: &DaemonOptions, second: &Path) -> String {
    let (nbd, second) = (options.dir.nbd_socket(), second.display());
    let nbd = format!("nbdinfo 'nbd+unix:///demo?socket={}'", nbd.display());
    let (served, look, load) = match options.mountpoint.as_deref().map(Path::display) {
        Some(at) => (
            "NBD, on a control socket, and as files",
            format!("head {at}/control {at}/demo/table {at}/demo/state"),
            format!("cat {second} > {at}/demo/table && echo resume > {at}/demo/state"),
        ),
        None => {
            let dmctl = format!("{} --dir {}", program(), options.dir.path().display());
            (
                "NBD, and on a control socket",
                format!("{dmctl} info demo"),
                format!("{dmctl} load demo --table-file {second} && {dmctl} resume demo"),
            )
        }
    };
    format!(
        "4. Served over {served}.\n   \
         Try next, in another terminal:\n\n   {nbd}\n   {look}\n   {load}\n"
    )
}

/// How this program was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "dmctl".into())
}

/// Starts a daemon, with the control filesystem if that can be mounted.
fn start(folder: &Folder) -> Result<(Daemon, DaemonOptions), Failure> {
    let mountpoint = folder.path.join("dm");
    let made = DirBuilder::new().mode(0o700).create(&mountpoint);
    made.map_err(|why| Failure::Write { path: mountpoint.clone(), why })?;
    let mut options = DaemonOptions {
        dir: RuntimeDir::locate(Some(folder.path.join("run"))),
        mountpoint: Some(mountpoint),
        record: None,
        tcp: None,
        tls: None,
        reach: Reach::default(),
        host: HostOptions::default(),
    };
    let daemon = match Daemon::start(&options) {
        Err(DaemonError::Mount(why)) => {
            print(&format!("   No control filesystem: {why}.\n   All else works without it.\n\n"))?;
            options.mountpoint = None;
            Daemon::start(&options)?
        }
        daemon => daemon?,
    };
    Ok((daemon, options))
}

/// 8 MiB of one disk, 8 MiB striped over both, 4 MiB of the other.
fn table(disks: &[PathBuf; 2]) -> String {
    let [a, b] = [word(&disks[0]), word(&disks[1])];
    format!(
        "0 16384 linear {a} 2048\n\
         16384 16384 striped 2 128 {a} 18432 {b} 0\n\
         32768 8192 linear {b} 16384\n"
    )
}

/// A path as a word of a table.
fn word(path: &Path) -> String {
    dm_core::table_text::Escaped(&path.to_string_lossy()).to_string()
}

/// Where a sector of that table must lie: the number of the disk, and the sector there.
fn place(sector: u64) -> (usize, u64) {
    match sector {
        0..16_384 => (0, sector + 2048),
        16_384..32_768 => {
            let (chunk, rest) = ((sector - 16_384) / 128, sector % 128);
            match chunk % 2 {
                0 => (0, 18_432 + chunk / 2 * 128 + rest),
                _ => (1, chunk / 2 * 128 + rest),
            }
        }
        _ => (1, sector - 32_768 + 16_384),
    }
}

/// Writes its number into each sector of the volume, and looks for it there and in the disks.
fn verify(io: &BlockIo, disks: &[PathBuf; 2]) -> Result<(), Failure> {
    let failed = |why: IoError| Failure::Said(format!("demo: {why}"));
    let stamp = |sector: u64| sector.to_le_bytes().repeat(64);
    let written: Vec<u8> = (0..VOLUME).flat_map(stamp).collect();
    let mut read = vec![0; written.len()];
    for (n, part) in written.chunks(1 << 20).enumerate() {
        let at = (n << 20) as u64;
        io.write_at(part, at, BioFlags::empty()).map_err(failed)?;
    }
    io.flush().map_err(failed)?;
    io.read_at(&mut read, 0).map_err(failed)?;
    if read != written {
        return Err(Failure::Said("demo: what was read is not what was written".into()));
    }
    let mut found: [Vec<u8>; 2] = Default::default();
    for (disk, found) in disks.iter().zip(&mut found) {
        let result = File::open(disk).and_then(|mut file| file.read_to_end(found));
        result.map_err(|why| Failure::Read { path: disk.clone(), why })?;
    }
    for sector in 0..VOLUME {
        let (disk, at) = place(sector);
        let at = at as usize * 512;
        if found[disk].get(at..at + 512) != Some(&stamp(sector)[..]) {
            let path = disks[disk].display();
            return Err(Failure::Said(format!("sector {sector} is not in its place in {path}")));
        }
    }
    Ok(())
}

/// A temporary folder, for this user alone. Dropping it removes it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Result<Folder, Failure> {
        let base = std::env::temp_dir();
        for n in 0.. {
            let path = base.join(format!("dmctl-{}-{n}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder { path }),
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
                Err(why) => return Err(Failure::Write { path, why }),
            }
        }
        Err(Failure::Said("there is no name left for a temporary folder".into()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is for whoever cleans up temporary folders.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
