//! What a host is told of, and asked, beside requests.

use std::sync::{Arc, Mutex};

use dm_core::{
    Bio, BioFlags, BioOp, CreateOptions, DeviceMapper, Ended, Host, IoError, MappedDevice, Minor,
    Mode, OpenError, OutOfMemory, Pass, Registry, Sector, Sectors, State, Table, Time,
};
use dm_sim::{Disk, Sim, SimDevice};

type Seen = Arc<Mutex<Vec<(u32, u64, State)>>>;
type Watched = Arc<Mutex<Option<MappedDevice<Shows>>>>;

/// A host that shows each mapped device as a disk of the simulator, `disk <minor>`.
struct Shows {
    disk: Disk,
    watched: Watched,
    bound: Seen,
}

impl Host for Shows {
    type Device = SimDevice;
    type Bio = NoBio;
    type Queue = std::collections::VecDeque<NoBio>;
    type Lock = parking_lot::RawMutex;
    const COMPLETIONS_SUBMIT: bool = true;

    fn open(&self, name: &str, _: Mode) -> Result<SimDevice, OpenError> {
        if name == "a" { Ok(self.disk.open()) } else { Err(OpenError::NotFound) }
    }

    fn mapped(&self, name: &str) -> Option<Minor> {
        Minor::new(name.strip_prefix("9:")?.parse().ok()?)
    }

    fn claim(&self, minor: Minor, _: Mode) -> Result<Option<SimDevice>, OpenError> {
        if minor.get() == 7 { Err(OpenError::Busy) } else { Ok(Some(self.disk.open())) }
    }

    fn bind(&self, minor: Minor, table: &Table<Shows>) {
        // That the device can be asked shows that no lock is held.
        let watched = self.watched.lock().unwrap().clone();
        let state = watched.as_ref().map_or(State::Empty, MappedDevice::state);
        // The same change: it is not carried out twice, and no other table is bound before this one.
        watched.inspect(MappedDevice::settle);
        self.bound.lock().unwrap().push((minor.get(), table.size().get(), state));
    }

    fn submit(&self, bio: NoBio) {
        match bio {}
    }

    fn notify(&self, _: Minor) {}

    fn now(&self) -> Time {
        Time::default()
    }

    fn wake(&self, _: Minor, _: Time) {}

    fn buffer(&self, _: Sectors) -> Result<NoBio, OutOfMemory> {
        Err(OutOfMemory)
    }
}

/// There are no requests here.
enum NoBio {}

impl Bio for NoBio {
    type Host = Shows;

    fn op(&self) -> BioOp {
        match *self {}
    }

    fn flags(&self) -> BioFlags {
        match *self {}
    }

    fn sector(&self) -> Sector {
        match *self {}
    }

    fn sectors(&self) -> Sectors {
        match *self {}
    }

    fn split(&mut self, _: Sectors) -> Result<NoBio, OutOfMemory> {
        match *self {}
    }

    fn duplicate(&self) -> Result<NoBio, OutOfMemory> {
        match *self {}
    }

    fn child(
        &self,
        _: BioOp,
        _: BioFlags,
        _: Sectors,
        _: Ended<Shows>,
    ) -> Result<NoBio, Ended<Shows>> {
        match *self {}
    }

    fn with_bytes<T>(&mut self, _: impl FnOnce(&mut [u8]) -> T) -> Option<T> {
        match *self {}
    }

    fn set_sector(&mut self, _: Sector) {
        match *self {}
    }

    fn set_device(&mut self, _: &SimDevice) {
        match *self {}
    }

    fn carry(&mut self, _: Pass) {
        match *self {}
    }

    fn fill_zeros(&mut self) {
        match *self {}
    }

    fn complete(self, _: Result<(), IoError>) {
        match self {}
    }
}

struct Setup {
    mapper: DeviceMapper<Shows>,
    watched: Watched,
    bound: Seen,
}

fn setup() -> Setup {
    let sim = Sim::new();
    let (watched, bound) = (Watched::default(), Seen::default());
    let host = Shows {
        disk: sim.add_disk("a", 100),
        watched: Arc::clone(&watched),
        bound: Arc::clone(&bound),
    };
    let mapper = DeviceMapper::new(host, Registry::with_builtins().unwrap()).unwrap();
    Setup { mapper, watched, bound }
}

/// A device keeps its host, and so a host that knows one keeps itself.
impl Drop for Setup {
    fn drop(&mut self) {
        self.watched.lock().unwrap().take();
    }
}

impl Setup {
    fn create(&self, name: &str, minor: Option<u64>) -> MappedDevice<Shows> {
        let minor = minor.map(|minor| Minor::new(minor).unwrap());
        let options = CreateOptions { minor, uuid: None };
        self.mapper.create(name.parse().unwrap(), options).unwrap()
    }

    fn load(&self, device: &MappedDevice<Shows>, table: &str) -> Result<(), String> {
        let mut why = String::new();
        let mut report = |error: dm_core::LoadError<'_>| why += &error.to_string();
        let loaded = self.mapper.load(device, table.as_bytes(), Mode::ReadWrite, &mut report);
        loaded.map_err(|_| why)
    }
}

#[test]
fn a_table_is_told_of_before_requests_go_through_it() {
    let setup = setup();
    let device = setup.create("foo", Some(3));
    *setup.watched.lock().unwrap() = Some(device.clone());
    setup.load(&device, "0 10 linear a 0").unwrap();
    assert!(setup.bound.lock().unwrap().is_empty(), "loading binds nothing");
    assert!(device.resume().unwrap().is_done());
    setup.load(&device, "0 20 linear a 0").unwrap();
    assert!(device.resume().unwrap().is_done());
    let seen = setup.bound.lock().unwrap().clone();
    assert_eq!(seen, [(3, 10, State::Suspended), (3, 20, State::Suspended)]);
    assert_eq!(device.state(), State::Active);
}

#[test]
fn a_mapped_device_goes_by_what_the_host_calls_it_too() {
    let setup = setup();
    let (lower, upper) = (setup.create("lower", Some(3)), setup.create("upper", None));
    setup.load(&lower, "0 10 linear a 0").unwrap();
    assert!(lower.resume().unwrap().is_done());
    setup.load(&upper, "0 10 linear 9:3 0").unwrap();
    let table = upper.inactive_table().unwrap();
    assert_eq!(table.mapped_devices().count(), 1);
    assert!(table.mapped_devices().all(|open| *open.device() == lower));
    assert!(setup.load(&lower, "0 10 linear 9:3 0").unwrap_err().contains("made of the device"));
    assert!(setup.load(&upper, "0 10 linear 9:4 0").unwrap_err().contains("no such device"));
}

#[test]
fn a_mapped_device_that_cannot_be_claimed_is_not_stacked_upon() {
    let setup = setup();
    let (free, taken) = (setup.create("free", None), setup.create("taken", Some(7)));
    for device in [&free, &taken] {
        setup.load(device, "0 10 linear a 0").unwrap();
        assert!(device.resume().unwrap().is_done());
    }
    let upper = setup.create("upper", None);
    assert!(setup.load(&upper, "0 10 linear taken 0").unwrap_err().contains("cannot open"));
    assert_eq!(taken.open_count(), 0, "nothing is left of the attempt");
    setup.load(&upper, "0 10 linear free 0").unwrap();
    assert_eq!(upper.inactive_table().unwrap().claims().len(), 1);
}

#[test]
fn a_host_that_says_nothing_of_processors_has_one_lane() {
    let setup = setup();
    let host = setup.mapper.host();
    assert_eq!((host.lanes(), host.lane()), (1, 0));
}
