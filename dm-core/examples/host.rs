//! A host of one's own: the smallest block layer that `dm-core` runs on, a RAM disk whose requests
//! complete at once. A driver in a kernel or a hypervisor has the same shape.
//!
//! Run with `cargo run -p dm-core --example host`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use dm_core::{
    Bio, BioFlags, BioOp, CreateOptions, Device, DeviceMapper, Ended, Host, IoError, Limits, Minor,
    Mode, Op, OpenError, OutOfMemory, Pass, Registry, Sector, Sectors, Time,
};

/// A block layer with one device, `ram`.
struct RamHost {
    disk: Arc<Mutex<Vec<u8>>>,
}

impl Host for RamHost {
    type Device = RamDisk;
    type Bio = Request;
    type Queue = VecDeque<Request>;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _mode: Mode) -> Result<RamDisk, OpenError> {
        if name == "ram" { Ok(RamDisk(self.disk.clone())) } else { Err(OpenError::NotFound) }
    }

    /// A real driver would start the transfer here, and complete the bio in its interrupt.
    fn submit(&self, bio: Request) {
        let mut disk = self.disk.lock().unwrap();
        let start = bio.sector.get() as usize * 512;
        let place = &mut disk[start..][..bio.sectors.get() as usize * 512];
        match bio.op {
            BioOp::Data(Op::Read) => bio.data().copy_from_slice(place),
            BioOp::Data(Op::Write) => place.copy_from_slice(&bio.data()),
            BioOp::Data(Op::WriteZeroes) => place.fill(0),
            BioOp::Data(Op::Discard) | BioOp::Flush => {}
        }
        drop(disk);
        bio.complete(Ok(()));
    }

    /// Nothing here drains later than at once, so nobody has to be woken.
    fn notify(&self, _minor: Minor) {}

    /// Targets that work in the background ask for the time and for memory. No clock ticks here, and
    /// so nobody has to be woken at any time.
    fn now(&self) -> Time {
        Time::default()
    }
    fn wake(&self, _minor: Minor, _at: Time) {}

    fn buffer(&self, sectors: Sectors) -> Result<Request, OutOfMemory> {
        let data = vec![0; sectors.get() as usize * 512];
        Ok(Request::new(BioOp::Flush, Sector::ZERO, sectors, Whole::new(data)))
    }
}

struct RamDisk(Arc<Mutex<Vec<u8>>>);

impl Device for RamDisk {
    fn size(&self) -> Sectors {
        Sectors::from_bytes(self.0.lock().unwrap().len() as u64)
    }
    fn limits(&self) -> Limits {
        Limits::NONE
    }
    fn is_same(&self, other: &RamDisk) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    fn write_name(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("ram")
    }
}

/// A part of a request. The whole is over when the last part lets go of `whole`.
struct Request {
    op: BioOp,
    sector: Sector,
    sectors: Sectors,
    /// Where in the data this part begins.
    offset: usize,
    whole: Arc<Whole>,
    passes: Vec<Pass>,
    result: Result<(), IoError>,
}

struct Whole {
    /// A job's is that of the request or the buffer that it was made of.
    data: Arc<Mutex<Vec<u8>>>,
    result: Mutex<Result<(), IoError>>,
    /// Who is told that a job has ended.
    ended: Option<Ended<RamHost>>,
}

impl Whole {
    fn new(data: Vec<u8>) -> Arc<Whole> {
        let (data, result) = (Arc::new(Mutex::new(data)), Mutex::new(Ok(())));
        Arc::new(Whole { data, result, ended: None })
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended.tell(*self.result.lock().unwrap());
        }
    }
}

impl Request {
    fn new(op: BioOp, sector: Sector, sectors: Sectors, whole: Arc<Whole>) -> Request {
        let (passes, result) = (Vec::new(), Err(IoError::Failed));
        Request { op, sector, sectors, offset: 0, whole, passes, result }
    }

