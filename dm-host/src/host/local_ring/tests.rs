use std::sync::mpsc::channel;

use dm_core::{Mode, Registry};

use crate::host::RingWaiting;
use crate::{Done, HostOptions, UserBio, UserHost};

#[test]
fn jobs_of_a_ring_that_is_dropped_are_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let mapper =
        UserHost::start(&HostOptions::default(), Registry::with_builtins().unwrap()).unwrap();
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    let table = format!("0 2048 linear {} 0", path.display());
    mapper.load(&device, table.as_bytes(), Mode::ReadWrite, &mut |_| {}).unwrap();
    mapper.host().wait(&device.resume().unwrap());
    let open = device.open().unwrap();
    let (sender, done) = channel();
    let sender = std::sync::Mutex::new(sender);
    let then = std::sync::Arc::new(move |done: Done| sender.lock().unwrap().send(done).unwrap());

    let ring = mapper.host().local_ring(RingWaiting::InTurn);
    for tag in 0..10 {
        open.submit(UserBio::flush(tag, then.clone()));
    }
    if let Some(mut ring) = ring {
        assert_eq!(ring.jobs(), 10, "a flush waits for a turn");
        ring.turn().unwrap();
        for tag in 10..20 {
            open.submit(UserBio::flush(tag, then.clone()));
        }
    }
    let mut tags: Vec<u64> =
        done.iter().take(20).map(|done| (done.result.unwrap(), done.tag).1).collect();
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..20));
}
