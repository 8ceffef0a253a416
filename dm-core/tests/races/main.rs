//! The device mapper under shuttle: the same few threads in many orders, which chance decides.
//!
//! Each test runs thousands of times. Threads take turns at every lock and every atomic of the mapper,
//! of its gates and reference counts, and of the host; half of the runs are by chance alone, half by the
//! rule that finds what only a few turns of threads, at the right moments, bring about. Nobody polls:
//! who waits sleeps until the host is notified, so that a wake-up that is missing is a deadlock, which
//! shuttle reports. A run that fails is printed as text that `shuttle::replay` repeats.
//!
//! Run by `RUSTFLAGS=--cfg=shuttle cargo test -p dm-core --test races`, in a target folder of its own.
#![cfg(shuttle)]

mod host;

use std::sync::Arc;

use dm_core::{ChangeError, CreateOptions, MappedDevice, Mode, RemoveError, State};
use host::{Mapper, TestHost, Ticket, Waits, World};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread;
use shuttle::{Config, Runner};

/// How often each test runs by each of two rules.
const RUNS: usize = 1000;

/// How many turns, at most, it takes at the right moments to find what the second rule finds.
const DEPTH: usize = 3;

fn in_many_orders(test: impl Fn(&World) + Send + Sync + 'static) {
    let test = Arc::new(test);
    let run = |test: Arc<dyn Fn(&World) + Send + Sync>| move || World::run(&*test);
    let runs = std::env::var("DM_RACES").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    Runner::new(RandomScheduler::new(runs), Config::new()).run(run(test.clone()));
    Runner::new(PctScheduler::new(DEPTH, runs), Config::new()).run(run(test));
}

fn create(world: &World, name: &str, table: &str) -> MappedDevice<TestHost> {
    let device = world.mapper.create(name.parse().unwrap(), CreateOptions::default()).unwrap();
    load(&world.mapper, &device, table);
    world.wait(&device.resume().unwrap());
    device
}

fn load(mapper: &Mapper, device: &MappedDevice<TestHost>, table: &str) {
    mapper.load(device, table.as_bytes(), Mode::ReadWrite, &mut |why| panic!("{why}")).unwrap();
}

/// Reads four sectors in the middle of what the tables map.
fn read(waits: &Waits, device: &MappedDevice<TestHost>) -> Ticket {
    Ticket::read(waits, &device.open().unwrap(), 2, 4)
}

/// No request is lost, and none is mapped by a table that is dead: what came after the exchange goes to
/// the new disk, and a disk is closed only when nothing is on its way there (the host checks that).
///
/// Fails where a request, or the first part of one, goes on without its pass.
#[test]
fn tables_are_exchanged_under_requests() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 4 linear a 0\n4 4 linear a 4");
        let requests = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || [read(&waits, &device), read(&waits, &device)])
        };
        load(&world.mapper, &device, "0 8 linear b 0");
        world.wait(&device.resume().unwrap());
        let late = read(&world.waits(), &device);
        for ticket in requests.join().unwrap() {
            assert_eq!(ticket.wait(), Ok(()));
        }
        assert_eq!(late.wait(), Ok(()));
        assert_eq!(late.disks(), ["b"]);
        assert_eq!(world.host().open_disks(), ["b"]);
    });
}

/// A drain ends; once it has, nothing is on its way, and what comes is held until the device goes on.
///
/// Fails where a suspend counts as done before the drain, and where what was held is dropped.
#[test]
fn nothing_is_on_its_way_through_a_suspended_device() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 3 linear a 0\n3 5 linear b 3");
        let requests = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || [read(&waits, &device), read(&waits, &device)])
        };
        world.wait(&device.suspend().unwrap());
        assert_eq!(device.state(), State::Suspended);
        assert_eq!(world.host().on_their_way(), 0);
        let held = read(&world.waits(), &device);
        assert_eq!((held.result(), world.host().on_their_way()), (None, 0));
        world.wait(&device.resume().unwrap());
        let [first, second] = requests.join().unwrap();
        for ticket in [first, second, held] {
            assert_eq!(ticket.wait(), Ok(()));
        }
    });
}

/// Whoever changes the device at the same time: each change ends, one of the tables is bound in the end,
/// and no request is lost.
///
/// Fails where the last pass of a gate tells nobody, and where a change counts as done before it is.
#[test]
fn changes_overtake_one_another() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 8 linear a 0");
        let others = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || {
                waits.wait(&device.suspend().unwrap());
                waits.wait(&device.resume().unwrap());
            })
        };
        let ticket = read(&world.waits(), &device);
        load(&world.mapper, &device, "0 8 linear b 0");
        world.wait(&device.resume().unwrap());
        others.join().unwrap();
        assert_eq!(device.state(), State::Active);
        assert_eq!(ticket.wait(), Ok(()));
        let late = read(&world.waits(), &device);
        assert_eq!((late.wait(), late.disks()), (Ok(()), vec!["b"]));
    });
}

