//! The picture as SVG: the table on top, its devices below, and bands from each line to where it
//! lies.

use std::fmt::{self, Write};

use super::bar::{columns, widths};
use super::palette::{FREE, Rgb, of_line};
use super::segments::{Segment, of_device, of_table};
use super::terminal::letter;
use super::{Kind, Layout, Size};

const WIDTH: usize = 960;
const MARGIN: usize = 32;
const INNER: usize = WIDTH - 2 * MARGIN;
const BAR: usize = 44;
const TABLE_Y: usize = 76;
const DEVICES_Y: usize = 164;
const DEVICES_BELOW_BANDS_Y: usize = 236;
/// Devices in a row, and rows, at the most.
const ROW: usize = 6;
const ROWS: usize = 4;
const ROW_HEIGHT: usize = 112;
const GAP: usize = 20;
const LISTED: usize = 16;
/// More bands than these say nothing.
const BANDS: usize = 96;

/// Draws a table as an SVG document.
pub fn svg(layout: &Layout, title: &str, out: &mut dyn Write) -> fmt::Result {
    let shown = layout.devices.len().min(ROW * ROWS);
    let rows = shown.div_ceil(ROW).max(usize::from(shown > 0));
    let table = Bar::new(layout, of_table(layout), MARGIN, TABLE_Y, INNER);
    let devices: Vec<Vec<Segment>> = (0..shown).map(|n| of_device(layout, n)).collect();
    let segments: usize = devices.iter().map(Vec::len).sum();
    let has_bands = rows == 1 && table.boxes.is_some() && segments <= BANDS;
    let devices_y = if has_bands { DEVICES_BELOW_BANDS_Y } else { DEVICES_Y };
    let list_y = devices_y + rows * ROW_HEIGHT + 8;
    let listed = layout.lines.len().min(LISTED);
    let height = list_y + listed * 20 + MARGIN;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"DejaVu Sans, Verdana, sans-serif\" \
         font-size=\"12\" fill=\"#24292f\">"
    )?;
    writeln!(out, "<title>{}</title>", Escaped(title))?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>")?;
    let heading = Text { x: MARGIN, y: 36, size: 18, anchor: "start", fill: "#24292f" };
    heading.write(out, title)?;
    let about = format!(
        "{}, {} sectors, {} line{}",
        Size(layout.size),
        layout.size,
        layout.lines.len(),
        if layout.lines.len() == 1 { "" } else { "s" }
    );
    let faint = Text { x: MARGIN, y: 58, size: 12, anchor: "start", fill: FAINT };
    faint.write(out, &about)?;

    let places = place_devices(layout, shown, devices_y).into_iter().zip(devices);
    let bars: Vec<Bar<'_>> =
        places.map(|((x, y, width), segments)| Bar::new(layout, segments, x, y, width)).collect();
    if has_bands {
        bands(layout, &table, &bars, out)?;
    }
    table.draw(out)?;
    table.stripes(out)?;
    for (n, bar) in bars.iter().enumerate() {
        bar.draw(out)?;
        let device = &layout.devices[n];
        let below =
            Text { x: bar.x, y: bar.y + BAR + 32, size: 12, anchor: "start", fill: "#24292f" };
        let name = format!("{}\u{a0}\u{a0}{}", letter(n), device.name);
        below.write(out, &shortened(&name, bar.width / 7))?;
        let size = device.size.map_or("size unknown".into(), |size| Size(size).to_string());
        Text { y: below.y + 16, fill: FAINT, ..below }.write(out, &size)?;
    }
    list(layout, list_y, out)?;
    out.write_str("</svg>\n")
}

const FAINT: &str = "#6e7781";

/// Where each device goes: x, y, width.
fn place_devices(layout: &Layout, shown: usize, y: usize) -> Vec<(usize, usize, usize)> {
    let mut places = Vec::new();
    for row in 0..shown.div_ceil(ROW) {
        let devices = row * ROW..(row * ROW + ROW).min(shown);
        let as_segments: Vec<Segment> = devices
            .clone()
            .map(|n| Segment { start: 0, end: layout.devices[n].shown(), lines: vec![] })
            .collect();
        let room = INNER + GAP - GAP * devices.len();
        let widths = widths(&as_segments, room, room / devices.len() * 2 / 3).unwrap_or_default();
        let mut x = MARGIN;
        for width in widths {
            places.push((x, y + row * ROW_HEIGHT, width));
            x += width + GAP;
        }
    }
    places
}

