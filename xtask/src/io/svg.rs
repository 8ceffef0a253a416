//! Bars: the CPU time a request, of every server in the main cases.

use std::fmt::Write;

use super::report::{Figure, Quantity};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 820.0;
const BAR: f64 = 18.0;

/// The files and their text.
pub(super) fn drawings(figures: &[Figure], machine: &str) -> Vec<(&'static str, String)> {
    vec![("nbd-cpu.svg", bars(figures, machine))]
}

fn bars(figures: &[Figure], machine: &str) -> String {
    let shown = |figure: &&Figure| {
        let case = &figure.case;
        figure.what == Quantity::Cpu && case.contains(" 4K, depth 32, clients 1, page")
    };
    let shown: Vec<&Figure> = figures.iter().filter(shown).collect();
    let value = |figure: &Figure| figure.value / 1e3;
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
         <text x=\"16\" y=\"26\" font-size=\"16\" fill=\"#222222\">Microseconds of \
         the server's CPU time a request (less is better)</text>\n\
         <text x=\"16\" y=\"46\" font-size=\"11\" fill=\"#666666\">One of fio's NBD clients on a unix \
         socket, 4 KiB, depth 32, in the page cache; {machine}</text>\n{body}</svg>\n",
        at + 20.0
    )
}
