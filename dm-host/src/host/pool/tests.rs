use dm_core::{Mode, Sector, Sectors};

use super::*;
use crate::UserBio;
use crate::host::catalog::Catalog;
use crate::host::fence::Fence;
use crate::testing::told;

#[test]
fn threads_end_when_they_have_nothing_to_do_and_others_begin() {
    let disk = Catalog::new(Fence::new(&[]).unwrap()).open("mem:1M", Mode::ReadWrite).unwrap();
    let pool = Pool::new();
    for _ in 0..3 {
        let (then, done) = told();
        for tag in 0..100 {
            let bio = UserBio::discard(Sector::new(tag * 8), Sectors::new(8), tag, then.clone());
            pool.submit(Job::new(bio, disk.file.clone()));
        }
        assert!(done.iter().take(100).all(|done| done.result == Ok(())));
        while pool.shared.state.lock().threads > 0 {
            std::thread::yield_now();
        }
    }
}
