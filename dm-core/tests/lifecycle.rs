//! What becomes of devices: tables swapped, requests held and drained, names taken and freed.

use dm_core::{
    ChangeError, CreateError, CreateOptions, DeviceName, IoError, MAX_DEPTH, MappedDevice, Minor,
    Mode, RemoveError, RenameError, State,
};
use dm_sim::{Sim, SimHost, load};

fn name(text: &str) -> DeviceName {
    text.parse().unwrap()
}

fn sim() -> Sim {
    let sim = Sim::new();
    sim.add_disk("a", 100).fill(|_| b'a');
    sim.add_disk("b", 100).fill(|_| b'b');
    sim
}

/// Loads a table into the inactive slot; the messages when it is refused.
fn load_inactive(
    sim: &Sim,
    device: &MappedDevice<SimHost>,
    table: &str,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    let mut report = |error: dm_core::LoadError<'_>| errors.push(error.to_string());
    let loaded = sim.mapper().load(device, table.as_bytes(), Mode::ReadWrite, &mut report);
    loaded.map_err(|_| errors)
}

fn first_byte(sim: &Sim, device: &MappedDevice<SimHost>) -> Result<u8, IoError> {
    let ticket = sim.read(&device.open().unwrap(), 0, 1);
    sim.complete_all();
    ticket.result().unwrap().map(|()| ticket.data()[0])
}

#[test]
fn a_device_is_empty_until_its_first_table_is_bound() {
    let sim = sim();
    let device = sim.mapper().create(name("foo"), CreateOptions::default()).unwrap();
    assert_eq!(device.state(), State::Empty);
    assert_eq!(first_byte(&sim, &device), Err(IoError::NoDevice));
    assert_eq!(device.suspend().err(), Some(ChangeError::NoTable));
    assert_eq!(device.resume().err(), Some(ChangeError::NoTable));
    load_inactive(&sim, &device, "0 10 linear a 0").unwrap();
    assert_eq!(device.state(), State::Empty, "loading binds nothing");
    assert!(device.resume().unwrap().is_done());
    assert_eq!(device.state(), State::Active);
    assert_eq!(first_byte(&sim, &device), Ok(b'a'));
}

#[test]
fn suspend_drains_and_holds_and_resume_lets_go() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    let on_its_way = sim.read(&open, 0, 1);
    let change = device.suspend().unwrap();
    assert!(!change.is_done(), "a request is on its way");
    let held = sim.read(&open, 1, 1);
    assert_eq!(sim.pending().len(), 1, "the second does not get through");
    sim.complete_all();
    assert!(change.is_done());
    assert!(on_its_way.is_done() && !held.is_done());
    load_inactive(&sim, &device, "0 10 linear b 0").unwrap();
    assert!(device.resume().unwrap().is_done());
    sim.complete_all();
    assert_eq!(held.data()[0], b'b', "what was held goes through the new table");
}

#[test]
fn resume_swaps_the_table_of_an_active_device() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    load_inactive(&sim, &device, "0 10 linear b 0").unwrap();
    let before = sim.read(&open, 0, 1);
    let change = device.resume().unwrap();
    assert!(!change.is_done());
    let after = sim.read(&open, 0, 1);
    sim.complete_all();
    assert!(change.is_done());
    sim.complete_all();
    assert_eq!((before.data()[0], after.data()[0]), (b'a', b'b'));
    assert_eq!(device.state(), State::Active);
    assert!(device.inactive_table().is_none());
    assert_eq!(sim.disk("a").opens(), 0, "the old table is dropped");
}

#[test]
fn a_change_takes_place_though_nobody_waits() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    let _ = sim.read(&open, 0, 1);
    drop(device.suspend().unwrap());
    let held = sim.read(&open, 0, 1);
    drop(device.resume().unwrap());
    sim.complete_all();
    sim.complete_all();
    assert_eq!(device.state(), State::Active);
    assert_eq!(held.result(), Some(Ok(())));
}

#[test]
fn a_lost_request_does_not_hang_the_drain() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    let lost = sim.read(&open, 0, 1);
    let change = device.suspend().unwrap();
    sim.lose(0);
    assert!(change.is_done());
    assert_eq!(lost.result(), Some(Err(IoError::Failed)));
}

#[test]
fn clear_drops_the_inactive_table() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    assert_eq!(device.clear(), Ok(false));
    load_inactive(&sim, &device, "0 10 linear b 0").unwrap();
    assert_eq!(sim.disk("b").opens(), 1);
    assert_eq!(device.clear(), Ok(true));
    assert_eq!(sim.disk("b").opens(), 0);
    assert!(device.resume().unwrap().is_done());
    assert_eq!(first_byte(&sim, &device), Ok(b'a'));
}

