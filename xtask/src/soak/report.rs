//! What was done, and what the daemon held: a line as it goes, a table, and JSON.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::sample::Sample;

/// Something that is counted.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::SeqCst);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Of the volumes, when counting began and when it ended.
    pub(super) requests_before: Count,
    pub(super) requests_after: Count,
    /// Bytes.
    pub(super) verified: Count,
    pub(super) passes: Count,
    pub(super) swaps: Count,
    pub(super) moves: Count,
    pub(super) moves_cut_off: Count,
    pub(super) errors: Count,
    pub(super) servers_killed: Count,
    pub(super) comparisons: Count,
    pub(super) visits: Count,
    pub(super) exports: Count,
    pub(super) devices: Count,
}

impl Counts {
    /// What each is called, in JSON and to a reader.
    fn named(&self) -> [(&'static str, &'static str, u64); 12] {
        let requests = self.requests_after.get().saturating_sub(self.requests_before.get());
        [
            ("requests", "requests to the volumes", requests),
            ("verified_bytes", "bytes verified", self.verified.get()),
            ("passes", "runs of fio", self.passes.get()),
            ("swaps", "tables exchanged", self.swaps.get()),
            ("moves", "moves", self.moves.get()),
            ("moves_cut_off", "moves whose client was killed", self.moves_cut_off.get()),
            ("errors", "times a leg was made to fail", self.errors.get()),
            ("servers_killed", "times a leg's server was killed", self.servers_killed.get()),
            ("comparisons", "times the legs of a mirror were compared", self.comparisons.get()),
            ("visits", "NBD clients that came and went", self.visits.get()),
            ("exports", "vhost-user exports that came and went", self.exports.get()),
            ("devices", "devices that came and went", self.devices.get()),
        ]
    }

    pub(super) fn clear(&self) {
        for count in [
            &self.verified,
            &self.passes,
            &self.swaps,
            &self.moves,
            &self.moves_cut_off,
            &self.errors,
            &self.servers_killed,
            &self.comparisons,
            &self.visits,
            &self.exports,
            &self.devices,
        ] {
            count.set(0);
        }
    }

    /// The most of it, in a line.
    pub(super) fn line(&self) -> String {
        format!(
            "{} MB verified, {} swaps, {} moves, {} errors",
            self.verified.get() / 1_000_000,
            self.swaps.get(),
            self.moves.get(),
            self.errors.get() + self.servers_killed.get()
        )
    }
}

/// For a reader.
pub(super) fn table(counts: &Counts, time: Duration, first: &Sample, last: &Sample) -> String {
    let mut text = format!("in {} s\n", time.as_secs());
    for (_, what, count) in counts.named() {
        let _ = writeln!(text, "  {what:44}{count:>16}");
    }
    for (what, first, last) in held(first, last) {
        let change = format!("{first} -> {last}");
        let _ = writeln!(text, "  {what:44}{change:>16}");
    }
    text
}

fn held(first: &Sample, last: &Sample) -> [(&'static str, u64, u64); 3] {
    [
        ("kilobytes resident, quiet", first.kilobytes, last.kilobytes),
        ("descriptors, quiet", first.descriptors, last.descriptors),
        ("threads, quiet", first.threads, last.threads),
    ]
}

/// For programs.
pub(super) fn json(
    counts: &Counts,
    time: Duration,
    first: &Sample,
    last: &Sample,
    samples: &[Sample],
) -> String {
    let mut text = format!("{{\n  \"seconds\": {},\n", time.as_secs());
    for (name, _, count) in counts.named() {
        let _ = writeln!(text, "  \"{name}\": {count},");
    }
    let object = |sample: &Sample| {
        let Sample { at, kilobytes, descriptors, threads } = sample;
        let at = at.as_secs();
        format!(
            "{{\"second\": {at}, \"kilobytes\": {kilobytes}, \"descriptors\": {descriptors}, \
             \"threads\": {threads}}}"
        )
    };
    let _ = writeln!(text, "  \"quiet_before\": {},", object(first));
    let _ = writeln!(text, "  \"quiet_after\": {},", object(last));
    let samples: Vec<String> =
        samples.iter().map(|sample| format!("    {}", object(sample))).collect();
    let _ = writeln!(text, "  \"samples\": [\n{}\n  ]\n}}", samples.join(",\n"));
    text
}
