//! Figures in the text format that Prometheus reads, version 0.0.4.

use std::fmt::Write;

use crate::{DeviceFigures, Figures};

type Value = fn(&Figures) -> u64;

/// What is told of each device and line: a name, a type, what it is, and where it is found.
const METRICS: &[(&str, &str, &str, Value)] = &[
    ("reads_total", "counter", "Reads that have ended.", |f| f.reads),
    ("writes_total", "counter", "Writes that have ended.", |f| f.writes),
    ("other_requests_total", "counter", "Discards, writes of zeros and flushes.", |f| f.others),
    ("read_bytes_total", "counter", "Bytes read.", |f| f.sectors_read.saturating_mul(512)),
    ("written_bytes_total", "counter", "Bytes written.", |f| f.sectors_written.saturating_mul(512)),
    ("errors_total", "counter", "Requests that failed.", |f| f.errors),
    ("in_flight", "gauge", "Requests on their way.", |f| f.in_flight),
];

/// The page: each metric of each device, and of each of its lines.
pub(super) fn page(devices: &[DeviceFigures]) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    for (name, kind, help, value) in METRICS {
        for (prefix, per) in [("dm_device", "each device"), ("dm_line", "each line of a table")] {
            let _ = writeln!(page, "# HELP {prefix}_{name} {help} For {per}.");
            let _ = writeln!(page, "# TYPE {prefix}_{name} {kind}");
            for device in devices {
                let label = escaped(&device.name);
                if prefix == "dm_device" {
                    let value = value(&device.device);
                    let _ = writeln!(page, "{prefix}_{name}{{device=\"{label}\"}} {value}");
                    continue;
                }
                for (n, line) in device.lines.iter().enumerate() {
                    let value = value(line);
                    let labels = format!("device=\"{label}\",line=\"{n}\"");
                    let _ = writeln!(page, "{prefix}_{name}{{{labels}}} {value}");
                }
            }
        }
    }
    page.push_str("# HELP dm_device_latency_seconds How long requests took.\n");
    page.push_str("# TYPE dm_device_latency_seconds histogram\n");
    for device in devices {
        histogram(&mut page, &escaped(&device.name), &device.device);
    }
    page
}

fn histogram(page: &mut String, label: &str, figures: &Figures) {
    let (name, mut sum) = ("dm_device_latency_seconds", 0);
    let bounded = figures.latency.len().saturating_sub(1);
    for (n, count) in figures.latency.iter().take(bounded).enumerate() {
        sum += count;
        let bound = 2_f64.powi(n as i32 + 1) / 1e6;
        let _ = writeln!(page, "{name}_bucket{{device=\"{label}\",le=\"{bound}\"}} {sum}");
    }
    let all: u64 = figures.latency.iter().sum();
    let seconds = figures.nanoseconds as f64 / 1e9;
    let _ = writeln!(page, "{name}_bucket{{device=\"{label}\",le=\"+Inf\"}} {all}");
    let _ = writeln!(page, "{name}_sum{{device=\"{label}\"}} {seconds}");
    let _ = writeln!(page, "{name}_count{{device=\"{label}\"}} {all}");
}

/// A name as the value of a label.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_names_are_escaped() {
        let mut latency = vec![0; 21];
        (latency[0], latency[2], latency[20]) = (5, 2, 1);
        let figures = Figures { reads: 8, sectors_read: 3, latency, ..Default::default() };
        let device = DeviceFigures {
            name: "a\"b\\".into(),
            device: figures.clone(),
            lines: vec![figures, Figures::default()],
        };
        let page = page(&[device]);
        for line in [
            "dm_device_reads_total{device=\"a\\\"b\\\\\"} 8",
            "dm_device_read_bytes_total{device=\"a\\\"b\\\\\"} 1536",
            "dm_line_reads_total{device=\"a\\\"b\\\\\",line=\"1\"} 0",
            "dm_device_latency_seconds_bucket{device=\"a\\\"b\\\\\",le=\"0.000002\"} 5",
            "dm_device_latency_seconds_bucket{device=\"a\\\"b\\\\\",le=\"0.000008\"} 7",
            "dm_device_latency_seconds_bucket{device=\"a\\\"b\\\\\",le=\"+Inf\"} 8",
            "# TYPE dm_device_in_flight gauge",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing:\n{page}");
        }
    }
}
