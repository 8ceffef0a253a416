//! The tables that traces are recorded over.

/// A table, the file name of its traces, and what it is.
pub(crate) struct Volume {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The text, over disks of [`DISK`] sectors named `disk-0` to `disk-3`.
    pub(crate) table: fn() -> String,
}

/// How many disks there are.
pub(crate) const DISKS: usize = 4;

/// How many sectors each disk has: 4 GiB.
pub(crate) const DISK: u64 = 8 << 20;

pub(crate) const VOLUMES: &[Volume] = &[
    Volume { name: "linear", what: "one linear line", table: linear },
    Volume { name: "grown", what: "a volume that has grown fifteen times", table: grown },
    Volume { name: "striped", what: "one line of 4 stripes of 64 KiB", table: striped },
    Volume { name: "fragmented", what: "4,000 lines of 4 to 520 KiB", table: fragmented },
];

/// An extent as LVM has them by default, 4 MiB, in sectors; its first begins at 1 MiB.
const EXTENT: u64 = 8192;
const FIRST: u64 = 2048;

/// 1 GiB, in sectors.
const GIB: u64 = 2 << 20;

fn linear() -> String {
    format!("0 {GIB} linear disk-0 {FIRST}\n")
}

fn striped() -> String {
    let disks: String = (0..4).map(|n| format!(" disk-{n} {FIRST}")).collect();
    format!("0 {GIB} striped 4 128{disks}\n")
}

/// 256 MiB, and what was added: each time on the next of three disks, behind what others have there.
fn grown() -> String {
    let sizes = [64, 16, 16, 32, 8, 8, 16, 4, 12, 16, 8, 8, 16, 16, 8, 8];
    let mut start = 0;
    let mut table = String::new();
    for (n, extents) in (0_u64..).zip(sizes) {
        let sectors = extents * EXTENT;
        let at = FIRST + n / 3 * 100 * EXTENT;
        table += &format!("{start} {sectors} linear disk-{} {at}\n", n % 3);
        start += sectors;
    }
    table
}

/// Lines of 1 to 130 blocks of 4 KiB, each somewhere else on the disk.
fn fragmented() -> String {
    let (lines, most) = (4000, 130 * 8);
    let mut start = 0;
    let mut table = String::new();
    for n in 0_u64..lines {
        // The top bits of a multiplicative hash: the same on every machine, and without a pattern.
        let sectors = 8 * (1 + (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 130);
        // 1,597 has no factor in common with 4,000: no place is taken twice.
        let at = FIRST + n * 1597 % lines * most;
        table += &format!("{start} {sectors} linear disk-0 {at}\n");
        start += sectors;
    }
    table
}

#[cfg(test)]
mod tests;
