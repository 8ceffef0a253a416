//! Curves: nanoseconds a query over the size of the table, both logarithmic.

use std::fmt::Write;

use crate::report::Figure;

/// The names that are drawn, with their colours; ours are thick.
const CURVES: &[(&str, &str)] = &[
    ("Index AVX-512", "#0b5fa5"),
    ("Index AVX-512, batch", "#3a9bd9"),
    ("Index AVX2", "#1b8a5a"),
    ("Index scalar", "#6a51a3"),
    ("partition_point", "#c98500"),
    ("ordsearch", "#8a6d3b"),
    ("brie-tree", "#b05a7a"),
    ("Linux model, C", "#c0392b"),
    ("BTreeMap::range", "#777777"),
    ("rangemap", "#aaaaaa"),
];

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
/// Left, right, top and bottom of the plot.
const PLOT: (f64, f64, f64, f64) = (64.0, 700.0, 48.0, 468.0);

/// A drawing of one case.
pub fn curves(case: &str, title: &str, figures: &[Figure]) -> String {
    let figures: Vec<&Figure> = figures.iter().filter(|f| f.case == case).collect();
    let biggest = figures.iter().map(|f| f.targets).max().unwrap_or(10) as f64;
    let (low, high) = (0.2_f64, 1000.0_f64);
    let (left, right, top, bottom) = PLOT;
    let x = |targets: f64| left + (right - left) * targets.log10() / biggest.max(10.0).log10();
    let y = |ns: f64| bottom - (bottom - top) * (ns / low).ln() / (high / low).ln();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{left}\" y=\"26\" font-size=\"16\" fill=\"#222222\">{title}</text>\n"
    );
    for ns in [1.0, 10.0, 100.0, 1000.0] {
        let at = y(ns);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555555\">{ns} ns</text>",
            left - 6.0,
            at + 4.0
        );
    }
    let mut targets = 1.0;
    while targets <= biggest {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{}</text>",
            x(targets),
            bottom + 20.0,
            thousands(targets as u64)
        );
        targets *= 10.0;
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">targets in the table</text>",
        (left + right) / 2.0,
        bottom + 42.0
    );
    let mut labels: Vec<(f64, &str, &str)> = Vec::new();
    for (name, colour) in CURVES {
        let points: Vec<(f64, f64)> = figures
            .iter()
            .filter(|f| f.name == *name)
            .map(|f| (x(f.targets as f64), y(f.ns)))
            .collect();
        let Some(end) = points.last() else { continue };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let thick = if name.starts_with("Index") { 3.0 } else { 1.5 };
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thick}\"/>",
            path.join(" ")
        );
        labels.push((end.1, name, colour));
    }
    // The names stand at the ends of their curves, moved down where they would overlap.
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = top;
    for (at, name, colour) in labels {
        let at = at.max(free);
        free = at + 16.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            right + 8.0,
            at + 4.0
        );
    }
    svg + "</svg>\n"
}

fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}
