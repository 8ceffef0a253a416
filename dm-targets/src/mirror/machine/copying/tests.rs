use super::super::testing::{FAILED, Rig};
use super::*;

/// Legs without a log.
const LEGS: &str = "core 1 64 2 b 0 c 0";
const HANDLES_ERRORS: &str = "core 1 64 2 b 0 c 0 1 handle_errors";

#[test]
fn as_many_regions_are_copied_at_once_as_may_be() {
    let rig = Rig::resumed(640, LEGS);
    let expected =
        ["0+64", "64+64", "128+64", "192+64"].map(|at| std::format!("copy read 0: {at}"));
    assert_eq!(rig.jobs(), expected);
    let mut rig = Rig::new(640, LEGS);
    assert!(rig.tell("copies 2") && !rig.tell("copies 0") && !rig.tell("copies 5"));
    rig.resume();
    assert_eq!(rig.jobs().len(), 2);
}

#[test]
fn copies_make_way_for_requests_and_for_two_milliseconds_after() {
    let mut rig = Rig::new(1024, "core 1 512 2 b 0 c 0");
    rig.tell("pause");
    rig.resume();
    rig.read(1000, 1);
    rig.tell("unpause");
    rig.advance(YIELD);
    assert_eq!(rig.jobs(), ["request read 0: 1000+1", "copy read 0: 0+128"]);
    rig.done(&["request read 0: 1000+1"]);
    assert!(rig.jobs().contains(&"copy read 0: 128+384".into()), "{:?}", rig.jobs());
}

#[test]
fn a_limit_is_kept_to_and_can_be_lifted() {
    let mut rig = Rig::new(256, LEGS);
    assert!(rig.tell("limit 1"));
    let begun = rig.now;
    rig.resume();
    assert_eq!(rig.jobs(), ["copy read 0: 0+64"]);
    // A megabyte is 1953 sectors.
    let next = begun.after(Duration::from_nanos(64 * 1_000_000_000 / 1953));
    assert_eq!(rig.machine.timeout(), Some(next));
    rig.advance(next.since(begun) - Duration::from_nanos(1));
    assert_eq!(rig.jobs().len(), 1);
    rig.advance(Duration::from_nanos(1));
    assert_eq!(rig.jobs(), ["copy read 0: 0+64", "copy read 0: 64+64"]);
    rig.tell("limit 0");
    rig.run();
    assert_eq!(rig.jobs().len(), 4);
    assert_eq!(rig.machine.timeout(), None);
}

#[test]
fn a_write_that_ends_where_a_copy_begins_need_not_wait() {
    let mut rig = Rig::new(128, LEGS);
    rig.tell("copies 1");
    rig.resume();
    rig.done(&["copy read 0: 0+64", "copy write 1: 0+64"]);
    assert_eq!(rig.jobs(), ["copy read 0: 64+64"]);
    rig.write(56, 8);
    assert_eq!(rig.jobs()[1..], ["request write 0: 56+8", "request write 1: 56+8"]);
    rig.write(64, 1);
    assert_eq!(rig.jobs().len(), 3);
}

#[test]
fn is_not_quiet_while_it_copies() {
    let mut rig = Rig::resumed(64, LEGS);
    assert!(!rig.machine.is_quiet());
    rig.finish();
    assert!(rig.machine.is_quiet());
    assert_eq!(rig.machine.timeout(), None);
}

/// A mirror of two regions, where the first quarter of the first one was copied.
fn a_quarter_copied() -> Rig {
    let mut rig = Rig::new(128, LEGS);
    rig.tell("pause");
    rig.resume();
    rig.read(100, 1);
    rig.tell("unpause");
    rig.run();
    rig.done(&["copy read 0: 0+16", "copy write 1: 0+16"]);
    assert_eq!(rig.jobs(), ["request read 0: 100+1", "copy read 0: 16+16"]);
    rig.history.clear();
    rig
}

fn copies_the_beginning_again(mut rig: Rig) {
    rig.finish();
    let again = |job: &std::string::String| job.starts_with("copy write 1: 0+");
    assert!(rig.history.iter().any(again), "{:?}", rig.history);
    assert_eq!(rig.status().split(' ').next(), Some("2/2"));
}