#[test]
fn a_refused_table_changes_nothing() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let events = device.events();
    assert!(load_inactive(&sim, &device, "0 10 linear b 0\n11 1 zero").is_err());
    assert!(device.inactive_table().is_none());
    assert_eq!(device.load_errors().unwrap().as_str().lines().count(), 1);
    assert_eq!(sim.disk("b").opens(), 0);
    assert_eq!(device.events(), events);
    assert_eq!(first_byte(&sim, &device), Ok(b'a'));
    load_inactive(&sim, &device, "0 10 zero").unwrap();
    assert!(device.load_errors().is_none());
}

#[test]
fn names_minors_and_uuids_are_unique() {
    let sim = sim();
    let mapper = sim.mapper();
    let with = |minor: u64, uuid: &str| CreateOptions {
        minor: Minor::new(minor),
        uuid: uuid.parse().ok(),
    };
    mapper.create(name("one"), with(1, "u1")).unwrap();
    assert_eq!(mapper.create(name("one"), with(2, "")).err(), Some(CreateError::NameTaken));
    let taken = Some(CreateError::MinorTaken { minor: Minor::new(1).unwrap() });
    assert_eq!(mapper.create(name("two"), with(1, "")).err(), taken);
    assert_eq!(mapper.create(name("two"), with(2, "u1")).err(), Some(CreateError::UuidTaken));
    let minors = ["x", "y", "z"]
        .map(|other| mapper.create(name(other), CreateOptions::default()).unwrap().minor().get());
    assert_eq!(minors, [0, 2, 3], "the lowest free ones");
    let listed: Vec<_> = mapper.list().unwrap().iter().map(|d| d.name().to_string()).collect();
    assert_eq!(listed, ["x", "one", "y", "z"]);
}

#[test]
fn a_busy_device_is_neither_removed_nor_renamed() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    assert_eq!(sim.mapper().remove(&device).err(), Some(RemoveError::Busy { opens: 1 }));
    let renamed = sim.mapper().rename(&device, name("bar"));
    assert_eq!(renamed, Err(RenameError::Busy { opens: 1 }));
    drop(open);
    sim.mapper().rename(&device, name("bar")).unwrap();
    assert!(sim.mapper().find("foo").is_none());
    load(&sim, "baz", "0 10 zero");
    assert_eq!(sim.mapper().rename(&device, name("baz")), Err(RenameError::NameTaken));
    assert!(sim.mapper().remove(&device).unwrap().is_done());
    assert!(sim.mapper().find("bar").is_none());
    assert_eq!(device.open().err(), Some(dm_core::OpenDeviceError::Removed));
    assert_eq!(device.resume().err(), Some(ChangeError::Removed));
    assert_eq!(sim.disk("a").opens(), 0);
    sim.mapper().create(name("bar"), CreateOptions::default()).unwrap();
}

#[test]
fn a_removal_waits_for_requests_that_outlive_their_opener() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    let orphan = sim.read(&open, 0, 1);
    drop(open);
    let change = sim.mapper().remove(&device).unwrap();
    assert!(!change.is_done());
    assert_eq!(sim.disk("a").opens(), 1, "the table stays until then");
    assert!(sim.mapper().find("foo").is_none());
    let again = sim.mapper().create(name("foo"), CreateOptions::default());
    assert_eq!(again.err(), Some(CreateError::NameTaken));
    sim.complete_all();
    assert!(change.is_done() && orphan.is_done());
    assert_eq!(sim.disk("a").opens(), 0);
    sim.mapper().create(name("foo"), CreateOptions::default()).unwrap();
}

#[test]
fn removing_a_suspended_device_fails_what_it_held() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let open = device.open().unwrap();
    assert!(device.suspend().unwrap().is_done());
    let held = sim.read(&open, 0, 1);
    drop(open);
    assert!(sim.mapper().remove(&device).unwrap().is_done());
    assert_eq!(held.result(), Some(Err(IoError::NoDevice)));
}

