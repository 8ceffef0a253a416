use dm_core::{Sector, Sectors};

use super::*;
use crate::Buffer;
use crate::testing::{device, give, told};

#[test]
fn what_was_counted_for_lines_of_old_is_kept_as_one_sum() {
    let table = |cut: u64| format!("0 {cut} zero\n{cut} {} zero\n", 1000 - cut);
    let (mapper, device) = device(&table(500));
    let open = device.open().unwrap();
    let mut counter = mapper.host().counter(&open);
    for cut in 1..=100 {
        give(&mapper, &device, &table(cut));
        let (then, done) = told();
        let buffer = Buffer::zeroed(Sectors::new(1)).unwrap();
        let bio = UserBio::read(Sector::new(0), buffer, 0, then);
        open.submit(counter.count(&open, bio));
        assert_eq!(done.recv().unwrap().result, Ok(()));
    }
    let figures = mapper.host().figures(&device);
    assert_eq!((figures.device.reads, figures.device.in_flight), (100, 0));
    assert_eq!(figures.lines.iter().map(|line| line.reads).collect::<Vec<_>>(), [1, 0]);
    let devices = counter.registry.devices.lock();
    assert!(devices[&counter.minor].blocks.len() <= 2, "{}", devices[&counter.minor].blocks.len());
}