#[test]
fn a_write_that_misses_a_leg_has_its_region_copied_again() {
    let mut rig = a_quarter_copied();
    let write = rig.write(0, 8);
    rig.end("request write 1: 0+8", FAILED);
    rig.done(&["request write 0: 0+8"]);
    assert_eq!(rig.result(write), Some(FAILED));
    copies_the_beginning_again(rig);
}

#[test]
fn what_a_leg_did_not_flush_is_copied_again() {
    let mut rig = a_quarter_copied();
    rig.flush();
    rig.end("request flush 1", FAILED);
    rig.done(&["request flush 0"]);
    copies_the_beginning_again(rig);
}

#[test]
fn copying_that_stalled_goes_on_when_there_is_more_to_copy() {
    let mut rig = Rig::resumed(64, LEGS);
    rig.done(&["copy read 0: 0+64"]);
    rig.end("copy write 1: 0+64", FAILED);
    assert!(rig.jobs().is_empty());
    assert_eq!((rig.machine.timeout(), rig.status()), (None, "0/1 AS".into()));
    rig.write(0, 1);
    rig.done(&["request write 0: 0+1"]);
    rig.end("request write 1: 0+1", FAILED);
    rig.finish();
    assert_eq!(rig.status(), "1/1 AD");
}

#[test]
fn nothing_is_copied_without_a_leg_to_copy_to() {
    let mut rig = Rig::new(256, HANDLES_ERRORS);
    rig.tell("copies 1");
    rig.resume();
    rig.done(&["copy read 0: 0+64"]);
    rig.end("copy write 1: 0+64", FAILED);
    assert!(rig.jobs().is_empty(), "{:?}", rig.jobs());
    assert_eq!(rig.status(), "0/4 AS");
}

#[test]
fn a_region_that_is_being_copied_is_not_begun_again() {
    let mut rig = Rig::resumed(192, LEGS);
    rig.done(&["copy read 0: 0+64", "copy write 1: 0+64"]);
    rig.run();
    assert_eq!(rig.jobs(), ["copy read 0: 64+64", "copy read 0: 128+64"]);
    // Nor is there no hope for it, though there was none to begin with.
    rig.done(&["copy read 0: 64+64"]);
    rig.end("copy write 1: 64+64", FAILED);
    rig.finish();
    assert_eq!(rig.status(), "3/3 AS");
}

#[test]
fn tries_again_for_as_long_as_others_succeed() {
    let mut rig = Rig::new(128, LEGS);
    rig.tell("copies 1");
    rig.resume();
    rig.done(&["copy read 0: 0+64", "copy write 1: 0+64", "copy read 0: 64+64"]);
    rig.end("copy write 1: 64+64", FAILED);
    assert!(rig.jobs().is_empty());
    assert_eq!(rig.machine.timeout(), Some(Time::default()), "to be called again at once");
    rig.run();
    rig.done(&["copy read 0: 64+64"]);
    rig.end("copy write 1: 64+64", FAILED);
    assert!(rig.jobs().is_empty());
    assert_eq!(rig.machine.timeout(), None, "there is no hope in it");
}

#[test]
fn reads_a_copy_from_another_leg_that_holds_everything() {
    let mut rig = Rig::resumed(64, "core 2 64 nosync 3 a 0 b 0 c 0 1 handle_errors");
    let write = rig.write(0, 1);
    rig.done(&["request write 0: 0+1", "request write 1: 0+1"]);
    rig.end("request write 2: 0+1", FAILED);
    assert_eq!((rig.result(write), rig.status()), (Some(Ok(())), "0/1 AAD".into()));
    rig.suspend();
    rig.finish();
    rig.advance(YIELD);
    rig.resume();
    rig.end("copy read 0: 0+64", FAILED);
    assert_eq!(rig.jobs(), ["copy read 1: 0+64"]);
    rig.finish();
    assert_eq!(rig.status(), "1/1 RAA");
}

#[test]
fn a_copy_that_no_leg_is_to_blame_for_does_not_count() {
    let mut rig = Rig::resumed(64, "core 1 64 3 a 0 b 0 c 0");
    rig.done(&["copy read 0: 0+64"]);
    rig.end("copy write 1: 0+64", Err(IoError::OutOfMemory));
    rig.done(&["copy write 2: 0+64"]);
    assert_eq!(rig.status(), "0/1 AAA");
}
