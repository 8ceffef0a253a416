//! What was measured: medians, as a table to read and as JSON.

use std::fmt::Write;

use super::ground::Layout;

/// What somebody took in a case.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) case: String,
    pub(super) layout: Layout,
    /// Whose it is.
    pub(super) name: &'static str,
    /// Whether that is us.
    pub(super) ours: bool,
    pub(super) what: Quantity,
    pub(super) value: f64,
}

/// What is measured; the less, the better, but for the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quantity {
    /// Nanoseconds a request.
    Time,
    /// Nanoseconds of the server's CPU time a request.
    Cpu,
    /// Nanoseconds from the server's start to its first answer.
    FirstByte,
    /// Bytes, at most.
    Memory,
    /// How many CPUs the server kept busy. Below one it waited for the client.
    Busy,
}

impl Figure {
    fn is_like(&self, other: &Figure) -> bool {
        self.is_rival(other) && self.name == other.name
    }

    /// Whether both are the same quantity of the same case.
    pub(super) fn is_rival(&self, other: &Figure) -> bool {
        self.case == other.case && self.layout == other.layout && self.what == other.what
    }

    /// The case, with what is counted in it.
    fn title(&self) -> String {
        let what = match self.what {
            Quantity::Time => "",
            Quantity::Cpu => ", CPU of the server",
            Quantity::FirstByte => ", start to first byte",
            Quantity::Memory => ", peak memory in bytes",
            Quantity::Busy => ", CPUs of the server in use",
        };
        format!("nbd: {}, {}{what}", self.layout.label(), self.case)
    }
}

/// One figure for all rounds.
pub(super) fn medians(figures: Vec<Figure>) -> Vec<Figure> {
    let mut medians: Vec<Figure> = Vec::new();
    for figure in &figures {
        if medians.iter().any(|other| other.is_like(figure)) {
            continue;
        }
        let same = figures.iter().filter(|other| other.is_like(figure));
        let mut values: Vec<f64> = same.map(|figure| figure.value).collect();
        values.sort_by(f64::total_cmp);
        medians.push(Figure { value: values[values.len() / 2], ..figure.clone() });
    }
    medians
}

/// The figures of a quantity, each with those of the others in its case.
pub(super) fn find<'f>(
    figures: &'f [Figure],
    like: &Figure,
    name: &str,
    what: Quantity,
) -> Option<&'f Figure> {
    let like = Figure { what, ..like.clone() };
    figures.iter().find(|figure| figure.is_rival(&like) && figure.name == name)
}

/// A line for each server in each case.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for time in figures.iter().filter(|figure| figure.what == Quantity::Time) {
        let title = time.title();
        if title != last {
            let _ = writeln!(text, "{title}");
            last = title;
        }
        let value = |what| find(figures, time, time.name, what).map_or(0.0, |figure| figure.value);
        let _ = writeln!(
            text,
            "  {:28}{:9.1} k requests/s{:8.2} us CPU a request{:6.2} CPUs busy",
            time.name,
            1e6 / time.value,
            value(Quantity::Cpu) / 1e3,
            value(Quantity::Busy)
        );
    }
    for figure in figures {
        let value = match figure.what {
            Quantity::FirstByte => format!("{:.1} ms", figure.value / 1e6),
            Quantity::Memory => format!("{:.1} MB", figure.value / 1e6),
            _ => continue,
        };
        let _ = writeln!(text, "{}: {}: {value}", figure.title(), figure.name);
    }
    text
}

/// Each of ours against each peer in the same case, as a JSON array.
pub(super) fn json(figures: &[Figure]) -> String {
    let mut rows = Vec::new();
    for ours in figures.iter().filter(|figure| figure.ours) {
        for peer in figures.iter().filter(|figure| !figure.ours && figure.is_rival(ours)) {
            rows.push(format!(
                "  {{\"case\": {:?}, \"targets\": {}, \"ours\": {:?}, \"ours_ns\": {:.3}, \
                 \"peer\": {:?}, \"peer_ns\": {:.3}, \"ratio\": {:.3}}}",
                ours.title(),
                ours.layout.targets(),
                ours.name,
                ours.value,
                peer.name,
                peer.value,
                peer.value / ours.value
            ));
        }
    }
    format!("[\n{}\n]\n", rows.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &'static str, what: Quantity, value: f64) -> Figure {
        let (case, layout) = ("reads".to_owned(), Layout::Line);
        Figure { case, layout, name, ours: name == "ours", what, value }
    }

    #[test]
    fn the_median_of_each_counts() {
        let rounds = [3.0, 1.0, 2.0].map(|ns| figure("ours", Quantity::Time, ns));
        let others = [figure("peer", Quantity::Time, 4.0), figure("ours", Quantity::Cpu, 9.0)];
        let medians = medians([rounds.to_vec(), others.to_vec()].concat());
        let values: Vec<f64> = medians.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [2.0, 4.0, 9.0]);
        let json = json(&medians);
        assert_eq!(json.matches("\"ratio\": 2.000").count(), 1, "{json}");
        assert_eq!(json.matches("peer_ns").count(), 1, "{json}");
    }
}
