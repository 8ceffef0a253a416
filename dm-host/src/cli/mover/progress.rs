//! How far a move is, for a person at a terminal, for a log, or for a program.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use dm_core::Sectors;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::plan::Piece;
use crate::cli::failure::Failure;
use crate::cli::output::print;
use crate::draw::Size;

/// Tells how far a move is.
pub(super) struct Progress {
    how: How,
    /// What there is to copy, in bytes, and what was copied before this.
    total: u64,
    before: u64,
    /// When it was told last.
    told: Instant,
    /// When copying began, and how much was copied before.
    began: Option<(Instant, u64)>,
}

enum How {
    Bar(ProgressBar),
    Lines,
    Json,
}

/// What `--json` prints, an object a line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event<'e> {
    Recorded { path: &'e str },
    Moving { line: usize, from: &'e str, to: &'e str, bytes: u64 },
    Copied { bytes: u64, of: u64, bytes_per_second: u64, seconds_left: Option<u64> },
    Moved { line: usize },
    Over { table: &'e str },
}

/// How often lines tell of progress, and how often a bar moves.
const LINES: Duration = Duration::from_secs(2);
const BAR: Duration = Duration::from_millis(200);

impl Progress {
    pub(super) fn new(json: bool, pieces: &[Piece], done: usize) -> Progress {
        let bytes = |pieces: &[Piece]| pieces.iter().map(Piece::bytes).sum();
        let (total, before) = (bytes(pieces), bytes(&pieces[..done.min(pieces.len())]));
        let how = match json {
            true => How::Json,
            false if std::io::stdout().is_terminal() => How::Bar(bar(total, before)),
            false => How::Lines,
        };
        Progress { how, total, before, told: Instant::now(), began: None }
    }

    /// How long to wait before it is told again.
    pub(super) fn interval(&self) -> Duration {
        if matches!(self.how, How::Bar(_)) { BAR } else { LINES }
    }

    pub(super) fn recorded(&self, path: &str) -> Result<(), Failure> {
        self.say(&Event::Recorded { path }, || format!("recorded in {path}"))
    }

    /// A piece is moved, of which so many bytes are copied already.
    pub(super) fn moving(&mut self, piece: &Piece, copied: u64) -> Result<(), Failure> {
        self.began.get_or_insert((Instant::now(), self.before + copied));
        let (from, to) = (piece.from.to_string(), piece.to.to_string());
        let Piece { line, length, .. } = *piece;
        let event = Event::Moving { line, from: &from, to: &to, bytes: piece.bytes() };
        let size = Size(Sectors::new(length));
        self.say(&event, || format!("line {line}: {size} from {from} to {to}"))
    }

    /// So much of the piece is copied.
    pub(super) fn copied(&mut self, bytes: u64) -> Result<(), Failure> {
        let bytes = self.before + bytes;
        if let How::Bar(bar) = &self.how {
            bar.set_position(bytes);
            return Ok(());
        }
        let Some((start, at_start)) = self.began.filter(|_| self.told.elapsed() >= LINES) else {
            return Ok(());
        };
        self.told = Instant::now();
        let (seconds, total) = (start.elapsed().as_secs_f64(), self.total);
        let rate = (bytes.saturating_sub(at_start)) as f64 / seconds.max(1e-3);
        let left = (rate > 0.0).then(|| ((total - bytes.min(total)) as f64 / rate).ceil() as u64);
        let event =
            Event::Copied { bytes, of: total, bytes_per_second: rate as u64, seconds_left: left };
        self.say(&event, || {
            let percent = bytes as f64 * 100.0 / total.max(1) as f64;
            let left = left.map_or("?".into(), |left| left.to_string());
            format!("{percent:5.1} %, {:.1} MB/s, {left} s left", rate / 1e6)
        })
    }

    pub(super) fn moved(&mut self, piece: &Piece) -> Result<(), Failure> {
        self.before += piece.bytes();
        if let How::Bar(bar) = &self.how {
            bar.set_position(self.before);
        }
        let line = piece.line;
        self.say(&Event::Moved { line }, || format!("line {line}: moved"))
    }

    /// The table from now on.
    pub(super) fn over(&self, table: &str) -> Result<(), Failure> {
        if let How::Bar(bar) = &self.how {
            bar.finish_and_clear();
        }
        self.say(&Event::Over { table }, || format!("the table from now on:\n{}", table.trim_end()))
    }

    fn say(&self, event: &Event<'_>, words: impl Fn() -> String) -> Result<(), Failure> {
        match &self.how {
            How::Bar(bar) => bar.suspend(|| print(&(words() + "\n"))),
            How::Lines => print(&(words() + "\n")),
            // Structs of strings and numbers always have a form in JSON.
            How::Json => print(&(serde_json::to_string(event).unwrap_or_default() + "\n")),
        }
    }
}

fn bar(total: u64, before: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stdout());
    let style = "{wide_bar} {percent:>3} %, {decimal_bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_position(before);
    bar.reset_eta();
    bar
}
