//! A block device, from its start to its end.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dm_core::{MappedDevice, Open, OpenDeviceError, State};
use rustix::fs::{Mode, OFlags};

use super::abi::{self, DeviceInfo, Params};
use super::control::Control;
use super::params::{MAX_BLOCK, MAX_SECTORS};
use super::queue::{DEPTH, Queue};
use crate::{Mapper, UserHost};

/// A mapped device as a block device of this kernel. Dropping it takes the block device away.
///
/// The device stays open meanwhile. The block device is as long as the device was when this started.
pub struct Disk {
    control: Control,
    id: u32,
    node: PathBuf,
    /// One for each queue; they end when the device is stopped.
    threads: Vec<JoinHandle<()>>,
}

/// Why there is no block device for a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UblkError {
    /// The device is gone, or has no sectors.
    #[error("the device has no table yet")]
    Empty,
    /// The kernel would wait for it: it reads block devices that begin.
    #[error("the device is suspended; resume it first")]
    Suspended,
    /// The device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenDeviceError),
    /// There can be no such number of queues.
    #[error("expected 1 to {most} queues, found {found}")]
    Queues {
        /// The most there can be.
        most: u16,
        /// What was asked for.
        found: u16,
    },
    /// The kernel has no block devices with larger blocks than a page.
    #[error("its blocks have {sectors} sectors, the kernel takes at most {}", MAX_BLOCK)]
    Block {
        /// How long they are.
        sectors: u64,
    },
    /// The driver is not there.
    #[error(
        "this kernel has no ublk: there is no {}; try `modprobe ublk_drv` as root (Linux 6.0 or later, \
         built with CONFIG_BLK_DEV_UBLK)",
        abi::CONTROL
    )]
    NoDriver,
    /// This user must not make block devices.
    #[error("{} may not be opened: block devices are made by root", abi::CONTROL)]
    Denied,
    /// A step failed.
    #[error("the kernel does not {step}: {why}")]
    Step {
        /// What it was to do.
        step: &'static str,
        /// Why not.
        why: io::Error,
    },
}

/// How many queues, and so threads, a block device may have.
const MAX_QUEUES: u16 = 16;

/// How long to wait for a node in /dev to come, or to get its mode.
const PATIENCE: Duration = Duration::from_secs(5);

impl Disk {
    /// Makes a block device for a device, with so many queues, a thread each.
    pub fn start(
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        queues: u16,
    ) -> Result<Disk, UblkError> {
        if !(1..=MAX_QUEUES).contains(&queues) {
            return Err(UblkError::Queues { most: MAX_QUEUES, found: queues });
        }
        let open = Arc::new(device.open()?);
        let limits = open.limits();
        if device.state() == State::Suspended {
            return Err(UblkError::Suspended);
        }
        if open.size().is_zero() {
            return Err(UblkError::Empty);
        }
        if limits.logical_block.get() > MAX_BLOCK {
            return Err(UblkError::Block { sectors: limits.logical_block.get() });
        }
        let mut control = Control::open().map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => UblkError::NoDriver,
            io::ErrorKind::PermissionDenied => UblkError::Denied,
            _ => UblkError::Step { step: "open its control device", why },
        })?;
        let mut info = DeviceInfo {
            queues,
            depth: DEPTH,
            max_bytes: MAX_SECTORS * 512,
            id: abi::ANY_DEVICE,
            flags: abi::F_IOCTL_ENCODE,
            ..DeviceInfo::default()
        };
        control.add(&mut info).map_err(step("make a block device"))?;
        // From here on dropping it takes the device away.
        let node = format!("/dev/ublkb{}", info.id).into();
        let mut disk = Disk { control, id: info.id, node, threads: Vec::new() };
        let params = Params::of(open.size().get(), &limits, open.mode());
        disk.control.set_params(info.id, &params).map_err(step("take its limits"))?;
        let file = open_node(Path::new(&format!("/dev/ublkc{}", info.id)));
        disk.serve(mapper, &open, file.map_err(step("open its queues"))?, info.queues)
            .map_err(step("take its queues"))?;
        disk.control.start(info.id).map_err(step("start the block device"))?;
        Ok(disk)
    }

    /// The block device, `/dev/ublkbN`.
    pub fn path(&self) -> &Path {
        &self.node
    }

    /// Whether somebody has it mounted, or otherwise for himself.
    pub fn is_in_use(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.node, flags, Mode::empty());
        opened.is_err_and(|why| why == rustix::io::Errno::BUSY)
    }

    /// Starts a thread for each queue, and waits until the kernel has its commands.
    fn serve(
        &mut self,
        mapper: &Arc<Mapper>,
        open: &Arc<Open<UserHost>>,
        file: File,
        queues: u16,
    ) -> io::Result<()> {
        let (ready, all_ready) = mpsc::channel();
        for number in 0..queues {
            let (mapper, open, file) = (mapper.clone(), open.clone(), file.try_clone()?);
            let ready = ready.clone();
            let run = move || {
                let queue = Queue::new(&mapper, open, file, number);
                let mut queue = match queue {
                    Ok(queue) => queue,
                    Err(why) => return drop(ready.send(Err(why))),
                };
                // It waits for this.
                let _ = ready.send(Ok(()));
                if let Err(why) = queue.run() {
                    tracing::error!("a queue of a block device ends: {why}");
                }
            };
            let name = format!("ublk-{}-{number}", self.id);
            self.threads.push(std::thread::Builder::new().name(name).spawn(run)?);
        }
        drop(ready);
        (0..queues).try_for_each(|_| all_ready.recv().map_err(io::Error::other)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let stopped = self.control.stop(self.id);
        for thread in self.threads.drain(..) {
            // Should it have panicked, it has ended.
            let _ = thread.join();
        }
        if let Err(why) = stopped.and_then(|()| self.control.delete(self.id)) {
            tracing::error!("{} is left: {why}", self.node.display());
        }
    }
}

fn step(step: &'static str) -> impl Fn(io::Error) -> UblkError {
    move |why| UblkError::Step { step, why }
}

/// Opens a node that comes, and gets its mode, a moment after the kernel has made its device.
fn open_node(path: &Path) -> io::Result<File> {
    let begin = Instant::now();
    loop {
        match File::options().read(true).write(true).open(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) && begin.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}
