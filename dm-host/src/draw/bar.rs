//! Sharing out the columns of a bar among segments.

use super::segments::Segment;

/// Gives each segment a width, in columns or pixels, `total` in all: in proportion to its length,
/// but `least` at the least. `None` if there are too many for that.
pub(super) fn widths(segments: &[Segment], total: usize, least: usize) -> Option<Vec<usize>> {
    let spare = total.checked_sub(segments.len() * least)?;
    let whole: u128 = segments.iter().map(|s| u128::from(s.length())).sum();
    let mut widths = Vec::with_capacity(segments.len());
    let (mut passed, mut given) = (0u128, 0);
    for segment in segments {
        passed += u128::from(segment.length());
        let until = (passed * spare as u128).checked_div(whole).unwrap_or(0) as usize;
        widths.push(least + until - given);
        given = until;
    }
    Some(widths)
}

/// What one column of a bar stands for, where there are more segments than columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    /// The line that most of it belongs to; `None` if all of it is free.
    pub(super) line: Option<usize>,
    /// Whether at least half of it is in use.
    pub(super) is_full: bool,
}

/// Looks at segments, in order and without gaps, through `total` columns of equal length.
pub(super) fn columns(segments: &[Segment], total: usize) -> Vec<Column> {
    let length = segments.last().map_or(0, |last| last.end);
    let mut next = 0;
    let edge = |n: usize| (u128::from(length) * n as u128 / total.max(1) as u128) as u64;
    (0..total)
        .map(|n| {
            let (start, end) = (edge(n), edge(n + 1).max(edge(n) + 1));
            while segments.get(next).is_some_and(|segment| segment.end <= start) {
                next += 1;
            }
            let (mut used, mut most, mut line) = (0u64, 0, None);
            for segment in segments[next.min(segments.len())..]
                .iter()
                .take_while(|segment| segment.start < end)
            {
                let part = segment.end.min(end) - segment.start.max(start);
                if segment.line().is_some() {
                    used += part;
                    if part > most {
                        (most, line) = (part, segment.line());
                    }
                }
            }
            Column { line, is_full: used >= (end - start).div_ceil(2) }
        })
        .collect()
}

#[cfg(test)]
mod tests;