    fn data(&self) -> impl std::ops::DerefMut<Target = [u8]> + '_ {
        let (start, length) = (self.offset, self.sectors.get() as usize * 512);
        let data = self.whole.data.lock().unwrap();
        Part { data, start, length }
    }

    fn part(&self, sectors: Sectors) -> Request {
        let (whole, passes) = (self.whole.clone(), self.passes.clone());
        let result = Err(IoError::Failed);
        Request {
            op: self.op,
            sector: self.sector,
            sectors,
            offset: self.offset,
            whole,
            passes,
            result,
        }
    }
}

impl Bio for Request {
    type Host = RamHost;

    fn op(&self) -> BioOp {
        self.op
    }
    fn flags(&self) -> BioFlags {
        BioFlags::empty()
    }
    fn sector(&self) -> Sector {
        self.sector
    }
    fn sectors(&self) -> Sectors {
        self.sectors
    }
    fn split(&mut self, front: Sectors) -> Result<Request, OutOfMemory> {
        let part = self.part(front);
        self.sector = self.sector.saturating_add(front);
        self.sectors = self.sectors.saturating_sub(front);
        self.offset += front.get() as usize * 512;
        Ok(part)
    }
    fn duplicate(&self) -> Result<Request, OutOfMemory> {
        Ok(self.part(self.sectors))
    }
    fn child(
        &self,
        op: BioOp,
        _flags: BioFlags,
        sectors: Sectors,
        ended: Ended<RamHost>,
    ) -> Result<Request, Ended<RamHost>> {
        let (data, result) = (self.whole.data.clone(), Mutex::new(Ok(())));
        let whole = Arc::new(Whole { data, result, ended: Some(ended) });
        let mut child = Request::new(op, Sector::ZERO, sectors, whole);
        child.offset = self.offset;
        Ok(child)
    }
    fn with_bytes<T>(&mut self, work: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        Some(work(&mut self.whole.data.lock().unwrap()))
    }
    fn set_sector(&mut self, sector: Sector) {
        self.sector = sector;
    }
    /// There is only one device. Others would note a number or a pointer that stands for it.
    fn set_device(&mut self, _device: &RamDisk) {}
    fn carry(&mut self, pass: Pass) {
        self.passes.push(pass);
    }
    fn fill_zeros(&mut self) {
        self.data().fill(0);
    }
    fn complete(mut self, result: Result<(), IoError>) {
        self.result = result;
    }
}

/// Completing is letting go; who lets go without a result has failed.
impl Drop for Request {
    fn drop(&mut self) {
        if let Err(error) = self.result {
            *self.whole.result.lock().unwrap() = Err(error);
        }
    }
}

struct Part<'d> {
    data: std::sync::MutexGuard<'d, Vec<u8>>,
    start: usize,
    length: usize,
}

impl std::ops::Deref for Part<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.data[self.start..][..self.length]
    }
}

impl std::ops::DerefMut for Part<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..][..self.length]
    }
}

fn main() {
    let host = RamHost { disk: Arc::new(Mutex::new(vec![b'.'; 8 * 512])) };
    let disk = host.disk.clone();
    let mapper = DeviceMapper::new(host, Registry::with_builtins().unwrap()).unwrap();
    let device = mapper.create("swapped".parse().unwrap(), CreateOptions::default()).unwrap();
    let table = b"0 4 linear ram 4\n4 4 linear ram 0";
    mapper.load(&device, table, Mode::ReadWrite, &mut |error| eprintln!("{error}")).unwrap();
    assert!(device.resume().unwrap().is_done());

    let letters = (0..8 * 512).map(|byte| b'a' + (byte / 512) as u8).collect();
    let whole = Whole::new(letters);
    let write = BioOp::Data(Op::Write);
    let request = Request::new(write, Sector::ZERO, Sectors::new(8), whole.clone());
    device.open().unwrap().submit(request);
    assert_eq!(*whole.result.lock().unwrap(), Ok(()));
    let letters: String = disk.lock().unwrap().chunks(512).map(|s| s[0] as char).collect();
    println!("written: abcdefgh\non ram:  {letters}");
    assert_eq!(letters, "efghabcd");
}

#[test]
fn runs() {
    main();
}
