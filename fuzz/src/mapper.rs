//! A device mapper on simulated disks against a model of it.
//!
//! Devices are created, loaded, suspended, stacked and removed while requests are on their way that
//! end in any order, disks fail, and allocations are refused. After each step all that can be seen
//! is what `model` says, down to the last request that waits at a disk.

use arbitrary::{Arbitrary, Unstructured};
use dm_core::{BioOp, CreateOptions, IoError, LoadDeviceError, Mode, Op, Open, State};
use dm_sim::{Sim, SimHost, Ticket};

use crate::allocator::{Refuse, held, refusing};
use model::{Model, Spec, Wanted};

mod model;

/// Names of disks; each has [`DISK`] sectors.
const DISKS: [&str; 2] = ["a", "b"];
const DISK: u64 = 24;
/// Names of mapped devices.
const NAMES: [&str; 4] = ["p", "q", "r", "s"];

#[derive(Arbitrary, Debug)]
enum Step {
    Create {
        name: u8,
        minor: Option<u8>,
    },
    Remove {
        name: u8,
    },
    Rename {
        name: u8,
        new: u8,
    },
    Load {
        name: u8,
        lines: Vec<(u8, u8, u8)>,
        read_only: bool,
    },
    Suspend {
        name: u8,
    },
    Resume {
        name: u8,
    },
    Clear {
        name: u8,
    },
    Open {
        name: u8,
    },
    Close {
        open: u8,
    },
    Read {
        open: u8,
        sector: u8,
        sectors: u8,
    },
    Write {
        open: u8,
        sector: u8,
        sectors: u8,
        fill: u8,
    },
    Flush {
        open: u8,
    },
    Complete {
        n: u8,
    },
    Lose {
        n: u8,
    },
    Fail {
        disk: u8,
        fails: bool,
    },
    /// The next step has one of its allocations refused.
    Refuse {
        n: u8,
    },
}

struct World {
    sim: Sim,
    opens: Vec<Open<SimHost>>,
    tickets: Vec<Ticket>,
    model: Model,
}

/// Takes steps until the bytes are used up, and then ends all that was begun; nothing is leaked.
pub fn run(data: &[u8]) {
    let before = held();
    take_steps(data);
    assert_eq!(held() - before, 0, "blocks are leaked");
}

fn take_steps(data: &[u8]) {
    let sim = Sim::new();
    for disk in DISKS {
        sim.add_disk(disk, DISK);
    }
    let mut world = World { sim, opens: Vec::new(), tickets: Vec::new(), model: Model::new() };
    let mut bytes = Unstructured::new(data);
    let mut refuse = Refuse::None;
    for _ in 0..100 {
        if bytes.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut bytes) else { break };
        if let Step::Refuse { n } = step {
            refuse = Refuse::Only(usize::from(n % 40));
            continue;
        }
        world.step(&step, std::mem::replace(&mut refuse, Refuse::None));
        world.compare();
    }
    world.end();
}

fn name(n: u8) -> &'static str {
    NAMES[usize::from(n) % NAMES.len()]
}

