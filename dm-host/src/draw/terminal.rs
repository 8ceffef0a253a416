//! The picture for a terminal.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};
use dm_core::Sectors;

use super::bar::{columns, widths};
use super::palette::of_line;
use super::segments::{Segment, of_device, of_table};
use super::{Kind, Layout, LineLayout, Size};

/// How many devices are drawn, and how many lines are listed, at most.
const DEVICES: usize = 16;
const LISTED: usize = 16;

/// Draws a table into at most `width` columns, with colours.
///
/// Lines have numbers, devices letters, so that it reads without the colours too. A table of more
/// lines than fit is drawn in tenths: a digit says which tenth of the lines lies there.
pub fn terminal(layout: &Layout, title: &str, width: usize, out: &mut dyn Write) -> fmt::Result {
    let width = width.clamp(24, 160);
    let (lines, devices) = (layout.lines.len(), layout.devices.len());
    writeln!(
        out,
        "{BOLD}{title}{BOLD:#}: {}, {} sectors in {} on {}",
        Size(layout.size),
        layout.size,
        count(lines, "line"),
        count(devices, "device"),
    )?;
    let segments = of_table(layout);
    Bar { layout, segments, is_table: true }.draw(width, out)?;
    for (n, device) in layout.devices.iter().enumerate().take(DEVICES) {
        let segments = of_device(layout, n);
        let used: u64 =
            segments.iter().filter(|segment| segment.line().is_some()).map(Segment::length).sum();
        write!(out, "\n{BOLD}{}{BOLD:#}  {}", letter(n), device.name)?;
        match device.size {
            Some(size) => writeln!(out, ": {}, {size} sectors, {used} in use", Size(size))?,
            None => writeln!(out, ": {used} sectors in use")?,
        }
        Bar { layout, segments, is_table: false }.draw(width, out)?;
    }
    if devices > DEVICES {
        writeln!(out, "\nand {} more devices", devices - DEVICES)?;
    }
    list(layout, width, out)
}

const BOLD: Style = Style::new().bold();

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// What a device is called in the picture: A, B, ... Z, AA, AB, ...
pub(super) fn letter(device: usize) -> String {
    let last = char::from(b'A' + (device % 26) as u8);
    match device / 26 {
        0 => last.to_string(),
        before => letter(before - 1) + &last.to_string(),
    }
}

/// Where a line's sectors go, as far as there is room: `A` for all, `AABBAABB` for stripes.
fn pattern(layout: &Layout, segment: &Segment) -> Vec<String> {
    let line = &layout.lines[segment.line().unwrap_or(0)];
    match line.kind {
        Kind::Zeros => vec!["zeros".into()],
        Kind::Failing => vec!["errors".into()],
        Kind::Stored if line.pieces.is_empty() => vec![together(line)],
        Kind::Stored => line
            .pieces
            .iter()
            .map(|piece| piece.device.map_or_else(|| "-".into(), letter))
            .collect(),
    }
}

/// The letters of the devices that all of a line lies on.
pub(super) fn together(line: &LineLayout) -> String {
    let letters: Vec<String> = line.devices().into_iter().map(letter).collect();
    letters.join("+")
}

/// One device as a bar of two rows, framed, with sector numbers below.
struct Bar<'l> {
    layout: &'l Layout,
    segments: Vec<Segment>,
    /// Whether it is the mapped device, and not one underneath.
    is_table: bool,
}

