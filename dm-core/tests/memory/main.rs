//! Every operation with every one of its allocations refused, one after the other: the answer is that
//! there is no memory, nothing has changed, nothing is lost, and the live table still maps.

use std::fmt::{Display, Write as _};

use dm_core::btree::{BTree32, BTree64, Index, Staged};
use dm_core::table_text::{Args, Position};
use dm_core::{
    Arc, BioOp, CreateOptions, DeviceMapper, IoError, LoadDeviceError, MappedDevice, Minor, Mode,
    Op, Open, Registry, Sector, Sectors, Table, Text, try_box,
};

use allocator::{Refuse, excluded, held, refusing};
use host::{Disks, Outcome, Request};
use relay::Relay;

mod allocator;
mod host;
mod relay;

/// Tables that need every constructor there is.
const LIVE: &str = "0 10 linear a 5\n10 20 striped 2 5 a 100 b 0\n30 1 zero\n31 1 error\n\
    32 8 relay b 50\n40 10 linear below 0\n";
const OTHER: &str =
    "0 40 striped 4 5 a 0 b 0 c 0 a 40\n40 4 relay c 0\n44 4 linear d 9\n48 2 zero\n";
const MIRROR: &str = "0 16 mirror core 2 8 nosync 2 d 100 e 200\n";
const BAD: &str = "0 10 linear a 5\n10 20 striped 3 5 a 100 b 0\n30 1 liner\n33 1 zero x\n";

/// A mapper with devices in every state.
struct World {
    disks: Disks,
    mapper: DeviceMapper<Disks>,
    /// Has a live and an inactive table, is open, and has obeyed a message.
    live: MappedDevice<Disks>,
    open: Open<Disks>,
    /// Has nothing.
    empty: MappedDevice<Disks>,
    /// Has a live table, and what was wrong with another.
    suspended: MappedDevice<Disks>,
    /// Of a mirror.
    mirrored: Open<Disks>,
}

/// A mirror that is not suspended, or removed, keeps its device.
impl Drop for World {
    fn drop(&mut self) {
        drop(self.mirrored.device().suspend());
        self.disks.complete();
    }
}

impl World {
    fn new() -> World {
        let disks = Disks::default();
        let registry = Registry::with_builtins().unwrap();
        let mapper = DeviceMapper::new(disks.clone(), registry).unwrap();
        mapper.register(Relay).unwrap();
        let create = |name: &str| {
            let options = CreateOptions { minor: None, uuid: Some(name.parse().unwrap()) };
            mapper.create(name.parse().unwrap(), options).unwrap()
        };
        let [below, live, empty, suspended, mirrored] =
            ["below", "live", "empty", "suspended", "mirrored"].map(create);
        let load =
            |device, text: &str| mapper.load(device, text.as_bytes(), Mode::ReadWrite, &mut |_| {});
        for (device, table) in
            [(&below, "0 10 linear c 7"), (&live, LIVE), (&suspended, OTHER), (&mirrored, MIRROR)]
        {
            load(device, table).unwrap();
            assert!(device.resume().unwrap().is_done());
        }
        load(&live, OTHER).unwrap();
        live.message(Sector::new(32), args("first")).unwrap();
        assert!(load(&suspended, BAD).is_err());
        assert!(suspended.suspend().unwrap().is_done());
        let (open, mirrored) = (live.open().unwrap(), mirrored.open().unwrap());
        // What the mirror begins with.
        disks.complete();
        World { disks, mapper, live, open, empty, suspended, mirrored }
    }

    /// All that can be known of it.
    fn state(&self) -> String {
        let mut state = String::new();
        for device in self.mapper.list().unwrap() {
            let (name, minor, uuid) = (device.name(), device.minor(), device.uuid().unwrap());
            let (now, events) = (device.state(), device.events());
            let opens = device.open_count();
            writeln!(state, "{name} {minor} {uuid} {now:?} {events} {opens}").unwrap();
            for table in [device.table(), device.inactive_table()] {
                match table {
                    Some(table) => {
                        table.write_table(&mut state).unwrap();
                        let mut status = String::new();
                        table.write_status(&mut status).unwrap();
                        // Where not all legs were written, that is known until they are copied.
                        state += &status.replace(" 1/2 ", " 2/2 ");
                    }
                    None => state += "no table\n",
                }
            }
            let texts = [device.load_errors(), device.last_answer()];
            writeln!(state, "{:?}", texts.map(|text| text.map(|t| t.as_str().to_owned()))).unwrap();
        }
        writeln!(state, "{:?}", self.mapper.target_types().unwrap()).unwrap();
        state
    }

