//! What a device, a table and a mapper say of themselves to a host or a control surface.

use dm_core::{
    CreateOptions, Device, DeviceName, Limits, LoadDeviceError, Mode, RemoveError, Sector, Sectors,
    State,
};
use dm_sim::{Sim, load};

fn name(text: &str) -> DeviceName {
    text.parse().unwrap()
}

#[test]
fn a_table_tells_what_it_lies_on() {
    let sim = Sim::new();
    sim.add_disk("a", 100);
    sim.add_disk("b", 100);
    let below = load(&sim, "below", "0 50 linear b 0");
    let text = "0 10 linear a 0\n10 10 linear below 0\n20 10 linear a 50\n30 5 zero\n";
    let device = load(&sim, "foo", text);
    let table = device.table().unwrap();
    assert!(!table.is_empty());
    assert_eq!((table.len(), table.size(), table.depth()), (4, Sectors::new(35), 2));
    assert_eq!(table.device_count(), 2);
    let mut disks = String::new();
    for device in table.host_devices() {
        device.write_name(&mut disks).unwrap();
    }
    assert_eq!(disks, "a");
    let mapped: Vec<_> = table.mapped_devices().map(|open| open.device().name()).collect();
    assert_eq!(mapped, [name("below")]);
    assert_eq!(below.table().unwrap().depth(), 1);
    // The index answers what the table does.
    assert_eq!(table.index().len(), 4);
    for (sector, line) in [(0, Some(0)), (9, Some(0)), (10, Some(1)), (34, Some(3)), (35, None)] {
        assert_eq!(table.lookup(Sector::new(sector)), line);
        assert_eq!(table.index().lookup(sector), line);
    }
    let mut written = String::new();
    table.write_table(&mut written).unwrap();
    assert_eq!(written, text);
}

#[test]
fn a_device_is_found_by_its_number() {
    let sim = Sim::new();
    let devices = ["foo", "bar"].map(|name| load(&sim, name, "0 10 zero"));
    for (number, device) in devices.iter().enumerate() {
        assert_eq!(device.minor().to_string(), number.to_string());
        let found = sim.mapper().find_minor(device.minor()).unwrap();
        assert_eq!(found.name(), device.name());
    }
    assert!(sim.mapper().remove(&devices[0]).unwrap().is_done());
    assert!(sim.mapper().find_minor(devices[0].minor()).is_none());
    assert!(sim.mapper().find_minor(devices[1].minor()).is_some());
}

#[test]
fn resuming_what_is_active_waits_for_nothing() {
    let sim = Sim::new();
    sim.add_disk("a", 100);
    let device = load(&sim, "foo", "0 10 linear a 0");
    let on_its_way = sim.read(&device.open().unwrap(), 0, 1);
    assert!(device.resume().unwrap().is_done());
    assert_eq!((on_its_way.is_done(), sim.pending().len()), (false, 1));
    sim.complete_all();
    assert_eq!(on_its_way.result(), Some(Ok(())));
}

#[test]
fn a_clone_of_an_open_device_keeps_it_in_use() {
    let sim = Sim::new();
    let device = load(&sim, "foo", "0 10 zero");
    let open = device.open().unwrap();
    let twin = open.clone();
    assert!(twin.device() == open.device());
    assert_eq!(device.open_count(), 2);
    drop(open);
    assert_eq!(sim.mapper().remove(&device).err(), Some(RemoveError::Busy { opens: 1 }));
    assert_eq!(sim.read(&twin, 0, 10).result(), Some(Ok(())));
    drop(twin);
    assert!(sim.mapper().remove(&device).unwrap().is_done());
}