impl Bar<'_> {
    fn draw(&self, width: usize, out: &mut dyn Write) -> fmt::Result {
        let inner = width - 2;
        // A border and three characters, at the least.
        match widths(&self.segments, inner + 1, 4) {
            Some(widths) => self.draw_segments(&widths, out),
            None => self.draw_columns(inner, out),
        }
    }

    fn draw_segments(&self, widths: &[usize], out: &mut dyn Write) -> fmt::Result {
        let rule = |out: &mut dyn Write, [left, between, right]: [char; 3]| {
            for (n, width) in widths.iter().enumerate() {
                let corner = if n == 0 { left } else { between };
                write!(out, "{corner}{:─<1$}", "", width - 1)?;
            }
            writeln!(out, "{right}")
        };
        rule(out, ['┌', '┬', '┐'])?;
        for row in 0..2 {
            for (segment, width) in self.segments.iter().zip(widths) {
                let text = match row {
                    0 => self.label(segment, width - 1),
                    _ if self.is_table => spread(&pattern(self.layout, segment), width - 1),
                    _ => size(segment, width - 1),
                };
                let style = self.style(segment);
                write!(out, "│{style}{text:<0$}{style:#}", width - 1)?;
            }
            out.write_str("│\n")?;
        }
        rule(out, ['└', '┴', '┘'])?;
        let mut ticks = Ticks::default();
        let mut at = 0;
        for (segment, width) in self.segments.iter().zip(widths) {
            ticks.add(at, segment.start);
            at += width;
        }
        ticks.end(at, self.segments.last().map_or(0, |last| last.end));
        writeln!(out, "{DIM}{}{DIM:#}", ticks.row)
    }

    /// What stands in the first row of a segment: its line's number, and what fits of the type.
    fn label(&self, segment: &Segment, room: usize) -> String {
        let Some(line) = segment.line() else {
            return String::new();
        };
        let numbers: Vec<String> = segment.lines.iter().map(|n| (n + 1).to_string()).collect();
        let target = self.layout.lines[line].target;
        let long = format!("{} {target}", numbers.join("+"));
        let fits = |text: &str| text.chars().count() <= room;
        if segment.lines.len() == 1 && self.is_table && fits(&long) {
            long
        } else if fits(&numbers.join("+")) {
            numbers.join("+")
        } else {
            "…".into()
        }
    }

    fn style(&self, segment: &Segment) -> Style {
        segment.line().map_or(Style::new(), |n| self.ink(n))
    }

    fn ink(&self, line: usize) -> Style {
        Style::new()
            .bg_color(Some(of_line(line, self.layout.lines.len()).ansi().into()))
            .fg_color(Some(AnsiColor::Black.into()))
    }

    fn draw_columns(&self, inner: usize, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "┌{:─<1$}┐", "", inner)?;
        out.write_char('│')?;
        for column in columns(&self.segments, inner) {
            match column.line {
                None => out.write_char(' ')?,
                Some(line) => {
                    let ink = self.ink(line);
                    let tenth = line * 10 / self.layout.lines.len();
                    if column.is_full {
                        write!(out, "{ink}{tenth}{ink:#}")?;
                    } else {
                        write!(out, "{tenth}")?;
                    }
                }
            }
        }
        writeln!(out, "│\n└{:─<1$}┘", "", inner)?;
        let mut ticks = Ticks::default();
        ticks.add(0, 0);
        if self.is_table {
            ticks.row += "   each digit is a tenth of the lines";
        }
        ticks.end(inner + 1, self.segments.last().map_or(0, |last| last.end));
        writeln!(out, "{DIM}{}{DIM:#}", ticks.row)
    }
}

const DIM: Style = Style::new().dimmed();

/// How long a segment in use is, if that fits.
fn size(segment: &Segment, room: usize) -> String {
    let what = if segment.line().is_none() { " free" } else { "" };
    let size = format!("{}{what}", Size(Sectors::new(segment.length())));
    if size.len() <= room { size } else { String::new() }
}

/// Makes `pieces` fill `room`, each as long as the others while they all fit.
fn spread(pieces: &[String], room: usize) -> String {
    let each = match pieces.len() {
        0 | 1 => 1,
        n => (room / n).clamp(1, 2),
    };
    let text: String = match pieces {
        [one] => one.clone(),
        _ => pieces.iter().map(|piece| piece.repeat(each)).collect(),
    };
    text.chars().take(room).collect()
}

/// The numbers below a bar, as many as fit.
#[derive(Default)]
struct Ticks {
    row: String,
}

impl Ticks {
    fn add(&mut self, at: usize, sector: u64) {
        let free_from = self.row.len() + usize::from(!self.row.is_empty());
        if at >= free_from {
            self.row += &" ".repeat(at - self.row.len());
            self.row += &sector.to_string();
        }
    }

    /// The last number ends where the bar does, at the cost of those before it.
    fn end(&mut self, at: usize, sector: u64) {
        let number = sector.to_string();
        let start = (at + 1).saturating_sub(number.len());
        while self.row.len() + 1 > start && self.row.trim_end().contains(' ') {
            let kept = self.row.trim_end().rfind(' ').map_or(0, |space| space + 1);
            self.row.truncate(kept);
            self.row.truncate(self.row.trim_end().len());
        }
        if self.row.len() < start {
            self.row += &" ".repeat(start - self.row.len());
            self.row += &number;
        }
    }
}

/// The lines themselves, or the first and the last of them.
fn list(layout: &Layout, width: usize, out: &mut dyn Write) -> fmt::Result {
    let total = layout.lines.len();
    let digits = total.to_string().len();
    let is_left_out = |n: usize| total > LISTED && (LISTED - 4..total - 3).contains(&n);
    out.write_char('\n')?;
    for (n, line) in layout.lines.iter().enumerate() {
        if is_left_out(n) {
            if !is_left_out(n.wrapping_sub(1)) {
                writeln!(out, "{:>digits$}  {} more", "…", total - LISTED + 1)?;
            }
            continue;
        }
        let ink = Style::new().bg_color(Some(of_line(n, total).ansi().into()));
        let ink = ink.fg_color(Some(AnsiColor::Black.into()));
        let text =
            format!("{} {} {} {}", line.range.start(), line.range.length(), line.target, line.args);
        let room = width.saturating_sub(digits + 2);
        let text = text.trim_end();
        if text.chars().count() > room {
            let cut: String = text.chars().take(room.saturating_sub(1)).collect();
            writeln!(out, "{ink}{:>digits$}{ink:#}  {cut}…", n + 1)?;
        } else {
            writeln!(out, "{ink}{:>digits$}{ink:#}  {text}", n + 1)?;
        }
    }
    Ok(())
}
