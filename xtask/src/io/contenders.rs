//! The servers that are compared, and how each is started at its best.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::file;
use super::ground::{Cache, Ground, Layout, OFFSET};
use crate::dmctl;
use crate::failure::Failure;
use crate::shell;

/// A server, and the layouts that it can serve, at least one.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) ours: bool,
    pub(super) layouts: &'static [Layout],
    /// Whether it can pass by the page cache.
    direct: bool,
    start: fn(&Job<'_>) -> Result<Command, Failure>,
}

/// What to serve.
pub(super) struct Job<'j> {
    pub(super) ground: &'j Ground,
    pub(super) cache: Cache,
    /// An empty folder, where the socket goes.
    pub(super) folder: &'j Path,
}

/// The name of the socket, which is the same for all.
pub(super) const SOCKET: &str = "nbd.sock";

pub(super) const OURS: &str = "dmctl";
pub(super) const QEMU_NBD: &str = "qemu-nbd";
pub(super) const NBDKIT: &str = "nbdkit file";

const LINE: &[Layout] = &[Layout::Line];
const FILES: &[Layout] = &[Layout::Files];

pub(super) const CONTENDERS: &[Contender] = &[
    Contender { name: OURS, ours: true, layouts: &Layout::ALL, direct: true, start: dmctl },
    Contender { name: QEMU_NBD, ours: false, layouts: LINE, direct: true, start: qemu_nbd },
    Contender {
        name: "qemu-storage-daemon",
        ours: false,
        layouts: LINE,
        direct: true,
        start: storage_daemon,
    },
    Contender {
        name: NBDKIT,
        ours: false,
        layouts: LINE,
        direct: false,
        start: |job| Ok(nbdkit(job, &[], &["file".into(), job.ground.whole().into()])),
    },
    Contender {
        name: "nbdkit file, offset filter",
        ours: false,
        layouts: LINE,
        direct: false,
        start: |job| {
            let range = format!("range={}", job.ground.bytes);
            let offset = format!("offset={OFFSET}");
            let words = ["file".into(), job.ground.whole().into(), offset.into(), range.into()];
            Ok(nbdkit(job, &["--filter=offset"], &words))
        },
    },
    Contender {
        name: "nbdkit file, partition filter",
        ours: false,
        layouts: LINE,
        direct: false,
        start: |job| {
            let words = ["file".into(), job.ground.whole().into(), "partition=1".into()];
            Ok(nbdkit(job, &["--filter=partition"], &words))
        },
    },
    Contender {
        name: "nbdkit split",
        ours: false,
        layouts: FILES,
        direct: false,
        start: |job| Ok(nbdkit(job, &[], &split(job.ground))),
    },
    Contender {
        name: "nbdkit split, offset filter",
        ours: false,
        layouts: FILES,
        direct: false,
        start: |job| {
            let range = format!("range={}", job.ground.bytes);
            let words = [split(job.ground), vec!["offset=0".into(), range.into()]].concat();
            Ok(nbdkit(job, &["--filter=offset"], &words))
        },
    },
];

impl Contender {
    pub(super) fn can(&self, cache: Cache) -> bool {
        cache == Cache::Pages || self.direct
    }

    pub(super) fn command(&self, job: &Job<'_>) -> Result<Command, Failure> {
        (self.start)(job)
    }
}

/// One daemon has all layouts: a device that nobody asks costs nothing.
fn dmctl(job: &Job<'_>) -> Result<Command, Failure> {
    let program = dmctl::program();
    let mut command = shell::command(program, &["--dir"]);
    command.arg(job.folder).arg("serve");
    for layout in Layout::ALL {
        let table = job.folder.join(layout.export());
        fs::write(&table, job.ground.table(layout, job.cache)).map_err(file(&table))?;
        command.arg("--table").arg(format!("{}={}", layout.export(), table.display()));
    }
    Ok(command)
}

fn qemu_nbd(job: &Job<'_>) -> Result<Command, Failure> {
    let direct = direct(job.cache);
    let image = format!(
        "driver=raw,offset={OFFSET},size={},cache.direct={direct},file.driver=file,\
         file.filename={},file.aio=io_uring,file.locking=off,file.cache.direct={direct}",
        job.ground.bytes,
        job.ground.whole().display(),
    );
    let mut command = shell::command("qemu-nbd", &["--persistent", "--shared=16"]);
    command.args(["--export-name", Layout::Line.export()]);
    command.arg("--socket").arg(job.folder.join(SOCKET)).args(["--image-opts", &image]);
    Ok(command)
}

fn storage_daemon(job: &Job<'_>) -> Result<Command, Failure> {
    let direct = direct(job.cache);
    let mut command = shell::command("qemu-storage-daemon", &[]);
    let image = job.ground.whole();
    command.arg("--blockdev").arg(format!(
        "driver=file,node-name=file,filename={},aio=io_uring,locking=off,cache.direct={direct}",
        image.display()
    ));
    command.arg("--blockdev").arg(format!(
        "driver=raw,node-name=disk,file=file,offset={OFFSET},size={},cache.direct={direct}",
        job.ground.bytes
    ));
    let socket = job.folder.join(SOCKET);
    command.arg("--nbd-server").arg(format!("addr.type=unix,addr.path={}", socket.display()));
    let name = Layout::Line.export();
    let export = format!("type=nbd,id=export,node-name=disk,name={name},writable=on");
    command.args(["--export", &export]);
    Ok(command)
}

fn nbdkit(job: &Job<'_>, options: &[&str], words: &[OsString]) -> Command {
    let mut command = shell::command("nbdkit", &["--foreground", "--unix"]);
    command.arg(job.folder.join(SOCKET)).args(options).args(words);
    command
}

fn split(ground: &Ground) -> Vec<OsString> {
    ["split".into()].into_iter().chain((0..16).map(|number| ground.part(number).into())).collect()
}

fn direct(cache: Cache) -> &'static str {
    if cache == Cache::Direct { "on" } else { "off" }
}
