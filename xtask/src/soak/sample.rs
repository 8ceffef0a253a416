//! What a daemon holds: memory, descriptors, threads.

use std::fmt;
use std::fs;
use std::time::Duration;

/// What a process held at some time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// Since the beginning.
    pub(super) at: Duration,
    /// Resident.
    pub(super) kilobytes: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

/// How much more may be resident than was after the warm-up: an eighth, and 2 MiB. The allocator keeps
/// what the busiest moment took, and that moment may come late.
const MARGIN: fn(u64) -> u64 = |kilobytes| kilobytes + kilobytes / 8 + 2048;

impl Sample {
    pub(super) fn of(process: u32, at: Duration) -> std::io::Result<Sample> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64;
        Ok(Sample { at, kilobytes: field("VmRSS"), descriptors, threads: field("Threads") })
    }

    /// What there is more of than there was, when things were as quiet as now.
    pub(super) fn compare(&self, before: &Sample) -> Result<(), String> {
        let mut grown = Vec::new();
        let most = MARGIN(before.kilobytes);
        if self.kilobytes > most {
            grown.push(format!("{} kB resident, at most {most} expected", self.kilobytes));
        }
        for (what, now, then) in [
            ("descriptors", self.descriptors, before.descriptors),
            ("threads", self.threads, before.threads),
        ] {
            if now > then {
                grown.push(format!("{now} {what}, {then} before"));
            }
        }
        if grown.is_empty() { Ok(()) } else { Err(grown.join("; ")) }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { kilobytes, descriptors, threads, .. } = self;
        write!(f, "{kilobytes} kB, {descriptors} descriptors, {threads} threads")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Sample =
        Sample { at: Duration::ZERO, kilobytes: 16_000, descriptors: 40, threads: 8 };

    #[test]
    fn this_process_holds_something() {
        let sample = Sample::of(std::process::id(), Duration::ZERO).unwrap();
        assert!(sample.kilobytes > 0 && sample.descriptors > 2 && sample.threads > 0, "{sample}");
    }

    #[test]
    fn one_descriptor_or_thread_more_is_too_many() {
        assert_eq!(BEFORE.compare(&BEFORE), Ok(()));
        let later = Sample { kilobytes: 20_049, descriptors: 41, threads: 7, ..BEFORE };
        let grown = "20049 kB resident, at most 20048 expected; 41 descriptors, 40 before";
        assert_eq!(later.compare(&BEFORE), Err(grown.to_owned()));
    }
}
