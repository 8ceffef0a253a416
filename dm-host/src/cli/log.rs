//! What a daemon tells on its standard error, and how little of it a flood is worth.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// From now on what happens in this process is told on the standard error, a line each.
///
/// Of the lines that one place of the program writes, so many a second are told and the others
/// counted: a client that fails again and again fills no disk, and hides nothing else.
pub(super) fn start(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = lines.with_ansi(false).with_target(false).with_filter(Flood::new(level));
    // It fails where somebody listens already.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// Lets as many lines through as one can read.
struct Flood {
    level: LevelFilter,
    places: Mutex<HashMap<Identifier, Window>>,
}

/// What one place has told of late.
struct Window {
    since: Instant,
    lines: u32,
}

/// How many lines a place may write in [`WINDOW`].
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

impl Flood {
    fn new(level: LevelFilter) -> Flood {
        Flood { level, places: Mutex::default() }
    }
}

impl Window {
    /// Counts a line; returns whether it is to be told, and how many were not since the last one.
    fn count(&mut self, now: Instant) -> (bool, u32) {
        let left_out = match now.saturating_duration_since(self.since) > WINDOW {
            true => {
                self.since = now;
                std::mem::take(&mut self.lines).saturating_sub(LINES)
            }
            false => 0,
        };
        self.lines = self.lines.saturating_add(1);
        (self.lines <= LINES, left_out)
    }
}

impl<S: Subscriber> Filter<S> for Flood {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= self.level
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let now = Instant::now();
        let mut places = self.places.lock();
        let place = places.entry(event.metadata().callsite());
        let (told, left_out) = place.or_insert(Window { since: now, lines: 0 }).count(now);
        if left_out > 0 {
            // Nothing is left to do where the standard error is gone.
            let _ = writeln!(io::stderr(), "{left_out} lines like the next one were left out");
        }
        told
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_told() {
        let start = Instant::now();
        let mut window = Window { since: start, lines: 0 };
        let told = (0..1000).filter(|_| window.count(start).0).count();
        assert_eq!(told, LINES as usize);
        let later = start + 2 * WINDOW;
        assert_eq!(window.count(later), (true, 1000 - LINES));
        assert_eq!(window.count(later), (true, 0));
    }
}
