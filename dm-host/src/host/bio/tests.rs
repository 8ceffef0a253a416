use std::sync::mpsc::Receiver;

use super::*;
use crate::testing::told;

fn read(sectors: u64) -> (UserBio, Receiver<Done>) {
    let (then, done) = told();
    let mut buffer = Buffer::zeroed(Sectors::new(sectors)).unwrap();
    buffer.fill(0xaa);
    (UserBio::read(Sector::new(100), buffer, 42, then), done)
}

#[test]
fn completes_once_when_the_last_part_has() {
    let (mut rest, done) = read(8);
    let front = rest.split(Sectors::new(3)).unwrap();
    assert_eq!((front.sector().get(), front.sectors().get()), (100, 3));
    assert_eq!((rest.sector().get(), rest.sectors().get()), (103, 5));
    rest.complete(Ok(()));
    assert!(done.try_recv().is_err(), "a part is still on its way");
    front.complete(Ok(()));
    let finished = done.recv().unwrap();
    assert_eq!((finished.tag, finished.result), (42, Ok(())));
    assert_eq!(finished.buffer.sectors(), Sectors::new(8));
    assert!(done.recv().is_err(), "nobody is left to tell of it again");
}

#[test]
fn a_dropped_part_fails_the_whole_and_the_first_error_stays() {
    let (mut rest, done) = read(8);
    drop(rest.split(Sectors::new(1)).unwrap());
    rest.complete(Err(IoError::NoSpace));
    assert_eq!(done.recv().unwrap().result, Err(IoError::Failed));
}

#[test]
fn parts_fill_their_own_bytes_only() {
    let (mut rest, done) = read(4);
    let front = rest.split(Sectors::new(1)).unwrap();
    let mut middle = rest.split(Sectors::new(2)).unwrap();
    middle.set_sector(Sector::new(7));
    middle.fill_zeros();
    for part in [front, middle, rest] {
        part.complete(Ok(()));
    }
    let buffer = done.recv().unwrap().buffer;
    let expected: Vec<u8> = [0xaa, 0, 0, 0xaa].iter().flat_map(|&byte| [byte; 512]).collect();
    assert!(*buffer == *expected);
}

#[test]
fn a_pass_is_given_back_after_the_completion_was_told() {
    let shut = Arc::new(Mutex::new(false));
    let seen = shut.clone();
    let gate = dm_sync::Gate::new(1, move || *seen.lock() = true).unwrap();
    assert!(gate.open(()).is_ok());
    let pass = gate.enter(0).unwrap().into_pass();
    let (at_completion, still_open) = (Arc::new(Mutex::new(None)), shut.clone());
    let note = at_completion.clone();
    let then = move |_| *note.lock() = Some(*still_open.lock());
    let mut bio = UserBio::flush(0, Arc::new(then));
    bio.carry(pass);
    let twin = bio.duplicate().unwrap();
    gate.close();
    bio.complete(Ok(()));
    assert!(!*shut.lock(), "the twin has a clone of the pass");
    twin.complete(Ok(()));
    assert_eq!((*at_completion.lock(), *shut.lock()), (Some(false), true));
}

#[test]
fn splitting_off_more_than_there_is_stays_within_the_buffer() {
    let (mut rest, done) = read(2);
    let front = rest.split(Sectors::new(9)).unwrap();
    assert_eq!((front.sectors().get(), rest.sectors().get()), (2, 0));
    rest.fill_zeros();
    rest.complete(Ok(()));
    front.complete(Ok(()));
    assert!(done.recv().unwrap().buffer.iter().all(|&byte| byte == 0xaa));
}
