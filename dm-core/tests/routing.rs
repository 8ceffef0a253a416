//! Where requests go: the map of (table, request) to fragments, against a plain calculation.

use dm_core::{BioFlags, BioOp, IoError, Limits, Op, Sectors};
use dm_sim::{Pending, Sim, load};
use proptest::prelude::*;

/// One line of a table as the oracle sees it.
#[derive(Clone, Debug)]
enum Line {
    Linear { disk: usize, offset: u64, length: u64 },
    Striped { chunk: u64, rows: u64, extents: Vec<(usize, u64)> },
    Zero { length: u64 },
    Error { length: u64 },
}

/// Where one sector lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    On { disk: usize, sector: u64 },
    Zeros,
    Fails,
}

const DISKS: [&str; 3] = ["a", "b", "c"];
const DISK_SECTORS: u64 = 512;

impl Line {
    fn length(&self) -> u64 {
        match self {
            Line::Linear { length, .. } | Line::Zero { length } | Line::Error { length } => *length,
            Line::Striped { chunk, rows, extents } => chunk * rows * extents.len() as u64,
        }
    }

    fn place(&self, at: u64) -> Place {
        match self {
            Line::Linear { disk, offset, .. } => Place::On { disk: *disk, sector: offset + at },
            Line::Zero { .. } => Place::Zeros,
            Line::Error { .. } => Place::Fails,
            Line::Striped { chunk, extents, .. } => {
                let (number, into) = (at / chunk, at % chunk);
                let (disk, start) = extents[number as usize % extents.len()];
                Place::On { disk, sector: start + number / extents.len() as u64 * chunk + into }
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Line::Linear { disk, offset, .. } => format!("linear {} {offset}", DISKS[*disk]),
            Line::Zero { .. } => "zero".into(),
            Line::Error { .. } => "error".into(),
            Line::Striped { chunk, extents, .. } => {
                let mut text = format!("striped {} {chunk}", extents.len());
                for (disk, start) in extents {
                    text += &format!(" {} {start}", DISKS[*disk]);
                }
                text
            }
        }
    }
}

fn table_text(lines: &[Line]) -> String {
    let mut start = 0;
    let mut text = String::new();
    for line in lines {
        text += &format!("{start} {} {}\n", line.length(), line.text());
        start += line.length();
    }
    text
}

fn place(lines: &[Line], mut sector: u64) -> Place {
    for line in lines {
        if sector < line.length() {
            return line.place(sector);
        }
        sector -= line.length();
    }
    unreachable!("the request lies within the table")
}

fn any_line() -> impl Strategy<Value = Line> {
    let extent = || (0..DISKS.len(), 0u64..256);
    prop_oneof![
        4 => (extent(), 1u64..64)
            .prop_map(|((disk, offset), length)| Line::Linear { disk, offset, length }),
        4 => (1u64..20, 1u64..8, prop::collection::vec(extent(), 1..4))
            .prop_map(|(chunk, rows, extents)| Line::Striped { chunk, rows, extents }),
        1 => (1u64..40).prop_map(|length| Line::Zero { length }),
        1 => (1u64..40).prop_map(|length| Line::Error { length }),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    (1u64..40, 0u64..40).prop_map(|(transfer, discard)| Limits {
        max_transfer: Sectors::new(transfer),
        max_discard: Sectors::new(discard),
        ..Limits::NONE
    })
}

proptest! {
    /// A request over any number of boundaries reaches each disk sector that the oracle names,
    /// once, and nothing else; no fragment is longer than its disk takes.
    #[test]
    fn every_sector_goes_where_the_oracle_says(
        lines in prop::collection::vec(any_line(), 1..12),
        limits in any_limits(),
        (from, length) in (any::<prop::sample::Index>(), 1u64..300),
        op in prop::sample::select(vec![Op::Read, Op::Write, Op::Discard]),
    ) {
        let sim = Sim::new();
        for disk in DISKS {
            sim.add_disk_with(disk, DISK_SECTORS, limits);
        }
        let device = load(&sim, "foo", &table_text(&lines));
        let open = device.open().unwrap();
        let size = open.size().get();
        let first = from.index(size as usize) as u64;
        let length = length.min(size - first);
        let data = if op == Op::Discard { Vec::new() } else { vec![0xaa; length as usize * 512] };
        let ticket = sim.start(&open, BioOp::Data(op), BioFlags::FUA, first, length, data);

        let mut expected: Vec<(usize, u64)> = Vec::new();
        let mut fails = false;
        for sector in first..first + length {
            match place(&lines, sector) {
                Place::On { .. } if op == Op::Discard && limits.max_discard.is_zero() => fails = true,
                Place::On { disk, sector } => expected.push((disk, sector)),
                Place::Zeros => {}
                Place::Fails => fails = true,
            }
        }
        let mut found = Vec::new();
        for fragment in sim.pending() {
            let Pending { disk, op: done, flags, sector, sectors } = fragment;
            prop_assert_eq!(done, BioOp::Data(op));
            prop_assert_eq!(flags, BioFlags::FUA);
            prop_assert!(sectors <= limits.max(op).get());
            let disk = DISKS.iter().position(|name| *name == disk).unwrap();
            found.extend((sector..sector + sectors).map(|sector| (disk, sector)));
        }
        prop_assert_eq!(found, expected);
        sim.complete_all();
        prop_assert_eq!(ticket.result().unwrap().is_err(), fails);
    }

    /// What is written through one table reads back, and lies where the oracle says.
    #[test]
    fn data_lie_where_the_oracle_says(
        lines in prop::collection::vec(any_line(), 1..8), seed: u8,
    ) {
        let sim = Sim::new();
        for disk in DISKS {
            sim.add_disk(disk, DISK_SECTORS).fill(|n| (n / 512) as u8 ^ seed);
        }
        let device = load(&sim, "foo", &table_text(&lines));
        let open = device.open().unwrap();
        let size = open.size().get();
        let before: Vec<_> = DISKS.iter().map(|name| sim.disk(name).bytes()).collect();
        let ticket = sim.read(&open, 0, size);
        sim.complete_all();
        let fails = (0..size).any(|sector| place(&lines, sector) == Place::Fails);
        prop_assert_eq!(ticket.result(), Some(if fails { Err(IoError::Failed) } else { Ok(()) }));
        let data = ticket.data();
        for (sector, bytes) in (0..size).zip(data.chunks(512)) {
            match place(&lines, sector) {
                Place::Zeros => prop_assert!(bytes.iter().all(|byte| *byte == 0)),
                Place::Fails => {}
                Place::On { disk, sector } => {
                    let start = sector as usize * 512;
                    prop_assert_eq!(bytes, &before[disk][start..start + 512]);
                }
            }
        }
    }
}

#[test]
fn requests_that_no_device_could_carry_out_are_refused_whole() {
    let sim = Sim::new();
    let blocks_of_4k = Limits { logical_block: Sectors::new(8), ..Limits::NONE };
    sim.add_disk_with("a", 64, blocks_of_4k);
    let device = load(&sim, "foo", "0 32 linear a 0");
    let open = device.open().unwrap();
    for (sector, sectors, error) in [
        (32, 8, IoError::OutOfRange),
        (24, 16, IoError::OutOfRange),
        (u64::MAX, 8, IoError::OutOfRange),
        (0, 0, IoError::OutOfRange),
        (4, 8, IoError::Misaligned),
        (0, 4, IoError::Misaligned),
        (4, 4, IoError::Misaligned),
    ] {
        let op = BioOp::Data(Op::Discard);
        let ticket = sim.start(&open, op, BioFlags::empty(), sector, sectors, Vec::new());
        assert_eq!(ticket.result(), Some(Err(error)), "{sector} {sectors}");
    }
    assert_eq!(sim.pending(), []);
}

#[test]
fn a_flush_reaches_every_device_once() {
    let sim = Sim::new();
    let (a, b) = (sim.add_disk("a", 100), sim.add_disk("b", 100));
    let device =
        load(&sim, "foo", "0 10 linear a 0\n10 10 linear b 0\n20 10 linear a 50\n30 5 zero");
    let open = device.open().unwrap();
    let ticket = sim.flush(&open);
    assert_eq!(sim.pending().len(), 2);
    sim.complete(1);
    assert!(!ticket.is_done());
    sim.complete(0);
    assert_eq!(ticket.result(), Some(Ok(())));
    assert_eq!((a.flushes(), b.flushes()), (1, 1));

    let nothing_below = load(&sim, "bar", "0 10 zero").open().unwrap();
    assert_eq!(sim.flush(&nothing_below).result(), Some(Ok(())));

    b.fail_with(Some(IoError::Failed));
    let ticket = sim.flush(&open);
    sim.complete_all();
    assert_eq!(ticket.result(), Some(Err(IoError::Failed)));
}

#[test]
fn a_lost_fragment_fails_the_request() {
    let sim = Sim::new();
    sim.add_disk("a", 100);
    let device = load(&sim, "foo", "0 10 linear a 0\n10 10 linear a 50");
    let open = device.open().unwrap();
    let ticket = sim.write(&open, 5, &[1; 10 * 512]);
    sim.lose(0);
    assert!(!ticket.is_done());
    sim.complete_all();
    assert_eq!(ticket.result(), Some(Err(IoError::Failed)));
}

#[test]
fn writes_of_zeros_are_split_like_any_other() {
    let sim = Sim::new();
    let limits = Limits { max_write_zeroes: Sectors::new(7), ..Limits::NONE };
    let disk = sim.add_disk_with("a", 100, limits);
    disk.fill(|_| 1);
    let open = load(&sim, "foo", "0 20 linear a 10").open().unwrap();
    let op = BioOp::Data(Op::WriteZeroes);
    let ticket = sim.start(&open, op, BioFlags::empty(), 0, 20, Vec::new());
    let lengths: Vec<_> = sim.pending().iter().map(|part| part.sectors).collect();
    assert_eq!(lengths, [7, 7, 6]);
    sim.complete_all();
    assert_eq!(ticket.result(), Some(Ok(())));
    assert_eq!(disk.sectors(10, 20), vec![0; 20 * 512]);
    assert_eq!(disk.sectors(30, 1), vec![1; 512]);
}