    fn load(&self, device: &MappedDevice<Disks>, text: &str) -> Result<(), LoadDeviceError> {
        self.mapper.load(device, text.as_bytes(), Mode::ReadWrite, &mut |_| {})
    }

    fn check(&self, text: &str) -> Result<Table<Disks>, LoadDeviceError> {
        self.mapper.check(text.as_bytes(), Mode::ReadWrite, &mut |_| {})
    }

    /// Sends a request through the live table, to its end. Says where its parts went.
    fn run(&self, op: BioOp, sector: u64, sectors: u64) -> Result<Vec<String>, IoError> {
        self.run_on(&self.open, op, sector, sectors)
    }

    fn run_on(
        &self,
        open: &Open<Disks>,
        op: BioOp,
        sector: u64,
        sectors: u64,
    ) -> Result<Vec<String>, IoError> {
        let (request, outcome) =
            excluded(|| Request::new(op, Sector::new(sector), Sectors::new(sectors)));
        open.submit(request);
        let went = self.disks.complete();
        let went = excluded(|| went.iter().map(|went| format!("{went:?}")).collect());
        let result = *outcome.lock();
        excluded(|| drop(outcome));
        result.map(|()| went)
    }

    fn assert_maps(&self) {
        let mut went = self.run(BioOp::Data(Op::Read), 0, 31).unwrap();
        went.extend(self.run(BioOp::Data(Op::Write), 32, 18).unwrap());
        let expected = [
            r#"("a", 5, 10)"#,
            r#"("a", 100, 5)"#,
            r#"("b", 0, 5)"#,
            r#"("a", 105, 5)"#,
            r#"("b", 5, 5)"#,
            r#"("b", 50, 8)"#,
            r#"("c", 7, 10)"#,
        ];
        assert_eq!(went, expected);
        assert_eq!(self.run(BioOp::Data(Op::Read), 31, 1), Err(IoError::Failed), "an error line");
    }
}

fn args(words: &str) -> Args<'_> {
    Args::new(words, Position::START)
}

/// Refuses one allocation of `work` after the other, in a new world each, until all it asks for is
/// granted. `undo` is told what an operation that succeeded has made.
///
/// Returns how many allocations there are.
fn refuse_each<T, E: Display>(
    what: &str,
    work: impl Fn(&World) -> Result<T, E>,
    undo: impl Fn(&World, T),
) -> usize {
    let mut most = 0;
    for refuse in [Refuse::Only, Refuse::From] {
        for n in 0.. {
            let before = held();
            let world = World::new();
            let state = world.state();
            let (done, was_refused) = refusing(refuse(n), || work(&world));
            let finished = !was_refused;
            match done {
                Ok(made) => {
                    assert!(finished, "{what}: succeeds without its allocation {n}");
                    undo(&world, made);
                }
                Err(error) => {
                    assert!(was_refused, "{what}: {error}");
                    assert_eq!(error.to_string(), "out of memory", "{what}, allocation {n}");
                    drop(error);
                    assert_eq!(world.state(), state, "{what}: changed, allocation {n}");
                    world.assert_maps();
                    let again = work(&world).map_err(|error| error.to_string());
                    undo(&world, again.unwrap_or_else(|error| panic!("{what}, again: {error}")));
                }
            }
            drop((world, state));
            assert_eq!(held() - before, 0, "{what}: leaks, allocation {n}");
            if finished {
                most = most.max(n);
                break;
            }
        }
    }
    println!("{what}: {most} allocations");
    most
}

/// [`refuse_each`] for what asks for memory, and gives it back when dropped.
fn allocates<T, E: Display>(what: &str, work: impl Fn(&World) -> Result<T, E>) {
    assert!(refuse_each(what, work, |_, _| {}) > 0, "{what}: allocates nothing");
}

fn allocates_nothing<T, E: Display>(what: &str, work: impl Fn(&World) -> Result<T, E>) {
    assert_eq!(refuse_each(what, work, |_, _| {}), 0, "{what}: allocates");
}

#[test]
fn the_world_is_as_described() {
    let world = World::new();
    world.assert_maps();
    assert!(world.state().contains("first!"));
    assert!(world.state().contains("did you mean `linear`"));
}

