//! What loading says about a table.

use dm_core::{CreateOptions, Limits, Mode, Sectors};
use dm_sim::Sim;

fn errors(table: &[u8]) -> Vec<String> {
    let sim = Sim::new();
    sim.add_disk("a", 100);
    sim.add_disk_with("blocks", 64, Limits { logical_block: Sectors::new(8), ..Limits::NONE });
    let device = sim.mapper().create("foo".parse().unwrap(), CreateOptions::default()).unwrap();
    let mut errors = Vec::new();
    let mut report = |error: dm_core::LoadError<'_>| errors.push(error.to_string());
    let loaded = sim.mapper().load(&device, table, Mode::ReadWrite, &mut report);
    assert_eq!(loaded.is_err(), !errors.is_empty());
    assert_eq!(device.inactive_table().is_some(), errors.is_empty());
    errors
}

#[test]
fn every_error_of_a_table_is_reported_with_its_place() {
    let table = b"0 10 liner a 0\n10 5 linear nowhere 0\n15 200 linear a 0\n215 5 raid5\n\
        220 4 linear blocks 8\n224 8 linear blocks 4\n233 1 zero\n";
    assert_eq!(
        errors(table),
        [
            "1:6: unknown target type `liner` (did you mean `linear`?); known are error (io-err), linear, mirror, striped, zero",
            "2:13: linear: cannot open device `nowhere`: no such device or file",
            "3:17: linear: 200 sectors from sector 0 on do not fit on `a`, which has 100",
            "4:7: unknown target type `raid5`; known are error (io-err), linear, mirror, striped, zero",
            "5:14: linear: the length 4 is not a multiple of the device's logical block, 8 sectors",
            "6:21: linear: the offset 4 is not a multiple of the device's logical block, 8 sectors",
            "7:1: expected sector 232, where the line before ends, found 233: a gap",
        ]
    );
}

#[test]
fn a_target_type_is_quoted_as_any_word_is() {
    let sim = Sim::new();
    sim.add_disk("a", 1000);
    let text = "0 10 lin\\ear a 5\n10 5 \\linear a 0\n15 1 ze\\r\\o\n16 1 io\\-err\n";
    let device = dm_sim::load(&sim, "foo", text);
    let mut printed = String::new();
    device.table().unwrap().write_table(&mut printed).unwrap();
    assert_eq!(printed, "0 10 linear a 5\n10 5 linear a 0\n15 1 zero\n16 1 error\n");
    assert_eq!(errors(b"0 10 lin\\\\ear a 0\n").len(), 1, "that is a name with a backslash in it");
}

#[test]
fn an_empty_table_is_an_error() {
    assert_eq!(errors(b"# nothing\n\n").len(), 1);
}

#[test]
fn a_table_prints_as_what_loads_the_same_again() {
    let sim = Sim::new();
    sim.add_disk("a", 1000);
    sim.add_disk("my disk", 1000);
    let text = "0 10 linear a 5\n10 20 striped 2 5 my\\ disk 0 a 100\n30 1 zero\n31 1 error\n";
    let device = dm_sim::load(&sim, "foo", &format!("begin\n# as written\n  {text}end\n"));
    let mut printed = String::new();
    device.table().unwrap().write_table(&mut printed).unwrap();
    assert_eq!(printed, text);
    let mut status = String::new();
    device.table().unwrap().write_status(&mut status).unwrap();
    assert_eq!(status, "0 10 linear\n10 20 striped 2 my\\ disk a 1 AA\n30 1 zero\n31 1 error\n");
    let mut deps = String::new();
    device.table().unwrap().write_deps(&mut deps).unwrap();
    assert_eq!(deps, "a\nmy\\ disk\n");
}

#[test]
fn a_million_lines_load() {
    let sim = Sim::new();
    sim.add_disk("a", 8);
    let mut text = String::new();
    for n in 0..1_000_000u64 {
        text += &format!("{} 8 linear a 0\n", n * 8);
    }
    let device = dm_sim::load(&sim, "foo", &text);
    let table = device.table().unwrap();
    assert_eq!((table.len(), table.size()), (1_000_000, Sectors::new(8_000_000)));
}
