use super::{Content, Model, ZEROS, stamp};

const SECTOR: u64 = 0;

fn model() -> Model {
    Model::new([ZEROS])
}

fn begin(model: &mut Model) -> super::ModelWrite {
    model.begin_write(0..1, |write, sector| Content::Value(stamp(write, sector)))
}

fn write(model: &mut Model, good: bool, fua: bool) {
    let write = begin(model);
    model.end_write(&write, good, fua);
}

fn flush(model: &mut Model) {
    let begun = model.begin_flush();
    model.end_flush(begun);
}

/// Which writes a read that began at `begun` may return; 0 are the zeros of the beginning.
fn seen(model: &Model, begun: u64) -> Vec<u64> {
    let bytes = |write: u64| {
        let value = if write == 0 { 0 } else { stamp(write, SECTOR) };
        value.to_le_bytes().repeat(64)
    };
    (0..10).filter(|&write| model.check_at(SECTOR, &bytes(write), begun).is_ok()).collect()
}

#[test]
fn a_read_returns_the_last_write_or_one_that_is_under_way() {
    let mut model = model();
    assert_eq!(seen(&model, u64::MAX), [0]);
    write(&mut model, true, false);
    assert_eq!(seen(&model, u64::MAX), [1]);
    let read = model.begin_read();
    let under_way = begin(&mut model);
    assert_eq!(seen(&model, read), [1, 2]);
    model.end_write(&under_way, true, false);
    assert_eq!(seen(&model, read), [1, 2], "they were concurrent");
    assert_eq!(seen(&model, u64::MAX), [2]);
}

#[test]
fn writes_that_race_leave_either_and_one_that_fails_leaves_both() {
    let mut model = model();
    let (a, b) = (begin(&mut model), begin(&mut model));
    model.end_write(&b, true, false);
    model.end_write(&a, true, false);
    assert_eq!(seen(&model, u64::MAX), [1, 2]);
    assert!(!model.is_settled(SECTOR, false, false) && model.is_settled(SECTOR, true, false));
    write(&mut model, false, false);
    assert_eq!(seen(&model, u64::MAX), [1, 2, 3]);
    write(&mut model, true, false);
    assert_eq!(seen(&model, u64::MAX), [4]);
    assert!(model.is_settled(SECTOR, false, false));
}

#[test]
fn a_power_cut_loses_what_was_not_flushed() {
    let mut model = model();
    write(&mut model, true, false);
    flush(&mut model);
    write(&mut model, true, false);
    let begun = model.begin_flush();
    write(&mut model, true, false);
    model.end_flush(begun);
    write(&mut model, false, false);
    begin(&mut model);
    assert_eq!(seen(&model, u64::MAX), [3, 4, 5]);
    model.cut_power();
    assert_eq!(seen(&model, u64::MAX), [2, 3, 4, 5]);
}

#[test]
fn a_write_with_fua_survives_and_so_does_what_was_read_after_a_cut() {
    let mut model = model();
    write(&mut model, true, false);
    write(&mut model, true, true);
    write(&mut model, true, false);
    model.cut_power();
    assert_eq!(seen(&model, u64::MAX), [2, 3]);
    let read = model.begin_read();
    let data = stamp(2, SECTOR).to_le_bytes().repeat(64);
    model.end_read(read, SECTOR, Some(&data)).unwrap();
    assert_eq!(seen(&model, u64::MAX), [2]);
    model.cut_power();
    assert_eq!(seen(&model, u64::MAX), [2]);
}

#[test]
fn anything_is_there_after_a_discard() {
    let mut model = model();
    let discard = model.begin_write(0..1, |_, _| Content::Undefined);
    model.end_write(&discard, true, false);
    assert_eq!(seen(&model, u64::MAX), (0..10).collect::<Vec<_>>());
    assert!(!model.is_settled(SECTOR, true, true));
}

#[test]
fn a_mixture_is_never_right() {
    let model = model();
    let mut bytes = vec![0; 512];
    bytes[511] = 1;
    let mismatch = model.check(SECTOR, &bytes).unwrap_err();
    assert_eq!(mismatch.to_string(), "sector 0 holds a mixture, not zeros");
}
