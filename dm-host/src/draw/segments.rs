//! The parts of a device between which something changes.

use std::collections::BTreeSet;

use super::Layout;

/// Sectors of a device that the same lines use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The lines that use them, the first few; none if they are free.
    pub(super) lines: Vec<usize>,
}

/// How many lines of a segment are named.
const NAMED: usize = 3;

impl Segment {
    pub(super) fn length(&self) -> u64 {
        self.end - self.start
    }

    pub(super) fn line(&self) -> Option<usize> {
        self.lines.first().copied()
    }
}

/// The lines of the mapped device itself.
pub(super) fn of_table(layout: &Layout) -> Vec<Segment> {
    let lines = layout.lines.iter().enumerate();
    let segments = lines.map(|(n, line)| Segment {
        start: line.range.start().get(),
        end: line.range.end().get(),
        lines: vec![n],
    });
    segments.collect()
}

/// A device underneath, its free parts among the segments.
pub(super) fn of_device(layout: &Layout, device: usize) -> Vec<Segment> {
    let mut edges: Vec<(u64, bool, usize)> = Vec::new();
    for (n, line) in layout.lines.iter().enumerate() {
        for extent in line.extents.iter().filter(|extent| extent.device == device) {
            edges.push((extent.start, true, n));
            edges.push((extent.end, false, n));
        }
    }
    edges.sort_unstable();
    let mut segments: Vec<Segment> = Vec::new();
    let mut active = BTreeSet::new();
    let mut at = 0;
    let mut add = |start: u64, end: u64, active: &BTreeSet<usize>| {
        if start == end {
            return;
        }
        let lines: Vec<usize> = active.iter().take(NAMED).copied().collect();
        match segments.last_mut() {
            Some(last) if last.lines == lines => last.end = end,
            _ => segments.push(Segment { start, end, lines }),
        }
    };
    for (edge, starts, line) in edges {
        add(at, edge, &active);
        at = edge;
        if starts {
            active.insert(line);
        } else {
            active.remove(&line);
        }
    }
    let shown = layout.devices[device].shown();
    if shown > at {
        add(at, shown, &active);
    }
    segments
}

#[cfg(test)]
mod tests;