/// One device, drawn from `x` to `x + width`.
struct Bar<'l> {
    layout: &'l Layout,
    segments: Vec<Segment>,
    /// Where each segment begins, and how wide it is; `None` if they are too many.
    boxes: Option<Vec<(usize, usize)>>,
    x: usize,
    y: usize,
    width: usize,
}

impl<'l> Bar<'l> {
    fn new(layout: &'l Layout, segments: Vec<Segment>, x: usize, y: usize, width: usize) -> Self {
        let least = if segments.len() > 24 { 2 } else { 14 };
        let boxes = widths(&segments, width, least.min(width / segments.len().max(1)).max(2));
        let boxes = boxes.map(|widths| {
            let mut at = x;
            let place = |width| {
                at += width;
                (at - width, width)
            };
            widths.into_iter().map(place).collect()
        });
        Bar { layout, segments, boxes, x, y, width }
    }

    fn draw(&self, out: &mut dyn Write) -> fmt::Result {
        let Bar { x, y, width, .. } = *self;
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" fill=\"{FREE}\"/>"
        )?;
        match &self.boxes {
            Some(boxes) => self.draw_boxes(boxes, out)?,
            None => self.draw_columns(out)?,
        }
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" fill=\"none\" stroke=\"#57606a\"/>"
        )
    }

    fn draw_boxes(&self, boxes: &[(usize, usize)], out: &mut dyn Write) -> fmt::Result {
        let tick_y = self.y + BAR + 14;
        let end = self.segments.last().map_or(0, |last| last.end).to_string();
        let last_x = self.x + self.width;
        let limit = last_x.saturating_sub(end.len() * 7 + 8);
        let mut free_from = self.x;
        for (segment, &(x, width)) in self.segments.iter().zip(boxes) {
            if let Some(line) = segment.line() {
                let fill = self.colour(line);
                writeln!(
                    out,
                    "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{BAR}\" fill=\"{fill}\" \
                     stroke=\"#ffffff\" stroke-width=\"{}\"/>",
                    self.y,
                    if self.segments.len() > 24 { "0" } else { "1" }
                )?;
                let numbers: Vec<String> =
                    segment.lines.iter().map(|n| (n + 1).to_string()).collect();
                let label = numbers.join("+");
                if label.len() * 8 <= width {
                    let (x, y) = (x + width / 2, self.y + BAR / 2 + 4);
                    Text { x, y, size: 12, anchor: "middle", fill: "#24292f" }
                        .write(out, &label)?;
                }
            }
            let tick = segment.start.to_string();
            if x >= free_from && x + tick.len() * 7 <= limit {
                let text = Text { x, y: tick_y, size: 10, anchor: "start", fill: FAINT };
                text.write(out, &tick)?;
                free_from = x + tick.len() * 7 + 8;
            }
        }
        Text { x: last_x, y: tick_y, size: 10, anchor: "end", fill: FAINT }.write(out, &end)
    }

    fn draw_columns(&self, out: &mut dyn Write) -> fmt::Result {
        let columns = columns(&self.segments, self.width);
        for (n, column) in columns.iter().enumerate() {
            let Some(line) = column.line else { continue };
            writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"1\" height=\"{BAR}\" fill=\"{}\" opacity=\"{}\"/>",
                self.x + n,
                self.y,
                self.colour(line),
                if column.is_full { "1" } else { "0.5" },
            )?;
        }
        let end = self.segments.last().map_or(0, |last| last.end).to_string();
        let (x, y) = (self.x, self.y + BAR + 14);
        Text { x, y, size: 10, anchor: "start", fill: FAINT }.write(out, "0")?;
        Text { x: x + self.width, y, size: 10, anchor: "end", fill: FAINT }.write(out, &end)
    }

    /// Shows how lines deal out their sectors: a row of pieces, with the letters of devices.
    fn stripes(&self, out: &mut dyn Write) -> fmt::Result {
        let Some(boxes) = &self.boxes else { return Ok(()) };
        for (segment, &(x, width)) in self.segments.iter().zip(boxes) {
            let line = &self.layout.lines[segment.line().unwrap_or(0)];
            let (y, height) = (self.y + BAR - 14, 14);
            if line.kind != Kind::Stored {
                let what = if line.kind == Kind::Zeros { "zeros" } else { "errors" };
                if width > 48 {
                    let (x, y) = (x + width / 2, y + 10);
                    Text { x, y, size: 10, anchor: "middle", fill: FAINT }.write(out, what)?;
                }
                continue;
            }
            let shown = line.pieces.len().min(width / 16);
            for (n, piece) in line.pieces.iter().take(shown).enumerate() {
                let Some(device) = piece.device else { continue };
                let (from, until) = (x + width * n / shown, x + width * (n + 1) / shown);
                let shade = 0.05 + 0.12 * (device % 3) as f64;
                writeln!(
                    out,
                    "<rect x=\"{from}\" y=\"{y}\" width=\"{}\" height=\"{height}\" fill=\"#000000\" \
                     fill-opacity=\"{shade:.2}\"/>",
                    until - from
                )?;
                let (x, y) = ((from + until) / 2, y + 11);
                Text { x, y, size: 10, anchor: "middle", fill: "#24292f" }
                    .write(out, &letter(device))?;
            }
        }
        Ok(())
    }

    fn colour(&self, line: usize) -> Rgb {
        of_line(line, self.layout.lines.len())
    }
}

