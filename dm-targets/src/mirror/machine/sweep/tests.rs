use std::vec::Vec;

use super::super::testing::{FAILED, Rig};
use super::*;

const FLUSHES: [&str; 2] = ["sweep flush 0", "sweep flush 1"];

#[test]
fn legs_are_flushed_before_a_suspend_whatever_was_written() {
    let mut rig = Rig::resumed(64, "core 2 64 nosync 2 b 0 c 0");
    rig.suspend();
    assert_eq!(rig.jobs(), FLUSHES);
    assert!(!rig.machine.is_quiet());
    rig.done(&FLUSHES);
    assert!(rig.machine.is_quiet());
}

#[test]
fn without_marks_there_is_nothing_to_wait_for() {
    let mut rig = Rig::resumed(64, "core 2 64 nosync 2 b 0 c 0");
    rig.write(0, 1);
    rig.finish();
    assert_eq!(rig.machine.timeout(), None);
}

#[test]
fn marks_of_many_regions_are_cleared_in_parts() {
    const REGION: u64 = 300_000;
    let mut rig = Rig::resumed(524_288 * 8, "disk 3 a 8 nosync 2 c 0 c 9000000");
    let byte = 1024 + REGION as usize / 8;
    assert_eq!(rig.log[byte], 0xff);
    rig.write(REGION * 8, 1);
    rig.finish();
    assert_eq!(rig.log[byte], 0xfe);
    rig.advance(DELAY);
    rig.done(&FLUSHES);
    assert_eq!(rig.machine.timeout(), Some(Time::default()), "to be called again at once");
    rig.finish();
    assert_eq!(rig.log[byte], 0xff);
    assert_eq!(rig.machine.timeout(), None, "no mark is left");
}

#[test]
fn a_leg_that_was_copied_to_is_believed_once_it_has_flushed() {
    let named = |rig: &Rig| rig.log[16..1024].iter().any(|byte| *byte != 0);
    let mut rig = Rig::resumed(64, "disk 3 a 64 nosync 2 b 0 c 0 1 handle_errors");
    rig.write(0, 1);
    rig.done(&["request write 1: 0+1"]);
    assert!(!named(&rig));
    rig.end("request write 0: 0+1", FAILED);
    assert!(named(&rig));
    rig.suspend();
    rig.finish();
    rig.advance(DELAY);
    rig.resume();
    rig.advance(DELAY);
    // The copy ends while legs are flushed: that flush may have come too soon for it.
    assert_eq!(rig.jobs(), ["copy read 1: 0+64"].into_iter().chain(FLUSHES).collect::<Vec<_>>());
    rig.done(&["copy read 1: 0+64", "copy write 0: 0+64"]);
    rig.done(&FLUSHES);
    assert!(rig.jobs().is_empty());
    assert!(named(&rig));
    rig.advance(DELAY);
    rig.done(&FLUSHES);
    assert!(!named(&rig));
}