#[test]
fn mapped_devices_stack_and_hold_one_another_open() {
    let sim = sim();
    let lower = load(&sim, "lower", "0 50 linear a 10");
    let upper = load(
        &sim,
        "upper",
        "0 20 linear lower 5\n20 20 striped 2 5 lower 30 /dev/device-mapper/lower 40",
    );
    assert_eq!(upper.table().unwrap().depth(), 2);
    assert_eq!(upper.table().unwrap().device_count(), 1, "one device by two names");
    assert_eq!(lower.open_count(), 1);
    assert_eq!(sim.mapper().remove(&lower).err(), Some(RemoveError::Busy { opens: 1 }));
    let open = upper.open().unwrap();
    let write = sim.write(&open, 3, &[9; 512]);
    let fragments = sim.pending();
    assert_eq!((fragments.len(), fragments[0].sector), (1, 18));

    // The lower device holds what the upper one sends; the upper one waits for it.
    let _ = lower.suspend().unwrap();
    let held = sim.read(&open, 3, 1);
    let change = upper.suspend().unwrap();
    sim.complete_all();
    assert!(write.is_done() && !held.is_done() && !change.is_done());
    assert!(lower.resume().unwrap().is_done());
    sim.complete_all();
    assert!(held.is_done() && change.is_done());
    assert_eq!(held.data(), vec![9; 512]);
    drop(open);
    assert!(sim.mapper().remove(&upper).unwrap().is_done());
    assert_eq!(lower.open_count(), 0);
}

#[test]
fn circles_are_refused() {
    let sim = sim();
    let foo = load(&sim, "foo", "0 10 linear a 0");
    let bar = load(&sim, "bar", "0 10 linear foo 0");
    let own = load_inactive(&sim, &foo, "0 10 linear foo 0").unwrap_err();
    assert_eq!(
        own,
        ["1:13: linear: cannot open device `foo`: it is made of the device that this table is for"]
    );
    assert!(load_inactive(&sim, &foo, "0 10 linear bar 0").is_err());
    // Through an inactive table too.
    let baz = load(&sim, "baz", "0 10 zero");
    load_inactive(&sim, &baz, "0 10 linear bar 0").unwrap();
    assert!(load_inactive(&sim, &foo, "0 10 linear baz 0").is_err());
    assert!(load_inactive(&sim, &bar, "0 10 linear baz 0").is_err());
    assert!(baz.clear().unwrap());
    load_inactive(&sim, &bar, "0 10 linear baz 0").unwrap();
}

#[test]
fn stacks_are_bounded_from_above_and_from_below() {
    let sim = sim();
    let mut below = String::from("a");
    for n in 0..MAX_DEPTH {
        let this = format!("d{n}");
        load(&sim, &this, &format!("0 10 linear {below} 0"));
        below = this;
    }
    let top = sim.mapper().create(name("top"), CreateOptions::default()).unwrap();
    let refused = load_inactive(&sim, &top, &format!("0 10 linear {below} 0")).unwrap_err();
    let message = format!(
        "1:13: linear: cannot open device `{below}`: mapped devices may be stacked {MAX_DEPTH} deep"
    );
    assert_eq!(refused, [message]);
    // Putting one more under the stack is no better.
    load(&sim, "extra", "0 10 zero");
    let bottom = sim.mapper().find("d0").unwrap();
    assert!(load_inactive(&sim, &bottom, "0 10 linear extra 0").is_err());
    let deepest = sim.mapper().find(&below).unwrap();
    assert_eq!(first_byte(&sim, &deepest), Ok(b'a'));
}

#[test]
fn read_only_tables_refuse_writes() {
    let sim = sim();
    let device = sim.mapper().create(name("foo"), CreateOptions::default()).unwrap();
    let mapper = sim.mapper();
    mapper
        .load(&device, b"0 10 linear a 0", Mode::ReadOnly, &mut |error| panic!("{error}"))
        .unwrap();
    assert!(device.resume().unwrap().is_done());
    let open = device.open().unwrap();
    assert_eq!(open.mode(), Mode::ReadOnly);
    assert_eq!(sim.write(&open, 0, &[1; 512]).result(), Some(Err(IoError::ReadOnly)));
    assert_eq!(first_byte(&sim, &device), Ok(b'a'));
    let upper = mapper.create(name("upper"), CreateOptions::default()).unwrap();
    let refused = load_inactive(&sim, &upper, "0 10 linear foo 0").unwrap_err();
    assert_eq!(refused, ["1:13: linear: cannot open device `foo`: it can only be read"]);
}

#[test]
fn the_event_number_moves_with_state_and_table() {
    let sim = sim();
    let device = load(&sim, "foo", "0 10 linear a 0");
    let mut last = device.events();
    let mut moved = |what: &str| {
        let now = device.events();
        assert!(now > last, "{what}");
        last = now;
    };
    assert!(device.suspend().unwrap().is_done());
    moved("suspend");
    assert!(device.resume().unwrap().is_done());
    moved("resume");
    load_inactive(&sim, &device, "0 10 zero").unwrap();
    assert!(device.resume().unwrap().is_done());
    moved("swap");
    sim.mapper().rename(&device, name("bar")).unwrap();
    moved("rename");
    assert!(sim.mapper().remove(&device).unwrap().is_done());
    moved("remove");
}