/// A band from each line to each place where it lies.
fn bands(
    layout: &Layout,
    table: &Bar<'_>,
    devices: &[Bar<'_>],
    out: &mut dyn Write,
) -> fmt::Result {
    let Some(from) = &table.boxes else { return Ok(()) };
    for bar in devices {
        let Some(boxes) = &bar.boxes else { continue };
        for (segment, &(x, width)) in bar.segments.iter().zip(boxes) {
            for &line in &segment.lines {
                let (from_x, from_width) = from[line];
                let (top, bottom) = (table.y + BAR, bar.y);
                let middle = (top + bottom) / 2;
                writeln!(
                    out,
                    "<path d=\"M{from_x} {top}C{from_x} {middle} {x} {middle} {x} {bottom}H{}\
                     C{1} {middle} {0} {middle} {0} {top}Z\" fill=\"{2}\" fill-opacity=\"0.35\"/>",
                    x + width,
                    from_x + from_width,
                    of_line(line, layout.lines.len()),
                )?;
            }
        }
    }
    Ok(())
}

/// The lines themselves, or the first and the last of them.
fn list(layout: &Layout, y: usize, out: &mut dyn Write) -> fmt::Result {
    let total = layout.lines.len();
    let numbers = MARGIN + 22 + 8 * total.to_string().len();
    let mut rows: Vec<Option<usize>> = (0..total).map(Some).collect();
    if total > LISTED {
        rows.splice(LISTED - 4..total - 3, [None]);
    }
    for (row, line) in rows.into_iter().enumerate() {
        let y = y + row * 20;
        let text = Text { x: numbers + 8, y: y + 12, size: 12, anchor: "start", fill: "#24292f" };
        let Some(n) = line else {
            text.write(out, &format!("… {} more", total - LISTED + 1))?;
            continue;
        };
        let line = &layout.lines[n];
        writeln!(
            out,
            "<rect x=\"{MARGIN}\" y=\"{y}\" width=\"14\" height=\"14\" fill=\"{}\"/>",
            of_line(n, total)
        )?;
        let number = Text { x: numbers, anchor: "end", fill: FAINT, ..text };
        number.write(out, &(n + 1).to_string())?;
        let (start, length) = (line.range.start(), line.range.length());
        let words = format!("{start} {length} {} {}", line.target, line.args);
        text.write(out, &shortened(words.trim_end(), 110))?;
    }
    Ok(())
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    kept + "…"
}

#[derive(Clone, Copy)]
struct Text {
    x: usize,
    y: usize,
    size: usize,
    anchor: &'static str,
    fill: &'static str,
}

impl Text {
    fn write(&self, out: &mut dyn Write, text: &str) -> fmt::Result {
        let Text { x, y, size, anchor, fill } = self;
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
             fill=\"{fill}\">{}</text>",
            Escaped(text)
        )
    }
}

/// Text between tags.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            // XML has no way to write these.
            c if c.is_control() => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}
