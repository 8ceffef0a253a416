//! The vhost-user-blk server, driven as a monitor and the driver of a virtual machine would.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dm_core::{MappedDevice, Mode, Registry};
use dm_host::vhost::Server;
use dm_host::{EngineChoice, HostOptions, Mapper, UserHost};
use tempfile::TempDir;
use vhost::vhost_user::message::{VhostUserConfigFlags, VhostUserProtocolFeatures};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const NAME: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

const DONE: u8 = 0;
const FAILED: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// How many descriptors a ring has.
const RING: u16 = 16;

/// Where things lie in the machine's memory: a ring takes the first of each queue's 64 KiB.
const QUEUE_BYTES: u64 = 1 << 16;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const HEADERS: u64 = 0x3000;
const DATA: u64 = 0x4000;

/// A device, and a machine whose memory outlives its connections.
struct Setup {
    folder: TempDir,
    mapper: Arc<Mapper>,
    device: MappedDevice<UserHost>,
    memory: GuestMemoryMmap,
}

impl Setup {
    fn new(engine: EngineChoice, mode: Mode) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes| {
            let options = &mut File::options();
            let path: PathBuf = folder.path().join(name);
            let file = options.read(true).write(true).create(true).truncate(true).open(&path);
            let file = file.unwrap();
            file.set_len(bytes).unwrap();
            (file, path.display().to_string())
        };
        let ((_, a), (_, b)) = (file("a", 1 << 20), file("b", 1 << 20));
        let (memory, _) = file("memory", 1 << 20);
        let range = (GuestAddress(0), 1 << 20, Some(FileOffset::new(memory, 0)));
        let memory = GuestMemoryMmap::from_ranges_with_files([range]).unwrap();
        let mapper = UserHost::start(
            &HostOptions { engine, ..Default::default() },
            Registry::with_builtins().unwrap(),
        );
        let mapper = mapper.unwrap();
        let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
        let table = format!("0 1000 linear {a} 0\n1000 1048 linear {b} 0\n2048 8 error");
        let tell = &mut |error: dm_core::LoadError<'_>| panic!("{error}");
        mapper.load(&device, table.as_bytes(), mode, tell).unwrap();
        mapper.host().wait(&device.resume().unwrap());
        Setup { folder, mapper, device, memory }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("vhost.sock")
    }

    fn serve(&self, queues: u16) -> Server {
        Server::start(&self.mapper, &self.device, &self.socket(), queues).unwrap()
    }
}

/// A monitor that is connected, and the driver of its machine.
struct Machine<'s> {
    setup: &'s Setup,
    frontend: Frontend,
    queues: Vec<Queue>,
}

struct Queue {
    kick: EventFd,
    call: EventFd,
    /// How many requests were made available, and how many came back.
    made: u16,
    seen: u16,
}