/// The last who closes a device lets it be removed; its disk is closed once, and its name is free.
///
/// Fails where a device is removed that somebody has open, and where a removal counts as done before its
/// table is dropped.
#[test]
fn the_last_close_lets_go_of_everything_once() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 8 linear a 0");
        let user = {
            let (open, waits) = (device.open().unwrap(), world.waits());
            thread::spawn(move || {
                let ticket = Ticket::read(&waits, &open, 0, 8);
                drop(open);
                ticket
            })
        };
        let removed = loop {
            match world.mapper.remove(&device) {
                Ok(removed) => break removed,
                Err(RemoveError::Busy { .. }) => thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        };
        world.wait(&removed);
        assert_eq!(world.host().closed(), 1);
        // What came before the removal was carried out.
        assert_eq!(user.join().unwrap().wait(), Ok(()));
        assert!(world.mapper.find("foo").is_none());
        assert_eq!(device.resume().err(), Some(ChangeError::Removed));
        create(world, "foo", "0 8 linear b 0");
    });
}

/// Requests that race with a removal complete, whichever way; and a table of another device keeps the
/// one below it until it is gone itself.
///
/// Fails where a change counts as done before the table is dropped that it replaced.
#[test]
fn a_stack_is_taken_down_under_requests() {
    in_many_orders(|world| {
        let below = create(world, "below", "0 8 linear a 0");
        let top = create(world, "top", "0 8 linear below 0");
        assert!(world.mapper.remove(&below).is_err());
        let (open, waits) = (top.open().unwrap(), world.waits());
        let user =
            thread::spawn(move || [0, 4].map(|sector| Ticket::read(&waits, &open, sector, 4)));
        world.wait(&top.suspend().unwrap());
        load(&world.mapper, &top, "0 8 zero");
        world.wait(&top.resume().unwrap());
        // Nobody lies on it any more.
        world.wait(&world.mapper.remove(&below).unwrap());
        for ticket in user.join().unwrap() {
            assert_eq!(ticket.wait(), Ok(()));
        }
        assert_eq!((world.host().closed(), world.host().open_disks().len()), (1, 0));
    });
}

/// A request that came while the device was open is carried out, though it was closed and is removed.
///
/// Fails where a device is removed that somebody has open, and where a request goes on without its pass.
#[test]
fn requests_to_a_device_that_is_removed_are_carried_out() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 8 linear a 0");
        let user = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || Some(Ticket::read(&waits, &device.open().ok()?, 0, 8)))
        };
        match world.mapper.remove(&device) {
            Ok(removed) => world.wait(&removed),
            Err(busy) => assert_eq!(busy, RemoveError::Busy { opens: 1 }),
        }
        if let Some(ticket) = user.join().unwrap() {
            assert_eq!(ticket.wait(), Ok(()));
        }
    });
}

/// A target with state comes to its end while requests are on their way to it, and begins again; none of
/// them is lost, and the drain ends.
///
/// Fails where a request that comes to a machine after its end is left there.
#[test]
fn a_machine_is_suspended_under_requests() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 8 mirror core 2 8 nosync 2 a 0 b 0");
        let requests = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || [read(&waits, &device), read(&waits, &device)])
        };
        world.wait(&device.suspend().unwrap());
        assert_eq!(world.host().on_their_way(), 0);
        world.wait(&device.resume().unwrap());
        for ticket in requests.join().unwrap() {
            assert_eq!(ticket.wait(), Ok(()));
        }
        world.wait(&device.suspend().unwrap());
    });
}

/// Who looks at the event number, and then sleeps until the host is notified, misses no event.
///
/// Fails where the host is notified before the number grows, and where it is not notified.
#[test]
fn no_event_is_missed() {
    in_many_orders(|world| {
        let device = create(world, "foo", "0 8 linear a 0");
        let before = device.events();
        let watcher = {
            let (device, waits) = (device.clone(), world.waits());
            thread::spawn(move || {
                waits.until(|| device.events() > before);
                waits.until(|| device.events() > before + 1);
            })
        };
        // Has others see the end of the drain first, and so tell of it.
        let ticket = read(&world.waits(), &device);
        world.wait(&device.suspend().unwrap());
        world.wait(&device.resume().unwrap());
        watcher.join().unwrap();
        assert_eq!(ticket.wait(), Ok(()));
        // Whoever brought a change about tells of it when it is done.
        world.waits().until(|| device.events() == before + 2);
    });
}
