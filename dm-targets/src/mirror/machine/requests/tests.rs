use super::super::testing::{FAILED, Rig};
use super::*;

const LEGS: &str = "core 2 64 nosync 2 b 0 c 0";
const LOGGED: &str = "disk 3 a 64 nosync 2 b 0 c 0";

#[test]
fn writes_side_by_side_do_not_wait_for_each_other() {
    let mut rig = Rig::resumed(64, LEGS);
    rig.write(10, 2);
    rig.write(8, 2);
    rig.write(12, 2);
    assert_eq!(rig.jobs().len(), 6);
    rig.write(9, 2);
    assert_eq!(rig.jobs().len(), 6);
}

#[test]
fn is_not_quiet_while_a_request_is_in_hand() {
    let mut rig = Rig::resumed(64, LEGS);
    assert!(rig.machine.is_quiet());
    rig.read(0, 1);
    assert!(!rig.machine.is_quiet());
    rig.finish();
    assert!(rig.machine.is_quiet());
}

#[test]
fn a_flush_that_fails_makes_legs_unequal_and_one_that_is_refused_does_not() {
    let mut rig = Rig::resumed(64, LEGS);
    let flush = rig.flush();
    rig.end("request flush 0", Err(IoError::OutOfMemory));
    rig.done(&["request flush 1"]);
    assert_eq!(rig.result(flush), Some(Err(IoError::OutOfMemory)));
    assert_eq!((rig.status(), rig.jobs().len()), ("1/1 AA".into(), 0));
    let flush = rig.flush();
    rig.end("request flush 1", FAILED);
    rig.done(&["request flush 0"]);
    assert_eq!(rig.result(flush), Some(FAILED));
    assert_eq!((rig.status(), rig.jobs()), ("0/1 AD".into(), ["copy read 0: 0+16".into()].into()));
}

#[test]
fn a_flush_is_nothing_to_tidy_up_after() {
    let mut rig = Rig::resumed(64, LOGGED);
    rig.advance(core::time::Duration::from_secs(1));
    rig.finish();
    assert_eq!(rig.machine.timeout(), None);
    rig.flush();
    rig.finish();
    assert_eq!(rig.machine.timeout(), None);
    rig.write(0, 1);
    rig.finish();
    assert!(rig.machine.timeout() > Some(rig.now));
}

#[test]
fn a_log_names_one_leg_after_the_other() {
    let mut rig = Rig::resumed(64, "disk 3 a 64 nosync 3 b 0 c 0 c 100 1 handle_errors");
    let first = rig.write(0, 1);
    rig.done(&["request write 1: 0+1", "request write 2: 100+1"]);
    rig.end("request write 0: 0+1", FAILED);
    assert_eq!((rig.result(first), rig.status()), (Some(Ok(())), "0/1 DAA".into()));
    let second = rig.write(0, 1);
    rig.done(&["request write 2: 100+1"]);
    rig.end("request write 1: 0+1", FAILED);
    assert_eq!((rig.result(second), rig.status()), (Some(Ok(())), "0/1 DDA".into()));
}

#[test]
fn with_a_log_that_cannot_be_written_reads_go_on() {
    let mut rig = Rig::resumed(64, LOGGED);
    assert_eq!(rig.log_letter(), Some('A'));
    rig.log_fails = true;
    let write = rig.write(0, 1);
    assert_eq!((rig.result(write), rig.log_letter()), (Some(FAILED), Some('D')));
    let read = rig.read(0, 1);
    rig.finish();
    assert_eq!(rig.result(read), Some(Ok(())));
    rig.log_fails = false;
    rig.suspend();
    rig.finish();
    rig.resume();
    let write = rig.write(0, 1);
    rig.finish();
    assert_eq!((rig.result(write), rig.log_letter()), (Some(Ok(())), Some('A')));
}

#[test]
fn a_forced_sync_reads_no_log_and_happens_once() {
    let log = Rig::resumed(64, LOGGED).log;
    let mut rig = Rig::new(64, "disk 3 a 64 sync 2 b 0 c 0");
    rig.log = log;
    rig.resume();
    assert_eq!((rig.status(), rig.log_reads), ("0/1 AA".into(), 0));
    rig.finish();
    rig.suspend();
    rig.finish();
    rig.resume();
    assert_eq!((rig.status(), rig.jobs().len()), ("1/1 AA".into(), 0));
}
