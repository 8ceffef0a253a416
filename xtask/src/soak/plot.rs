//! What the daemon held all the while, drawn.

use std::fmt::Write;

use super::sample::Sample;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 880.0;
const HEIGHT: f64 = 120.0;
type Value = fn(&Sample) -> f64;
const STRIPS: &[(&str, Value)] = &[
    ("MB resident", |sample| sample.kilobytes as f64 / 1e3),
    ("descriptors", |sample| sample.descriptors as f64),
    ("threads", |sample| sample.threads as f64),
];

/// Three strips over the same seconds, each from zero on.
pub(super) fn draw(samples: &[Sample]) -> String {
    let seconds = samples.last().map_or(1.0, |last| last.at.as_secs_f64());
    let mut body = String::new();
    for (n, (what, value)) in STRIPS.iter().enumerate() {
        let bottom = (n as f64 + 1.0) * (HEIGHT + 30.0) + 30.0;
        let most = samples.iter().map(value).fold(1e-9, f64::max);
        let mut points = String::new();
        for sample in samples {
            let x = LEFT + (RIGHT - LEFT) * sample.at.as_secs_f64() / seconds;
            let _ = write!(points, "{x:.1},{:.1} ", bottom - HEIGHT * value(sample) / most);
        }
        let _ = writeln!(
            body,
            "<path d=\"M{LEFT} {top:.1}V{bottom:.1}H{RIGHT}\" fill=\"none\" stroke=\"#b8b8b8\"/>\
             <text x=\"{x:.1}\" y=\"{top:.1}\" text-anchor=\"end\" fill=\"#444444\">{most:.0}</text>\
             <text x=\"{x:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\" fill=\"#444444\">0</text>\
             <text x=\"16\" y=\"{middle:.1}\" fill=\"#222222\">{what}</text>\
             <polyline points=\"{points}\" fill=\"none\" stroke=\"#0b5fa5\"/>",
            top = bottom - HEIGHT,
            middle = bottom - HEIGHT / 2.0,
            x = LEFT - 6.0,
        );
    }
    let height = STRIPS.len() as f64 * (HEIGHT + 30.0) + 50.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" fill=\"#222222\">The daemon under \
         everything at once, {seconds:.0} s</text>\n{body}</svg>\n"
    )
}
