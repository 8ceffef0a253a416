//! `top`: what is asked of devices, again and again.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::args::Top;
use super::change::ask_about;
use super::failure::Failure;
use super::output::print;
use crate::control::{Client, ClientError};
use crate::{DeviceFigures, Figures};

const HEADING: &str = "DEVICE, LINE           READS/S   WRITES/S    READ/S   WRITTEN/S  IN FLIGHT  \
                       AVERAGE    99%      ERRORS\n";

/// Clears a terminal, and goes to its upper left corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(super) fn run(client: &mut Client, args: &Top) -> Result<(), Failure> {
    let (mut before, mut looked) = (figures(client, &args.names)?, Instant::now());
    for n in 0_u32.. {
        if args.count == Some(n) {
            break;
        }
        std::thread::sleep(args.interval.max(Duration::from_millis(10)));
        let now = figures(client, &args.names)?;
        let seconds = looked.elapsed().as_secs_f64();
        looked = Instant::now();
        let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
        print(&format!("{clear}{}", page(&before, &now, seconds)))?;
        before = now;
    }
    Ok(())
}

/// What was counted for the devices of those names, or for all.
pub(super) fn figures(
    client: &mut Client,
    names: &[String],
) -> Result<Vec<DeviceFigures>, Failure> {
    let parse = |text: String| {
        let parsed: Result<Vec<DeviceFigures>, _> = serde_json::from_str(&text);
        parsed.map_err(|_| Failure::Client(ClientError::BadAnswer))
    };
    if names.is_empty() {
        return parse(client.ask("figures")?);
    }
    let mut figures = Vec::new();
    for name in names {
        figures.extend(parse(ask_about(client, "figures", name, None)?)?);
    }
    Ok(figures)
}

fn page(before: &[DeviceFigures], now: &[DeviceFigures], seconds: f64) -> String {
    let mut page = HEADING.to_owned();
    let none = DeviceFigures::default();
    for device in now {
        let same = before.iter().find(|other| other.name == device.name).unwrap_or(&none);
        page += &row(&device.name, &same.device, &device.device, seconds);
        // A single line is the device again.
        if device.lines.len() < 2 {
            continue;
        }
        for (n, line) in device.lines.iter().enumerate() {
            let fresh = Figures::default();
            let before = same.lines.get(n).unwrap_or(&fresh);
            if line.requests() + line.in_flight > 0 {
                page += &row(&format!("  {n}"), before, line, seconds);
            }
        }
    }
    page
}

fn row(name: &str, before: &Figures, now: &Figures, seconds: f64) -> String {
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds.max(1e-9);
    let megabytes = |before, now| format!("{:.1} MB", rate(before, now) * 512.0 / 1e6);
    let requests = now.requests().saturating_sub(before.requests());
    let took = now.nanoseconds.saturating_sub(before.nanoseconds) as f64;
    let average = if requests > 0 { took / requests as f64 / 1e3 } else { 0.0 };
    format!(
        "{name:<20}{:>10.0}{:>11.0}{:>10}{:>12}{:>11}{:>9}{:>7}{:>12}\n",
        rate(before.reads, now.reads),
        rate(before.writes, now.writes),
        megabytes(before.sectors_read, now.sectors_read),
        megabytes(before.sectors_written, now.sectors_written),
        now.in_flight,
        microseconds(average),
        microseconds(slowest(before, now)),
        now.errors
    )
}

/// Microseconds that 99 of 100 requests took less than, to a power of two.
fn slowest(before: &Figures, now: &Figures) -> f64 {
    let more = |(n, now): (usize, &u64)| {
        now.saturating_sub(before.latency.get(n).copied().unwrap_or_default())
    };
    let counts: Vec<u64> = now.latency.iter().enumerate().map(more).collect();
    let (all, mut sum) = (counts.iter().sum::<u64>(), 0);
    for (n, count) in counts.iter().enumerate() {
        sum += count;
        if all > 0 && sum * 100 >= all * 99 {
            return 2_f64.powi(n as i32 + 1);
        }
    }
    0.0
}

fn microseconds(time: f64) -> String {
    match time {
        0.0..1e3 => format!("{time:.0} us"),
        1e3..1e6 => format!("{:.0} ms", time / 1e3),
        _ => format!("{:.0} s", time / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between() {
        let mut latency = vec![0; 21];
        latency[3] = 100;
        let before = Figures {
            reads: 100,
            latency: latency.clone(),
            nanoseconds: 9000,
            ..Default::default()
        };
        latency[5] = 60;
        let now = Figures {
            reads: 160,
            sectors_read: 39063,
            nanoseconds: 9000 + 60 * 40_000,
            errors: 3,
            latency,
            ..before.clone()
        };
        let row = row("foo", &before, &now, 2.0);
        let words: Vec<&str> = row.split_whitespace().collect();
        let expected =
            ["foo", "30", "0", "10.0", "MB", "0.0", "MB", "0", "40", "us", "64", "us", "3"];
        assert_eq!(words, expected);
        let idle = super::row("foo", &now, &now, 2.0);
        assert!(idle.contains(" 0 us") && !idle.contains("NaN"), "{idle}");
    }
}
