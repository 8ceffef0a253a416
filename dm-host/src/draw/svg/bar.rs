//! One device of the picture.

use std::fmt::{self, Write};

use super::text::{FAINT, INK, Text};
use crate::draw::bar::{columns, widths};
use crate::draw::palette::{FREE, Rgb, of_line};
use crate::draw::segments::Segment;
use crate::draw::terminal::{letter, together};
use crate::draw::{Kind, Layout};

/// The height of a bar.
pub(super) const BAR: usize = 44;

/// One device, drawn from `x` to `x + width`.
pub(super) struct Bar<'l> {
    layout: &'l Layout,
    pub(super) segments: Vec<Segment>,
    /// Where each segment begins, and how wide it is; `None` if they are too many.
    pub(super) boxes: Option<Vec<(usize, usize)>>,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
}

impl<'l> Bar<'l> {
    pub(super) fn new(
        layout: &'l Layout,
        segments: Vec<Segment>,
        x: usize,
        y: usize,
        width: usize,
    ) -> Self {
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

    pub(super) fn draw(&self, out: &mut dyn Write) -> fmt::Result {
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
                    Text { x, y, size: 12, anchor: "middle", fill: INK }.write(out, &label)?;
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
    pub(super) fn stripes(&self, out: &mut dyn Write) -> fmt::Result {
        let Some(boxes) = &self.boxes else { return Ok(()) };
        for (segment, &(x, width)) in self.segments.iter().zip(boxes) {
            let line = &self.layout.lines[segment.line().unwrap_or(0)];
            let (y, height) = (self.y + BAR - 14, 14);
            let all = match line.kind {
                Kind::Zeros => Some("zeros".to_owned()),
                Kind::Failing => Some("errors".to_owned()),
                Kind::Stored => line.pieces.is_empty().then(|| together(line)),
            };
            if let Some(all) = all {
                if width > 48 {
                    let (x, y) = (x + width / 2, y + 10);
                    Text { x, y, size: 10, anchor: "middle", fill: FAINT }.write(out, &all)?;
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
                Text { x, y, size: 10, anchor: "middle", fill: INK }.write(out, &letter(device))?;
            }
        }
        Ok(())
    }

    fn colour(&self, line: usize) -> Rgb {
        of_line(line, self.layout.lines.len())
    }
}
