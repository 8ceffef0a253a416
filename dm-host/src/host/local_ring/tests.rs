use crate::UserBio;
use crate::host::RingWaiting;
use crate::testing::{device, told};

#[test]
fn jobs_of_a_ring_that_is_dropped_are_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let (mapper, device) = device(&format!("0 2048 linear {} 0", path.display()));
    let open = device.open().unwrap();
    let (then, done) = told();

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