impl World {
    fn step(&mut self, step: &Step, refuse: Refuse) {
        let World { sim, opens, tickets, model } = self;
        let mapper = sim.mapper();
        let open_of = |n: u8, opens: &[Open<SimHost>]| {
            (!opens.is_empty()).then(|| usize::from(n) % opens.len())
        };
        match *step {
            Step::Create { name: n, minor } => {
                let minor = minor.map(|minor| u32::from(minor % 6));
                let wanted = minor.and_then(|minor| dm_core::Minor::new(minor.into()));
                let options = CreateOptions { minor: wanted, uuid: None };
                let parsed = name(n).parse().expect("a name");
                let (created, refused) = refusing(refuse, || mapper.create(parsed, options));
                match created {
                    Err(dm_core::CreateError::OutOfMemory) => assert!(refused),
                    created => assert_eq!(created.is_ok(), model.create(name(n), minor)),
                }
            }
            Step::Remove { name: n } => {
                let Some(device) = mapper.find(name(n)) else {
                    return assert!(!model.exists(name(n)));
                };
                assert_eq!(mapper.remove(&device).is_ok(), model.remove(name(n)));
            }
            Step::Rename { name: n, new } => {
                let Some(device) = mapper.find(name(n)) else { return };
                let renamed = mapper.rename(&device, name(new).parse().expect("a name"));
                assert_eq!(renamed.is_ok(), model.rename(name(n), name(new)));
            }
            Step::Load { name: n, ref lines, read_only } => {
                let Some(device) = mapper.find(name(n)) else { return };
                let specs: Vec<Spec> = lines.iter().take(6).map(|line| Spec::of(*line)).collect();
                let text = model::text(&specs);
                let mode = if read_only { Mode::ReadOnly } else { Mode::ReadWrite };
                let (loaded, refused) =
                    refusing(refuse, || mapper.load(&device, text.as_bytes(), mode, &mut |_| {}));
                match loaded {
                    Err(LoadDeviceError::OutOfMemory) => assert!(refused),
                    loaded => {
                        assert!(!refused || loaded.is_err(), "{text} loads without memory");
                        let expected = model.load(name(n), &specs, mode);
                        assert_eq!(loaded.is_ok(), expected, "{text}");
                    }
                }
            }
            Step::Suspend { name: n } => {
                let Some(device) = mapper.find(name(n)) else { return };
                assert_eq!(device.suspend().is_ok(), model.suspend(name(n)));
            }
            Step::Resume { name: n } => {
                let Some(device) = mapper.find(name(n)) else { return };
                assert_eq!(device.resume().is_ok(), model.resume(name(n)));
            }
            Step::Clear { name: n } => {
                let Some(device) = mapper.find(name(n)) else { return };
                assert_eq!(device.clear().ok(), model.clear(name(n)));
            }
            Step::Open { name: n } => {
                let Some(device) = mapper.find(name(n)) else { return };
                opens.push(device.open().expect("it is there"));
                model.open(name(n));
            }
            Step::Close { open } => {
                let Some(n) = open_of(open, opens) else { return };
                opens.remove(n);
                model.close(n);
            }
            Step::Read { open, sector, sectors } => {
                let Some(n) = open_of(open, opens) else { return };
                let (sector, sectors) = (u64::from(sector % 64), u64::from(sectors % 32) + 1);
                let wanted = Wanted::Read;
                model.start(n, wanted, sector, sectors);
                tickets.push(sim.read(&opens[n], sector, sectors));
            }
            Step::Write { open, sector, sectors, fill } => {
                let Some(n) = open_of(open, opens) else { return };
                let (sector, sectors) = (u64::from(sector % 64), u64::from(sectors % 32) + 1);
                model.start(n, Wanted::Write(fill), sector, sectors);
                tickets.push(sim.write(&opens[n], sector, &vec![fill; sectors as usize * 512]));
            }
            Step::Flush { open } => {
                let Some(n) = open_of(open, opens) else { return };
                model.start(n, Wanted::Flush, 0, 0);
                tickets.push(sim.flush(&opens[n]));
            }
            Step::Complete { n } => {
                if let Some(n) = model.nth_pending(n) {
                    model.complete(n, None);
                    sim.complete(n);
                }
            }
            Step::Lose { n } => {
                if let Some(n) = model.nth_pending(n) {
                    model.complete(n, Some(IoError::Failed));
                    sim.lose(n);
                }
            }
            Step::Fail { disk, fails } => {
                let disk = usize::from(disk) % DISKS.len();
                model.fails[disk] = fails;
                sim.disk(DISKS[disk]).fail_with(fails.then_some(IoError::NoSpace));
            }
            Step::Refuse { .. } => {}
        }
        sim.settle();
        model.settle();
    }

    /// All that can be seen is as the model says.
    fn compare(&self) {
        let World { sim, tickets, model, .. } = self;
        let devices = sim.mapper().list().expect("memory");
        let seen: Vec<_> = devices
            .iter()
            .map(|device| {
                let text = |table: Option<dm_core::Arc<dm_core::Table<SimHost>>>| {
                    table.map(|table| {
                        let mut text = String::new();
                        table.write_table(&mut text).expect("text takes all");
                        text
                    })
                };
                let state = match device.state() {
                    State::Empty => "empty",
                    State::Active => "active",
                    State::Suspended => "suspended",
                };
                let tables = [text(device.table()), text(device.inactive_table())];
                let (name, opens) = (device.name().to_string(), device.open_count());
                (device.minor().get(), name, state, opens, tables)
            })
            .collect();
        assert_eq!(seen, model.devices());
        let pending: Vec<_> = sim
            .pending()
            .into_iter()
            .map(|pending| {
                let wanted = match pending.op {
                    BioOp::Data(Op::Read) => 'r',
                    BioOp::Data(Op::Write) => 'w',
                    BioOp::Flush => 'f',
                    other => panic!("{other:?} was never started"),
                };
                (pending.disk, wanted, pending.sector, pending.sectors)
            })
            .collect();
        assert_eq!(pending, model.pending());
        for (n, ticket) in tickets.iter().enumerate() {
            assert_eq!(ticket.result(), model.result(n), "request {n}");
            if ticket.result() == Some(Ok(())) && model.is_read(n) {
                let sectors: Vec<u8> = ticket.data().chunks(512).map(|sector| sector[0]).collect();
                assert_eq!(sectors, model.read(n), "request {n}");
            }
        }
        for (disk, expected) in DISKS.iter().zip(&model.disks) {
            let bytes = sim.disk(disk).bytes();
            let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
            assert_eq!(sectors, *expected, "disk {disk}");
        }
    }

    /// Lets everything come to its end: no request is lost, and no disk stays open.
    fn end(mut self) {
        for _ in 0..NAMES.len() {
            for name in NAMES {
                if let Some(device) = self.sim.mapper().find(name) {
                    let _ = device.clear();
                    let _ = device.resume();
                }
            }
            self.sim.complete_all();
        }
        for (n, ticket) in self.tickets.iter().enumerate() {
            assert!(ticket.is_done(), "request {n} is lost");
        }
        self.opens.clear();
        for _ in 0..NAMES.len() {
            for device in self.sim.mapper().list().expect("memory") {
                let _ = self.sim.mapper().remove(&device);
                self.sim.settle();
            }
        }
        assert!(self.sim.mapper().list().expect("memory").is_empty(), "a device stays");
        for disk in DISKS {
            assert_eq!(self.sim.disk(disk).opens(), 0, "{disk} stays open");
        }
    }
}