#[test]
fn an_open_device_is_as_its_live_table() {
    let sim = Sim::new();
    let limits = Limits { logical_block: Sectors::new(8), ..Limits::NONE };
    sim.add_disk_with("a", 96, limits);
    let device = sim.mapper().create(name("foo"), CreateOptions::default()).unwrap();
    let open = device.open().unwrap();
    assert_eq!(
        (open.size(), open.limits(), open.mode()),
        (Sectors::ZERO, Limits::NONE, Mode::ReadWrite)
    );
    let load = |text: &str, mode| {
        sim.mapper().load(&device, text.as_bytes(), mode, &mut |why| panic!("{why}")).unwrap();
        assert!(device.resume().unwrap().is_done());
    };
    load("0 48 linear a 0", Mode::ReadOnly);
    assert_eq!((open.size(), open.mode()), (Sectors::new(48), Mode::ReadOnly));
    assert_eq!(open.limits().logical_block, Sectors::new(8));
    load("0 5 zero", Mode::ReadWrite);
    assert_eq!((open.size(), open.mode()), (Sectors::new(5), Mode::ReadWrite));
    assert_eq!(open.limits().logical_block, Limits::NONE.logical_block);
}

/// Of a table with an error in each of thousands of lines a device remembers those that fit in some
/// kilobytes, and how many there were besides.
#[test]
fn a_device_remembers_the_first_errors_and_counts_the_others() {
    let sim = Sim::new();
    let device = sim.mapper().create(name("foo"), CreateOptions::default()).unwrap();
    let text: String = (0..3000).map(|n| format!("{n} 1 nonesuch\n")).collect();
    let mut errors = Vec::new();
    let mut report = |error: dm_core::LoadError<'_>| errors.push(error.to_string());
    let loaded = sim.mapper().load(&device, text.as_bytes(), Mode::ReadWrite, &mut report);
    assert!(matches!(loaded, Err(LoadDeviceError::Refused(_))), "{loaded:?}");
    assert_eq!(errors.len(), 3000);
    let remembered = device.load_errors().unwrap();
    let lines: Vec<_> = remembered.as_str().lines().collect();
    let (count, first) = lines.split_last().unwrap();
    assert_eq!(first, &errors[..first.len()]);
    assert_eq!(*count, format!("and {} more", 3000 - first.len()));
    let length: usize = first.iter().map(|line| line.len() + 1).sum();
    let last = first.last().unwrap().len() + 1;
    assert!(length >= 16 << 10 && length - last < 16 << 10, "{length} bytes");

    // As many errors as are remembered are told whole.
    let few: String = (0..first.len()).map(|n| format!("{n} 1 nonesuch\n")).collect();
    let mut ignore = |_: dm_core::LoadError<'_>| ();
    assert!(sim.mapper().load(&device, few.as_bytes(), Mode::ReadWrite, &mut ignore).is_err());
    let remembered = device.load_errors().unwrap();
    assert!(remembered.as_str().lines().eq(errors[..first.len()].iter().map(String::as_str)));
    sim.mapper().load(&device, b"0 1 zero", Mode::ReadWrite, &mut ignore).unwrap();
    assert!(device.load_errors().is_none());
}

/// Numbers with gaps between them, and requests that ended without anybody settling their device.
#[test]
fn settling_all_settles_each() {
    let sim = Sim::new();
    sim.add_disk("a", 100);
    let devices: Vec<_> = (0..5).map(|n| load(&sim, &format!("d{n}"), "0 10 linear a 0")).collect();
    assert!(sim.mapper().remove(&devices[1]).unwrap().is_done());
    let changing = [&devices[0], &devices[2], &devices[4]];
    let tickets = changing.map(|device| sim.read(&device.open().unwrap(), 0, 10));
    for device in changing {
        sim.mapper().load(device, b"0 20 zero", Mode::ReadWrite, &mut |_| ()).unwrap();
        drop(device.resume().unwrap());
    }
    while !sim.pending().is_empty() {
        sim.carry_out(0);
    }
    let sizes = || changing.map(|device| device.table().unwrap().size().get());
    assert!(tickets.iter().all(|ticket| ticket.result() == Some(Ok(()))));
    assert_eq!(sizes(), [10; 3], "nobody has settled them");
    sim.mapper().settle_all();
    assert_eq!(sizes(), [20; 3]);
    assert_eq!(devices[3].table().unwrap().size().get(), 10);
    assert!(devices.iter().skip(2).all(|device| device.state() == State::Active));
}
