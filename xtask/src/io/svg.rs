//! Bars: requests a second and CPU time a request, of every server in the main cases.

use std::fmt::Write;

use super::report::{Figure, Quantity};

/// Each of these is a drawing: its file, its heading, and what it shows.
const DRAWINGS: &[(&str, &str, Quantity)] = &[
    ("nbd-requests.svg", "Thousand requests a second (more is better)", Quantity::Time),
    (
        "nbd-cpu.svg",
        "Microseconds of the server's CPU time a request (less is better)",
        Quantity::Cpu,
    ),
];

const WIDTH: f64 = 900.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 820.0;
const BAR: f64 = 18.0;

/// The files and their text.
pub(super) fn drawings(figures: &[Figure]) -> Vec<(&'static str, String)> {
    DRAWINGS.iter().map(|&(name, title, what)| (name, bars(title, what, figures))).collect()
}

fn bars(title: &str, what: Quantity, figures: &[Figure]) -> String {
    let shown = |figure: &&Figure| {
        let case = &figure.case;
        figure.what == what && case.contains(" 4K, depth 32, clients 1, page")
    };
    let shown: Vec<&Figure> = figures.iter().filter(shown).collect();
    let value = |figure: &Figure| match what {
        Quantity::Time => 1e6 / figure.value,
        _ => figure.value / 1e3,
    };
    let most = shown.iter().map(|figure| value(figure)).fold(1e-9, f64::max);
    let (mut body, mut at) = (String::new(), 50.0);
    let mut last = None;
    for figure in shown {
        let group = (figure.layout, &figure.case);
        if last.replace(group) != Some(group) {
            at += 28.0;
            let pattern = figure.case.split(',').next().unwrap_or_default();
            let _ = writeln!(
                body,
                "<text x=\"16\" y=\"{:.1}\" font-weight=\"bold\" fill=\"#222222\">{pattern}, {}</text>",
                at - 6.0,
                figure.layout.label()
            );
        }
        let (length, middle) = ((RIGHT - LEFT) * value(figure) / most, at + BAR * 0.7);
        let colour = if figure.ours { "#0b5fa5" } else { "#b8b8b8" };
        let _ = writeln!(
            body,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\" fill=\"#444444\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{at:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{middle:.1}\" fill=\"#222222\">{:.1}</text>",
            LEFT - 8.0,
            figure.name,
            BAR - 3.0,
            LEFT + length + 6.0,
            value(figure)
        );
        at += BAR;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" fill=\"#222222\">{title}</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#666666\">NBD on a unix socket, 4 KiB, depth 32, \
         one connection, data in the page cache</text>\n{body}</svg>\n",
        at + 20.0
    )
}
