//! The picture as SVG: the table on top, its devices below, and bands from each line to where it
//! lies.

use std::fmt::{self, Write};

use super::bar::widths;
use super::palette::of_line;
use super::segments::{Segment, of_device, of_table};
use super::terminal::letter;
use super::{Layout, Size};

mod bar;
mod text;

use bar::{BAR, Bar};
use text::{Escaped, FAINT, INK, Text, shortened};

const WIDTH: usize = 960;
const MARGIN: usize = 32;
const INNER: usize = WIDTH - 2 * MARGIN;
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
    let heading = Text { x: MARGIN, y: 36, size: 18, anchor: "start", fill: INK };
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
        let below = Text { x: bar.x, y: bar.y + BAR + 32, size: 12, anchor: "start", fill: INK };
        let name = format!("{}\u{a0}\u{a0}{}", letter(n), device.name);
        below.write(out, &shortened(&name, bar.width / 7))?;
        let size = device.size.map_or("size unknown".into(), |size| Size(size).to_string());
        Text { y: below.y + 16, fill: FAINT, ..below }.write(out, &size)?;
    }
    list(layout, list_y, out)?;
    out.write_str("</svg>\n")
}

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
                     C{0} {middle} {1} {middle} {1} {top}Z\" fill=\"{2}\" fill-opacity=\"0.35\"/>",
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
        let text = Text { x: numbers + 8, y: y + 12, size: 12, anchor: "start", fill: INK };
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
