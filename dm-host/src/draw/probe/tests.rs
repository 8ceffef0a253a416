use dm_core::Registry;

use super::*;
use crate::draw::{LineLayout, layout};

fn lay_out(table: &str) -> LineLayout {
    let registry = Registry::with_builtins().unwrap();
    let layout = layout(table.as_bytes(), registry, &mut |error| panic!("{error}"));
    layout.unwrap().lines.remove(0)
}

fn extents(line: &LineLayout) -> Vec<(usize, u64, u64)> {
    line.extents.iter().map(|extent| (extent.device, extent.start, extent.end)).collect()
}

#[test]
fn a_linear_line_is_one_extent() {
    let line = lay_out("0 100 linear /none/a 7\n");
    assert_eq!(extents(&line), [(0, 7, 107)]);
    assert_eq!(line.pieces, [Piece { device: Some(0), sectors: 100 }]);
}

#[test]
fn stripes_are_extents_however_many_pieces_they_are_cut_into() {
    for chunks in [1, 2, 100, 5_000, 1_000_000, 1 << 40] {
        let length = chunks * 8;
        let table = format!("0 {} striped 3 8 /none/a 5 /none/b 6 /none/c 0\n", 3 * length);
        let line = lay_out(&table);
        let expected = [(0, 5, 5 + length), (1, 6, 6 + length), (2, 0, length)];
        assert_eq!(extents(&line), expected, "{chunks} chunks");
        let starts: Vec<_> = line.pieces.iter().take(4).map(|piece| piece.device).collect();
        assert_eq!(starts, [Some(0), Some(1), Some(2), Some(0)][..starts.len()]);
    }
}

#[test]
fn stripes_on_one_device_stay_apart() {
    for chunks in [4, 5_000, 1_000_000] {
        let length = chunks * 8;
        let table = format!("0 {} striped 2 8 /none/a 0 /none/a {}\n", 2 * length, length + 100);
        let expected = [(0, 0, length), (0, length + 100, 2 * length + 100)];
        assert_eq!(extents(&lay_out(&table)), expected, "{chunks} chunks");
    }
}

#[test]
fn what_lies_nowhere_has_no_extents() {
    for (target, kind) in [("zero", Kind::Zeros), ("error", Kind::Failing)] {
        let line = lay_out(&format!("0 100 {target}\n"));
        assert_eq!((line.kind, extents(&line)), (kind, vec![]));
    }
}

#[test]
fn a_mirror_lies_on_its_legs_and_on_its_log() {
    let line = lay_out("0 2000 mirror disk 2 /none/log 64 2 /none/a 5 /none/b 2500\n");
    assert_eq!(extents(&line), [(0, 0, 3), (1, 5, 2005), (2, 2500, 4500)]);
    assert_eq!((line.kind, line.pieces), (Kind::Stored, vec![]));
}

#[test]
fn legs_that_touch_each_other_stay_apart() {
    let line = lay_out("0 100 mirror core 1 8 2 /none/a 0 /none/a 100\n");
    assert_eq!(extents(&line), [(0, 0, 100), (0, 100, 200)]);
}