impl<'s> Machine<'s> {
    /// Connects, with rings that go on where they were after `made` requests.
    fn connect(setup: &'s Setup, path: &Path, queues: u64, made: u16) -> Machine<'s> {
        let mut frontend = Frontend::connect(path, queues).unwrap();
        frontend.set_owner().unwrap();
        let features = frontend.get_features().unwrap();
        frontend.set_features(features & !(1 << 29)).unwrap();
        let offered = frontend.get_protocol_features().unwrap();
        let wanted = VhostUserProtocolFeatures::CONFIG | VhostUserProtocolFeatures::MQ;
        assert!(offered.contains(wanted), "{offered:?}");
        frontend.set_protocol_features(wanted).unwrap();
        let region = setup.memory.iter().next().unwrap();
        let info = VhostUserMemoryRegionInfo::from_guest_region(region).unwrap();
        let start = info.userspace_addr;
        frontend.set_mem_table(&[info]).unwrap();
        let mut machine = Machine { setup, frontend, queues: Vec::new() };
        for n in 0..queues as usize {
            let kick = EventFd::new(EFD_NONBLOCK).unwrap();
            let call = EventFd::new(EFD_NONBLOCK).unwrap();
            let at = start + n as u64 * QUEUE_BYTES;
            let seen: u16 =
                setup.memory.read_obj(GuestAddress(n as u64 * QUEUE_BYTES + USED + 2)).unwrap();
            let frontend = &mut machine.frontend;
            frontend.set_vring_num(n, RING).unwrap();
            let addresses = VringConfigData {
                queue_max_size: RING,
                queue_size: RING,
                flags: 0,
                desc_table_addr: at,
                used_ring_addr: at + USED,
                avail_ring_addr: at + AVAILABLE,
                log_addr: None,
            };
            frontend.set_vring_addr(n, &addresses).unwrap();
            // As a monitor has it whose server has vanished: what came back was done.
            frontend.set_vring_base(n, seen).unwrap();
            frontend.set_vring_call(n, &call).unwrap();
            frontend.set_vring_kick(n, &kick).unwrap();
            frontend.set_vring_enable(n, true).unwrap();
            machine.queues.push(Queue { kick, call, made, seen });
        }
        machine
    }

    fn put<T: vm_memory::ByteValued>(&self, at: u64, value: T) {
        self.setup.memory.write_obj(value, GuestAddress(at)).unwrap();
    }

    fn get<T: vm_memory::ByteValued>(&self, at: u64) -> T {
        self.setup.memory.read_obj(GuestAddress(at)).unwrap()
    }

    /// Puts a request into a queue, in the place of descriptors `3 * slot` and on, and kicks.
    fn make(&mut self, queue: usize, slot: u16, kind: u32, sector: u64, data: Data<'_>) {
        let base = queue as u64 * QUEUE_BYTES;
        let header = base + HEADERS + u64::from(slot) * 64;
        let place = base + DATA + u64::from(slot) * 8192;
        self.put(header, kind);
        self.put(header + 4, 0_u32);
        self.put(header + 8, sector);
        self.put(header + 16, 0xff_u8);
        let (next, write) = (1_u16, 2_u16);
        let mut parts = vec![(header, 16, 0)];
        match data {
            Data::None => {}
            Data::Out(bytes) => {
                self.setup.memory.write_slice(bytes, GuestAddress(place)).unwrap();
                parts.push((place, bytes.len() as u32, 0));
            }
            Data::In(length) => parts.push((place, length, write)),
        }
        parts.push((header + 16, 1, write));
        let last = parts.len() - 1;
        for (n, (address, length, flags)) in parts.into_iter().enumerate() {
            let descriptor = 3 * slot + n as u16;
            let at = base + u64::from(descriptor) * 16;
            self.put(at, address);
            self.put(at + 8, length);
            self.put(at + 12, if n < last { flags | next } else { flags });
            self.put(at + 14, descriptor + 1);
        }
        let made = self.queues[queue].made;
        self.put(base + AVAILABLE + 4 + u64::from(made % RING) * 2, 3 * slot);
        self.queues[queue].made = made.wrapping_add(1);
        self.put(base + AVAILABLE + 2, made.wrapping_add(1));
        self.queues[queue].kick.write(1).unwrap();
    }

    /// Waits for the next request to come back; returns its slot, and how many bytes were written.
    fn next(&mut self, queue: usize) -> (u16, u32) {
        let base = queue as u64 * QUEUE_BYTES;
        let start = Instant::now();
        while self.get::<u16>(base + USED + 2) == self.queues[queue].seen {
            assert!(start.elapsed() < Duration::from_secs(20), "nothing comes back");
            std::thread::sleep(Duration::from_micros(100));
            let _ = self.queues[queue].call.read();
        }
        let place = base + USED + 4 + u64::from(self.queues[queue].seen % RING) * 8;
        self.queues[queue].seen = self.queues[queue].seen.wrapping_add(1);
        (self.get::<u32>(place) as u16 / 3, self.get(place + 4))
    }

    fn status(&self, queue: usize, slot: u16) -> u8 {
        self.get(queue as u64 * QUEUE_BYTES + HEADERS + u64::from(slot) * 64 + 16)
    }

    fn data(&self, queue: usize, slot: u16, length: usize) -> Vec<u8> {
        let place = queue as u64 * QUEUE_BYTES + DATA + u64::from(slot) * 8192;
        let mut bytes = vec![0; length];
        self.setup.memory.read_slice(&mut bytes, GuestAddress(place)).unwrap();
        bytes
    }

    /// Makes a request and waits for it; returns its status.
    fn run(&mut self, queue: usize, kind: u32, sector: u64, data: Data<'_>) -> u8 {
        self.make(queue, 0, kind, sector, data);
        assert_eq!(self.next(queue).0, 0);
        self.status(queue, 0)
    }
}

#[derive(Clone, Copy)]
enum Data<'d> {
    None,
    Out(&'d [u8]),
    In(u32),
}

fn range(sector: u64, sectors: u32, flags: u32) -> Vec<u8> {
    [&sector.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
}

#[test]
fn every_kind_of_request() {
    for engine in [EngineChoice::Auto, EngineChoice::Threads] {
        let setup = Setup::new(engine, Mode::ReadWrite);
        let server = setup.serve(1);
        let mut machine = Machine::connect(&setup, server.path(), 1, 0);
        let bytes: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
        // On both sides of where the lines meet.
        assert_eq!(machine.run(0, WRITE, 996, Data::Out(&bytes)), DONE);
        assert_eq!(machine.run(0, FLUSH, 0, Data::None), DONE);
        let file = |name| std::fs::read(setup.folder.path().join(name)).unwrap();
        assert_eq!(file("a")[996 * 512..1000 * 512], bytes[..2048]);
        assert_eq!(file("b")[..2048], bytes[2048..]);
        assert_eq!(machine.run(0, READ, 996, Data::In(4096)), DONE);
        assert_eq!(machine.data(0, 0, 4096), bytes);
        assert_eq!(machine.run(0, WRITE_ZEROES, 0, Data::Out(&range(997, 1, 0))), DONE);
        assert_eq!(machine.run(0, WRITE_ZEROES, 0, Data::Out(&range(998, 1, 1))), DONE);
        assert_eq!(machine.run(0, DISCARD, 0, Data::Out(&range(1000, 4, 0))), DONE);
        assert_eq!(machine.run(0, READ, 996, Data::In(2048)), DONE);
        let read = machine.data(0, 0, 2048);
        assert_eq!((&read[..512], &read[512..1536]), (&bytes[..512], &[0; 1024][..]));
        assert_eq!(read[1536..], bytes[1536..2048]);
        machine.make(0, 2, NAME, 0, Data::In(20));
        assert_eq!(machine.next(0), (2, 21));
        assert_eq!(machine.data(0, 2, 20), b"disk\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}

#[test]
fn what_cannot_be_done_is_answered_and_the_next_request_too() {
    let setup = Setup::new(EngineChoice::Auto, Mode::ReadWrite);
    let server = setup.serve(1);
    let mut machine = Machine::connect(&setup, server.path(), 1, 0);
    let cases = [
        (READ, 2048, Data::In(512), FAILED),
        (READ, 2056, Data::In(512), FAILED),
        (READ, u64::MAX, Data::In(512), FAILED),
        (READ, 0, Data::In(100), FAILED),
        (READ, 0, Data::None, FAILED),
        (WRITE, 2050, Data::Out(&[1; 512]), FAILED),
        (DISCARD, 0, Data::Out(&[0; 32]), FAILED),
        (DISCARD, 0, Data::Out(&[0xff; 16]), UNSUPPORTED),
        (77, 0, Data::None, UNSUPPORTED),
        (READ, 0, Data::In(512), DONE),
    ];
    for (n, (kind, sector, data, status)) in cases.into_iter().enumerate() {
        assert_eq!(machine.run(0, kind, sector, data), status, "case {n}");
    }
    drop(machine);
    drop(server);
    assert_eq!(setup.device.open_count(), 0);
    let read_only = Setup::new(EngineChoice::Auto, Mode::ReadOnly);
    let server = read_only.serve(1);
    let mut machine = Machine::connect(&read_only, server.path(), 1, 0);
    assert_eq!(machine.run(0, WRITE, 0, Data::Out(&[1; 512])), FAILED);
    assert_eq!(machine.run(0, READ, 0, Data::In(512)), DONE);
}

#[test]
fn each_queue_is_served_and_the_configuration_tells_of_them() {
    let setup = Setup::new(EngineChoice::Auto, Mode::ReadWrite);
    let server = setup.serve(4);
    let mut machine = Machine::connect(&setup, server.path(), 4, 0);
    for queue in 0..4 {
        machine.make(queue, 0, WRITE, queue as u64, Data::Out(&[queue as u8 + 1; 512]));
    }
    for queue in 0..4 {
        machine.next(queue);
        assert_eq!(machine.status(queue, 0), DONE);
    }
    assert_eq!(machine.run(3, READ, 0, Data::In(2048)), DONE);
    let read = machine.data(3, 0, 2048);
    assert!((0..4).all(|n| read[n * 512..][..512] == [n as u8 + 1; 512]));
    let (none, wanted) = (VhostUserConfigFlags::empty(), [0; 36]);
    let (_, config) = machine.frontend.get_config(0, 36, none, &wanted).unwrap();
    assert_eq!(config[..8], 2056_u64.to_le_bytes());
    assert_eq!(config[34..36], [4, 0]);
}

#[test]
fn a_monitor_that_reconnects_loses_no_request_and_repeats_none() {
    let setup = Setup::new(EngineChoice::Auto, Mode::ReadWrite);
    let server = setup.serve(1);
    let mut machine = Machine::connect(&setup, server.path(), 1, 0);
    assert_eq!(machine.run(0, WRITE, 0, Data::Out(&[1; 512])), DONE);
    // The connection is cut while the device holds two requests back.
    setup.mapper.host().wait(&setup.device.suspend().unwrap());
    machine.make(0, 1, WRITE, 1, Data::Out(&[2; 512]));
    machine.make(0, 2, WRITE, 2, Data::Out(&[3; 512]));
    let made = machine.queues[0].made;
    drop(machine);
    let mut machine = Machine::connect(&setup, server.path(), 1, made);
    setup.mapper.host().wait(&setup.device.resume().unwrap());
    assert_eq!((machine.next(0).0, machine.next(0).0), (1, 2));
    assert_eq!((machine.status(0, 1), machine.status(0, 2)), (DONE, DONE));
    // Stopped in order, it says where to go on.
    assert_eq!(machine.frontend.get_vring_base(0).unwrap(), u32::from(made));
    drop(machine);
    drop(server);
    // And a server that was started anew goes on in the same rings.
    let server = setup.serve(1);
    let mut machine = Machine::connect(&setup, server.path(), 1, made);
    assert_eq!(machine.run(0, READ, 0, Data::In(1536)), DONE);
    let read = machine.data(0, 0, 1536);
    assert!((0..3).all(|n| read[n * 512..][..512] == [n as u8 + 1; 512]));
}
