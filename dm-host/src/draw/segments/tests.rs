use dm_core::Registry;

use super::*;
use crate::draw::layout;

fn lay_out(table: &str) -> Layout {
    let registry = Registry::with_builtins().unwrap();
    layout(table.as_bytes(), registry, &mut |error| panic!("{error}")).unwrap()
}

fn shown(segments: Vec<Segment>) -> Vec<(u64, u64, Vec<usize>)> {
    segments.into_iter().map(|segment| (segment.start, segment.end, segment.lines)).collect()
}

#[test]
fn free_parts_lie_between_used_ones() {
    let layout =
        lay_out("0 8 linear /none/a 16\n8 8 zero\n16 4 linear /none/a 40\n20 8 linear /none/b 0\n");
    let expected = [(0, 16, vec![]), (16, 24, vec![0]), (24, 40, vec![]), (40, 44, vec![2])];
    assert_eq!(shown(of_device(&layout, 0)), expected);
    assert_eq!(shown(of_device(&layout, 1)), [(0, 8, vec![3])]);
    let lines: Vec<_> = shown(of_table(&layout)).into_iter().map(|(start, ..)| start).collect();
    assert_eq!(lines, [0, 8, 16, 20]);
}

#[test]
fn lines_that_share_sectors_are_all_named() {
    let layout = lay_out("0 8 linear /none/a 0\n8 8 linear /none/a 4\n16 2 linear /none/a 6\n");
    assert_eq!(
        shown(of_device(&layout, 0)),
        [(0, 4, vec![0]), (4, 6, vec![0, 1]), (6, 8, vec![0, 1, 2]), (8, 12, vec![1])]
    );
}
