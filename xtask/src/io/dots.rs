//! Requests a second against each rival: a row for each case, a dot for each rival.

use std::fmt::Write;

use super::contenders::OURS;
use super::ground::{Cache, Layout};
use super::report::{Figure, Quantity, find};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 240.0;
const RIGHT: f64 = 800.0;
const ROW: f64 = 17.0;

/// The axis: from and to how many times as many requests.
const LEAST: f64 = 0.5;
const MOST: f64 = 8.0;
const MARKS: [f64; 6] = [0.5, 1.0, 1.3, 2.0, 4.0, 8.0];

const COLOURS: [&str; 6] = ["#c1272d", "#e08e0b", "#0b5fa5", "#3aa0a0", "#7a4fa3", "#6b8e23"];

/// Rows under one heading: what we serve, and who else serves it, or else what we are compared with.
struct Group {
    layout: Layout,
    cache: Cache,
    against: Against,
}

enum Against {
    Rivals,
    /// Ourselves, on one line.
    OneLine,
}

/// The files and their text.
pub(super) fn drawings(figures: &[Figure], machine: &str) -> Vec<(&'static str, String)> {
    let group = |layout, cache, against| Group { layout, cache, against };
    let main = [group(Layout::Line, Cache::Pages, Against::Rivals)];
    let more = [
        group(Layout::Line, Cache::Direct, Against::Rivals),
        group(Layout::Files, Cache::Pages, Against::Rivals),
        group(Layout::Lines, Cache::Pages, Against::OneLine),
        group(Layout::Stripe, Cache::Pages, Against::OneLine),
    ];
    vec![
        ("nbd-requests.svg", drawing(figures, machine, &main)),
        ("nbd-requests-more.svg", drawing(figures, machine, &more)),
    ]
}

fn drawing(figures: &[Figure], machine: &str, groups: &[Group]) -> String {
    let (mut body, mut names, mut at) = (String::new(), Vec::new(), 110.0);
    for group in groups {
        rows(&mut body, &mut names, &mut at, figures, group);
    }
    let (mut axis, bottom) = (String::new(), at + 4.0);
    for mark in MARKS {
        let (x, wide) = (x(mark), if mark == 1.0 { 1.5 } else { 0.7 });
        let _ = writeln!(
            axis,
            "<path d=\"M{x:.1} 88V{bottom:.1}\" stroke=\"#bbbbbb\" stroke-width=\"{wide}\"/>\
             <text x=\"{x:.1}\" y=\"82\" text-anchor=\"middle\" fill=\"#666666\">{mark}x</text>"
        );
    }
    for (number, name) in names.iter().enumerate() {
        let (x, y) =
            (24.0 + 290.0 * (number % 3) as f64, bottom + 22.0 + 20.0 * (number / 3) as f64);
        let _ = writeln!(
            axis,
            "<circle cx=\"{x}\" cy=\"{:.1}\" r=\"5\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{y:.1}\" fill=\"#222222\">{name}</text>",
            y - 4.0,
            colour(number),
            x + 12.0
        );
    }
    let height = bottom + 40.0 + 20.0 * (names.len() / 3) as f64;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" fill=\"#222222\">How many times as many requests a \
         second dmctl serves as others (right is better)</text>\n\
         <text x=\"16\" y=\"46\" font-size=\"11\" fill=\"#666666\">fio's NBD clients on a unix socket; \
         {machine}</text>\n\
         <text x=\"892\" y=\"82\" text-anchor=\"end\" fill=\"#666666\">dmctl, k/s</text>\n\
         {axis}{body}</svg>\n"
    )
}

/// Draws the rows of a group, from `at` on.
fn rows(
    body: &mut String,
    names: &mut Vec<&'static str>,
    at: &mut f64,
    figures: &[Figure],
    group: &Group,
) {
    let ours = |figure: &&Figure| {
        let same = figure.layout == group.layout && figure.case.ends_with(group.cache.label());
        figure.name == OURS && figure.what == Quantity::Time && same
    };
    let mut heading = Some(match group.against {
        Against::Rivals => format!("{}, {}", group.layout.label(), group.cache.label()),
        Against::OneLine => format!("{} against one", group.layout.label()),
    });
    for ours in figures.iter().filter(ours) {
        if let Some(heading) = heading.take() {
            let _ = writeln!(
                body,
                "<text x=\"16\" y=\"{at:.1}\" font-weight=\"bold\" fill=\"#222222\">{heading}</text>"
            );
            *at += ROW;
        }
        let case = ours.case.rsplit_once(',').map_or("", |(case, _)| case);
        let _ = writeln!(
            body,
            "<text x=\"16\" y=\"{at:.1}\" fill=\"#444444\">{case}</text>\
             <text x=\"892\" y=\"{at:.1}\" text-anchor=\"end\" fill=\"#444444\">{:.1}</text>\
             <path d=\"M{LEFT} {:.1}H{RIGHT}\" stroke=\"#eeeeee\"/>",
            1e6 / ours.value,
            *at - 4.0
        );
        for (name, value) in others(figures, ours, group) {
            let number = names.iter().position(|other| *other == name).unwrap_or(names.len());
            if number == names.len() {
                names.push(name);
            }
            let _ = writeln!(
                body,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4.5\" fill=\"{}\" fill-opacity=\"0.85\"/>",
                x(value / ours.value),
                *at - 4.0,
                colour(number)
            );
        }
        *at += ROW;
    }
    *at += ROW * 0.6;
}

/// Who is compared in a row, and what a request took them.
fn others(figures: &[Figure], ours: &Figure, group: &Group) -> Vec<(&'static str, f64)> {
    match group.against {
        Against::Rivals => {
            let rivals = figures.iter().filter(|figure| !figure.ours && figure.is_rival(ours));
            rivals.map(|rival| (rival.name, rival.value)).collect()
        }
        Against::OneLine => {
            let like = Figure { layout: Layout::Line, ..ours.clone() };
            let one = find(figures, &like, OURS, Quantity::Time);
            one.map(|one| ("dmctl on one line", one.value)).into_iter().collect()
        }
    }
}

fn x(ratio: f64) -> f64 {
    let part = (ratio.clamp(LEAST, MOST) / LEAST).log2() / (MOST / LEAST).log2();
    LEFT + (RIGHT - LEFT) * part
}

fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}
