use super::*;

fn segments(lengths: &[(u64, bool)]) -> Vec<Segment> {
    let mut at = 0;
    let mut place = |n: usize, &(length, is_used): &(u64, bool)| {
        at += length;
        Segment { start: at - length, end: at, lines: if is_used { vec![n] } else { vec![] } }
    };
    lengths.iter().enumerate().map(|(n, length)| place(n, length)).collect()
}

#[test]
fn widths_fill_the_bar() {
    for lengths in [
        &[(1, true)][..],
        &[(1, true), (1_000_000, false), (1, true)],
        &[(u64::MAX / 2, true), (u64::MAX / 2, true)],
        &[(3, true), (3, true), (3, true), (3, true), (3, true), (3, true), (3, true)],
    ] {
        let segments = segments(lengths);
        for total in 30..200 {
            let widths = widths(&segments, total, 4).unwrap();
            assert_eq!(widths.iter().sum::<usize>(), total);
            assert!(widths.iter().all(|&width| width >= 4), "{widths:?}");
        }
    }
    assert_eq!(widths(&segments(&[(1, true); 8]), 31, 4), None);
    assert_eq!(widths(&segments(&[(1, true), (3, true)]), 8, 0), Some(vec![2, 6]));
}

/// Looks at every sector of every column.
fn slow_columns(segments: &[Segment], total: usize) -> Vec<Column> {
    let length = segments.last().unwrap().end;
    let line_at = |sector: u64| {
        let segment =
            segments.iter().find(|segment| (segment.start..segment.end).contains(&sector));
        segment.and_then(Segment::line)
    };
    let column = |n: usize| {
        let start = length * n as u64 / total as u64;
        let end = (length * (n as u64 + 1) / total as u64).max(start + 1);
        let lines: Vec<Option<usize>> = (start..end).map(line_at).collect();
        let used = lines.iter().flatten().count();
        let count = |line: usize| lines.iter().filter(|&&other| other == Some(line)).count();
        let most = lines.iter().flatten().map(|&line| count(line)).max();
        // The first of those that have the most.
        let line = lines.iter().flatten().copied().find(|&line| Some(count(line)) == most);
        Column { line, is_full: used >= lines.len().div_ceil(2) }
    };
    (0..total).map(column).collect()
}

#[test]
fn columns_agree_with_a_look_at_every_sector() {
    let mut seed = 1u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..200 {
        let lengths: Vec<(u64, bool)> =
            (0..1 + random(60)).map(|_| (1 + random(40), random(3) > 0)).collect();
        let segments = segments(&lengths);
        let total = 1 + random(90) as usize;
        assert_eq!(
            columns(&segments, total),
            slow_columns(&segments, total),
            "{lengths:?} {total}"
        );
    }
}