#[test]
fn constructors() {
    allocates("try_box", |_| try_box(1));
    allocates("Arc::try_new", |_| Arc::try_new(1));
    allocates("Registry::with_builtins", |_| Registry::with_builtins());
    allocates("Registry::try_clone", |world| world.mapper.target_types());
    allocates("DeviceMapper::new", |_| {
        DeviceMapper::new(excluded(Disks::default), Registry::new())
    });
    allocates("Text", |_| {
        let mut text = Text::new();
        write!(text, "{}{:200}", 1, 2).map(|()| text).map_err(|_| "out of memory")
    });
}

#[test]
fn indexes() {
    let even: Vec<u64> = (1..=1000).map(|n| n * 7).collect();
    let near: Vec<u64> = even.iter().copied().chain([1 << 31]).collect();
    let far: Vec<u64> = (1..=1000).map(|n| n * 7 + (1 << 40)).collect();
    let dense: Vec<u64> = (1..=70_000).map(|n| n * 7).chain([1 << 40]).collect();
    for (keys, form) in [
        (&even[..4], "few"),
        (&even[..64], "flat"),
        (&even, "buckets"),
        (&near, "32-bit"),
        (&far, "64-bit"),
        (&dense, "staged"),
    ] {
        let build = |_: &World| Index::build(excluded(|| keys.to_vec()));
        if matches!(form, "few" | "flat") {
            allocates_nothing(form, build);
        } else {
            allocates(form, build);
        }
        let index = Index::build(keys.to_vec()).unwrap();
        assert_eq!((index.form(), index.lookup(keys[1])), (form, Some(1)));
    }
    allocates("BTree32", |_| BTree32::build(&near, Vec::new()));
    allocates("BTree64", |_| BTree64::build(&far, Vec::new()));
    allocates("Staged", |_| Staged::build(&dense, Vec::new(), Vec::new()));
}

#[test]
fn target_types() {
    for line in [
        "0 8 linear a 0",
        "0 8 striped 2 4 a 0 b 0",
        "0 8 relay a 0",
        "0 8 linear below 0",
        "0 8 striped 1 8 below 0",
        "0 64 mirror core 1 8 2 a 0 b 0",
        "0 8 mirror core 2 8 nosync 3 a 0 below 0 b 7 1 handle_errors",
        "0 64 mirror disk 2 c 8 2 a 0 b 0 2 handle_errors keep_log",
        "0 8 zero\n8 8 zero",
        "0 8 error\n8 8 zero",
    ] {
        allocates(line, |world| world.check(line));
    }
}

#[test]
fn devices_are_created_and_listed() {
    let create = |options: CreateOptions| {
        move |world: &World| world.mapper.create("new".parse().unwrap(), options.clone())
    };
    allocates("create", create(CreateOptions::default()));
    let all = CreateOptions { minor: Minor::new(1000), uuid: Some("some-uuid".parse().unwrap()) };
    allocates("create with a minor and a uuid", create(all));
    allocates("list", |world| world.mapper.list());
    allocates("register", |world| {
        /// The same under another name, as far as the registry can tell.
        struct Other;
        impl dm_core::TargetType for Other {
            fn name(&self) -> &'static str {
                "other"
            }
            fn version(&self) -> [u16; 3] {
                [1, 0, 0]
            }
            fn usage(&self) -> &'static str {
                ""
            }
            fn construct<'t>(
                &self,
                args: Args<'t>,
                at: dm_core::SectorRange,
                devices: &mut dyn dm_core::targets::Devices,
            ) -> Result<Box<dyn dm_core::targets::Target>, dm_core::targets::CtrError<'t>>
            {
                Relay.construct(args, at, devices)
            }
        }
        world.mapper.register(Other)
    });
}

#[test]
fn tables_are_loaded() {
    for table in [LIVE, OTHER] {
        allocates("load a first table", |world| world.load(&world.empty, table));
    }
    allocates("load in place of an inactive table", |world| {
        world.load(&world.live, "0 10 linear below 0\n10 20 zero\n")
    });
    allocates("load where errors are remembered", |world| world.load(&world.suspended, OTHER));
    allocates("check", |world| world.check(LIVE));
    allocates("load what was checked", |world| {
        let table = excluded(|| world.check(LIVE)).unwrap();
        world.mapper.load_checked(&world.empty, table)
    });
    let refuse = |world: &World, device: &MappedDevice<Disks>| match world.load(device, BAD) {
        Err(LoadDeviceError::Refused(why)) => {
            assert_eq!(why.errors, 3);
            Ok(())
        }
        other => other,
    };
    allocates("refuse a first table", |world| refuse(world, &world.empty));
    allocates("refuse another table", |world| refuse(world, &world.live));
}

