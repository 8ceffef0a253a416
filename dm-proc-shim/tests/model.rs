//! Random steps on sessions, and past them, compared with a plain model.

use dm_core::{CreateError, CreateOptions, MappedDevice, Minor, Mode, RenameError, State};
use dm_proc_shim::Errno;
use dm_proc_shim::testing::{
    DEVICE_SECTORS, DataError, DataSurface, Refusal, Seeds, Sessions, Surface, run_steps,
};
use dm_sim::{Sim, SimHost};

const DISKS: [&str; 3] = ["disk-a", "1:0", "third"];

fn sim() -> Sim {
    let sim = Sim::new();
    for name in DISKS {
        sim.add_disk(name, DEVICE_SECTORS);
    }
    sim
}

/// Sessions on a simulated host, whose requests complete at once.
struct OnSim<'s, S> {
    sim: &'s Sim,
    control: S,
}

impl<S: Surface> Surface for OnSim<'_, S> {
    fn devices(&self) -> Vec<String> {
        self.control.devices()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        self.control.write(path, bytes)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        self.control.read(path)
    }
}

impl<S: Surface> DataSurface for OnSim<'_, S> {
    fn read_data(&mut self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DataError> {
        let open = self.sim.mapper().find(name).unwrap().open().unwrap();
        let ticket = self.sim.read(&open, offset / 512, length as u64 / 512);
        self.sim.complete_all();
        ticket.result().unwrap().map(|()| ticket.data()).map_err(|_| DataError)
    }

    fn write_data(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DataError> {
        let open = self.sim.mapper().find(name).unwrap().open().unwrap();
        let ticket = self.sim.write(&open, offset / 512, bytes);
        self.sim.complete_all();
        ticket.result().unwrap().map_err(|_| DataError)
    }
}

/// The library itself: what is written is taken apart, and asked of the mapper.
struct Library<'s>(&'s Sim);

impl Library<'_> {
    fn find(&self, name: &str) -> Result<MappedDevice<SimHost>, Errno> {
        self.0.mapper().find(name).ok_or(Errno::NoEntry)
    }

    fn carry_out(&self, words: &[&str]) -> Result<(), Errno> {
        let mapper = self.0.mapper();
        match words {
            ["create", name, minor @ ..] => {
                let minor = minor.first().map(|minor| Minor::new(minor.parse().unwrap()).unwrap());
                let options = CreateOptions { minor, uuid: None };
                let created = mapper.create(name.parse().unwrap(), options);
                created.map(drop).map_err(|why| match why {
                    CreateError::NameTaken => Errno::Exists,
                    _ => Errno::Busy,
                })
            }
            ["rename", name, new] => {
                let renamed = mapper.rename(&self.find(name)?, new.parse().unwrap());
                renamed.map_err(|why| match why {
                    RenameError::NameTaken => Errno::Exists,
                    _ => Errno::Busy,
                })
            }
            ["remove", name] => {
                let removed = mapper.remove(&self.find(name)?).map_err(|_| Errno::Busy)?;
                assert!(removed.is_done(), "there are no requests to wait for");
                mapper.settle_all();
                Ok(())
            }
            ["clear", name] => self.find(name)?.clear().map(drop).map_err(|_| Errno::Invalid),
            ["suspend", name] => {
                let changed = self.find(name)?.suspend().map_err(|_| Errno::Invalid)?;
                assert!(changed.is_done(), "there are no requests to wait for");
                Ok(())
            }
            ["resume", name] => {
                let changed = self.find(name)?.resume().map_err(|_| Errno::Invalid)?;
                assert!(changed.is_done(), "there are no requests to wait for");
                Ok(())
            }
            other => panic!("{other:?}"),
        }
    }

    fn load(&self, name: &str, table: &str) -> Result<(), Errno> {
        let device = self.find(name)?;
        let table = table.strip_prefix("begin\n").and_then(|table| table.strip_suffix("end\n"));
        let table = table.unwrap().as_bytes();
        let loaded = self.0.mapper().load(&device, table, Mode::ReadWrite, &mut |_| {});
        loaded.map_err(|_| Errno::Invalid)?;
        if device.state() == State::Empty {
            assert!(device.resume().unwrap().is_done(), "there are no requests to wait for");
        }
        Ok(())
    }
}

impl Surface for Library<'_> {
    fn devices(&self) -> Vec<String> {
        DISKS.map(str::to_owned).into()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let text = str::from_utf8(bytes).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        let done = match path.split_once('/') {
            Some((name, "table")) => self.load(name, text),
            Some((name, "state")) => self.carry_out(&[words[0], name]),
            _ => self.carry_out(&words),
        };
        done.map_err(|errno| Refusal { errno, message: None })
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        let text = |device: &MappedDevice<SimHost>, file: &str| {
            let table = if file == "table" { device.table() } else { device.inactive_table() };
            let mut text = String::new();
            table.inspect(|table| table.write_table(&mut text).unwrap());
            text
        };
        if let Some((name, file)) = path.split_once('/') {
            return Ok(text(&self.find(name).unwrap(), file));
        }
        let line = |device: &MappedDevice<SimHost>| {
            let state = match device.state() {
                State::Empty => "empty",
                State::Active => "active",
                State::Suspended => "suspended",
            };
            let (name, minor) = (device.name(), device.minor());
            format!("{name} {minor} {state} {} {}\n", device.open_count(), device.events())
        };
        Ok(self.0.mapper().list().unwrap().iter().map(line).collect())
    }
}

/// Whether the disks hold what the model says, a byte a sector, and zeros behind that.
fn compare_disks(sim: &Sim, held: &[Vec<u8>]) {
    for (name, held) in DISKS.iter().zip(held) {
        let mut expected: Vec<u8> = held.iter().flat_map(|&byte| [byte; 512]).collect();
        let found = sim.disk(name).bytes();
        expected.resize(found.len(), 0);
        assert!(found == expected, "{name} does not hold what was written");
    }
}

#[test]
fn sessions_do_what_the_model_says() {
    let Seeds { seeds, steps } = Seeds::of_test(0..100, 200);
    for seed in seeds {
        let sim = sim();
        let control = Sessions::new(sim.mapper(), &DISKS, usize::MAX);
        let held = run_steps(seed, steps, &mut OnSim { sim: &sim, control });
        compare_disks(&sim, &held);
    }
}

#[test]
fn the_library_does_what_the_model_says() {
    let Seeds { seeds, steps } = Seeds::of_test(0..100, 200);
    for seed in seeds {
        let sim = sim();
        let held = run_steps(seed, steps, &mut OnSim { sim: &sim, control: Library(&sim) });
        compare_disks(&sim, &held);
    }
}
