//! What was measured: rows, as a table to read and as JSON.

use std::fmt::Write;

/// What somebody took in a case, at one size.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The case: `random`, `dependent`, `sequential`, `trace ...`.
    pub case: String,
    /// How many targets the table has.
    pub targets: usize,
    /// Whose time it is.
    pub name: String,
    /// Whether that is one of ours.
    pub ours: bool,
    /// Nanoseconds a query.
    pub ns: f64,
}

/// Who everybody's ratio in the table is against.
pub const YARDSTICK: &str = "Linux model, C";

/// A case as a table: a row for each name, `ns (ratio)` for each size.
pub fn table(case: &str, figures: &[Figure]) -> String {
    let figures: Vec<&Figure> = figures.iter().filter(|f| f.case == case).collect();
    let mut sizes: Vec<usize> = figures.iter().map(|f| f.targets).collect();
    sizes.dedup();
    let mut names: Vec<&str> = Vec::new();
    for figure in &figures {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    let find = |name: &str, size| figures.iter().find(|f| f.name == name && f.targets == size);
    let mut text = format!("{case}: ns a query (times as fast as: {YARDSTICK})\n{:24}", "targets");
    for size in &sizes {
        let _ = write!(text, "{size:>15}");
    }
    for name in names {
        let _ = write!(text, "\n{name:24}");
        for size in &sizes {
            match (find(name, *size), find(YARDSTICK, *size)) {
                (Some(figure), Some(yard)) => {
                    let _ = write!(text, "{:7.1} ({:5.2})", figure.ns, yard.ns / figure.ns);
                }
                _ => text.push_str(&" ".repeat(15)),
            }
        }
    }
    text + "\n"
}

/// Each of ours against each peer, in the same case at the same size, as a JSON array.
pub fn json(figures: &[Figure]) -> String {
    let mut rows = Vec::new();
    for ours in figures.iter().filter(|f| f.ours) {
        let same = |f: &&Figure| !f.ours && f.case == ours.case && f.targets == ours.targets;
        for peer in figures.iter().filter(same) {
            rows.push(format!(
                "  {{\"case\": {:?}, \"targets\": {}, \"ours\": {:?}, \"ours_ns\": {:.3}, \
                 \"peer\": {:?}, \"peer_ns\": {:.3}, \"ratio\": {:.3}}}",
                ours.case,
                ours.targets,
                ours.name,
                ours.ns,
                peer.name,
                peer.ns,
                peer.ns / ours.ns
            ));
        }
    }
    format!("[\n{}\n]\n", rows.join(",\n"))
}

#[cfg(test)]
mod tests;