#[test]
fn states_change_without_memory() {
    allocates_nothing("suspend", |world| {
        let change = world.live.suspend()?;
        assert!(change.is_done());
        Ok::<_, dm_core::ChangeError>(())
    });
    allocates_nothing("resume with a new table", |world| {
        assert!(world.live.resume()?.is_done());
        Ok::<_, dm_core::ChangeError>(())
    });
    allocates_nothing("resume", |world| {
        assert!(world.suspended.resume()?.is_done());
        Ok::<_, dm_core::ChangeError>(())
    });
    allocates_nothing("clear", |world| {
        assert!(world.live.clear()?);
        Ok::<_, dm_core::ChangeError>(())
    });
    allocates_nothing("rename", |world| {
        world.mapper.rename(&world.suspended, "renamed".parse().unwrap())
    });
    allocates_nothing("remove", |world| {
        assert!(world.mapper.remove(&world.suspended)?.is_done());
        assert!(world.mapper.find("suspended").is_none());
        Ok::<_, dm_core::RemoveError>(())
    });
    allocates_nothing("open", |world| world.suspended.open());
    allocates_nothing("go through all devices", |world| {
        let (mut found, mut next) = (0, Minor::new(0));
        while let Some(device) = next.and_then(|from| world.mapper.first_from(from)) {
            assert_eq!(device.minor().get(), found);
            found += 1;
            next = device.minor().next();
        }
        assert_eq!(found, 5);
        Ok::<_, dm_core::ChangeError>(())
    });
}

#[test]
fn messages_are_answered() {
    let message = |world: &World| world.live.message(Sector::new(33), args("hello again"));
    let allocations = refuse_each("message", message, |world, answer| {
        assert_eq!(answer.as_str(), "hello!again!");
        assert_eq!(world.live.last_answer().unwrap().as_str(), "hello!again!");
    });
    assert!(allocations > 0);
}

#[test]
fn requests_are_split_and_relayed() {
    for op in [Op::Read, Op::Write, Op::Discard, Op::WriteZeroes] {
        allocates("a request over many lines", |world| {
            world.run(BioOp::Data(op), 0, 31)?;
            Ok::<_, IoError>(())
        });
    }
    for op in [Op::Write, Op::Discard, Op::WriteZeroes] {
        allocates("a request for all legs of a mirror", |world| {
            world.run_on(&world.mirrored, BioOp::Data(op), 2, 8)?;
            Ok::<_, IoError>(())
        });
    }
    allocates("a read from a mirror, over two of its regions", |world| {
        world.run_on(&world.mirrored, BioOp::Data(Op::Read), 0, 16)?;
        Ok::<_, IoError>(())
    });
    allocates("a request for a target with state", |world| {
        world.run(BioOp::Data(Op::Read), 30, 1)?;
        world.run(BioOp::Data(Op::Write), 32, 8)?;
        Ok::<_, IoError>(())
    });
    allocates("flush", |world| {
        world.run(BioOp::Flush, 0, 0)?;
        Ok::<_, IoError>(())
    });
    allocates_nothing("a request within a line", |world| {
        world.run(BioOp::Data(Op::Read), 0, 10)?;
        Ok::<_, IoError>(())
    });
}

#[test]
fn requests_are_held_while_a_device_is_suspended() {
    let hold = |world: &World| -> Result<Outcome, IoError> {
        let open = world.suspended.open().expect("a device");
        let (sector, sectors) = (Sector::new(3), Sectors::new(1));
        let (request, outcome) = excluded(|| Request::new(BioOp::Data(Op::Read), sector, sectors));
        open.submit(request);
        let result = *outcome.lock();
        result.map(|()| outcome)
    };
    let allocations = refuse_each("hold a request", hold, |world, outcome| {
        assert!(world.disks.complete().is_empty(), "the request is held");
        assert!(world.suspended.resume().unwrap().is_done());
        assert_eq!(world.disks.complete(), [("a".to_owned(), 3, 1)]);
        assert_eq!(*outcome.lock(), Ok(()));
    });
    assert!(allocations > 0);
}

#[test]
fn a_world_holds_nothing_when_dropped() {
    let before = held();
    drop(World::new());
    assert_eq!(held() - before, 0);
}
