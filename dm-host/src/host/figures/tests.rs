use std::sync::mpsc::channel;

use dm_core::{Mode, Sector, Sectors};

use super::*;
use crate::{Buffer, Done, HostOptions};

#[test]
fn what_was_counted_for_lines_of_old_is_kept_as_one_sum() {
    let types = dm_core::Registry::with_builtins().unwrap();
    let mapper = UserHost::start(&HostOptions::default(), types).unwrap();
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    let load = |cut: u64| {
        let table = format!("0 {cut} zero\n{cut} {} zero\n", 1000 - cut);
        mapper.load(&device, table.as_bytes(), Mode::ReadWrite, &mut |_| {}).unwrap();
        mapper.host().wait(&device.resume().unwrap());
    };
    load(500);
    let open = device.open().unwrap();
    let mut counter = mapper.host().counter(&open);
    for cut in 1..=100 {
        load(cut);
        let (sender, done) = channel();
        let sender = Mutex::new(sender);
        let then = Arc::new(move |done: Done| sender.lock().send(done.result).unwrap());
        let buffer = Buffer::zeroed(Sectors::new(1)).unwrap();
        let bio = UserBio::read(Sector::new(0), buffer, 0, then);
        open.submit(counter.count(&open, bio));
        assert_eq!(done.recv().unwrap(), Ok(()));
    }
    let figures = mapper.host().figures(&device);
    assert_eq!((figures.device.reads, figures.device.in_flight), (100, 0));
    assert_eq!(figures.lines.iter().map(|line| line.reads).collect::<Vec<_>>(), [1, 0]);
    let devices = counter.registry.devices.lock();
    assert!(devices[&counter.minor].blocks.len() <= 2, "{}", devices[&counter.minor].blocks.len());
}
