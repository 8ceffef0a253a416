//! Many requests submitted together do what they do one by one.

use dm_core::{BioFlags, BioOp, IoError, Limits, MappedDevice, Op, Open, Sector, Sectors, State};
use dm_sim::{Pending, Random, Sim, SimBio, SimHost, Ticket, load};

/// As many lines as make a table a large one, for which requests are looked up side by side.
const LARGE: u64 = 65_536;
const LINE: u64 = 4;
/// How long each disk is; lines far apart share its sectors.
const DISK: u64 = 4096;

/// Linear lines on two disks in turn, and here and there one of zeros, of errors, and on a device below.
fn table(lines: u64) -> String {
    let mut text = String::new();
    for line in 0..lines {
        let start = line * LINE;
        let at = start % DISK;
        text += &match line % 16 {
            3 => format!("{start} {LINE} zero\n"),
            7 => format!("{start} {LINE} error\n"),
            11 => format!("{start} {LINE} linear below {at}\n"),
            n => format!("{start} {LINE} linear {} {at}\n", if n % 2 == 0 { "a" } else { "b" }),
        };
    }
    text
}

struct Setup {
    sim: Sim,
    device: MappedDevice<SimHost>,
    open: Open<SimHost>,
}

fn setup(lines: u64) -> Setup {
    let sim = Sim::new();
    let limits = Limits {
        logical_block: Sectors::new(2),
        max_discard: Sectors::new(3),
        max_write_zeroes: Sectors::ZERO,
        ..Limits::NONE
    };
    for (name, limits) in [("a", limits), ("b", Limits::NONE), ("c", Limits::NONE)] {
        sim.add_disk_with(name, DISK, limits).fill(|n| (n / 512 % 251) as u8);
    }
    load(&sim, "below", &format!("0 {DISK} linear c 0"));
    let device = load(&sim, "foo", &table(lines));
    let open = device.open().unwrap();
    Setup { sim, device, open }
}

#[derive(Clone, Copy)]
struct Request {
    op: BioOp,
    sector: u64,
    sectors: u64,
}

impl Request {
    fn any(random: &mut Random, size: u64) -> Request {
        let op = match random.below(12) {
            0 => BioOp::Flush,
            1 => BioOp::Data(Op::Discard),
            2 => BioOp::Data(Op::WriteZeroes),
            3..=5 => BioOp::Data(Op::Write),
            _ => BioOp::Data(Op::Read),
        };
        // Most within a line; some cross into others, end behind the table, or are not aligned.
        let sector = random.below(size / 2 + 2) * 2;
        let sectors = match random.below(10) {
            0 => 1,
            1 => 6,
            2 => 0,
            _ => 2,
        };
        match op {
            BioOp::Flush => Request { op, sector: 0, sectors: 0 },
            BioOp::Data(_) => Request { op, sector, sectors },
        }
    }

    fn bio(self) -> (SimBio, Ticket) {
        let (sector, sectors) = (Sector::new(self.sector), Sectors::new(self.sectors));
        let bytes = self.sectors as usize * 512;
        let data = match self.op {
            BioOp::Data(Op::Read | Op::Write) => vec![self.sector as u8 ^ 0x5a; bytes],
            _ => Vec::new(),
        };
        SimBio::new(self.op, BioFlags::empty(), sector, sectors, data)
    }
}

/// What the disks are asked to do, and how the requests end.
type Outcome = (Vec<Pending>, Vec<(Option<Result<(), IoError>>, Vec<u8>)>);

fn outcome(setup: &Setup, requests: &[Request], submit: impl FnOnce(Vec<SimBio>)) -> Outcome {
    let (bios, tickets): (Vec<_>, Vec<_>) = requests.iter().map(|request| request.bio()).unzip();
    submit(bios);
    let pending = setup.sim.pending();
    setup.sim.complete_all();
    (pending, tickets.iter().map(|ticket| (ticket.result(), ticket.data())).collect())
}

/// Tables just large enough, and just not; groups that are full, that are not, and none.
#[test]
fn together_is_one_by_one() {
    for lines in [3, LARGE - 1, LARGE] {
        let (together, alone) = (setup(lines), setup(lines));
        let random = &mut Random::new(lines);
        for count in [0, 1, 2, 15, 16, 17, 32, 100, 333] {
            let requests: Vec<_> = (0..count).map(|_| Request::any(random, lines * LINE)).collect();
            let found = outcome(&together, &requests, |bios| together.open.submit_all(bios));
            let expected = outcome(&alone, &requests, |bios| {
                bios.into_iter().for_each(|bio| alone.open.submit(bio));
            });
            assert!(expected.1.iter().all(|(result, _)| result.is_some()));
            assert!(found == expected, "{count} requests in a table of {lines} lines");
            for disk in ["a", "b", "c"] {
                let [found, expected] = [&together, &alone].map(|setup| setup.sim.disk(disk));
                assert!(found.bytes() == expected.bytes(), "{disk} after {count} requests");
            }
        }
    }
}

/// Forty reads of two sectors, each within a line.
fn reads() -> (Vec<SimBio>, Vec<Ticket>) {
    let request = |n: u64| Request { op: BioOp::Data(Op::Read), sector: 64 * n, sectors: 2 };
    (0..40).map(|n| request(n).bio()).unzip()
}

#[test]
fn a_drain_waits_for_each_of_them() {
    let Setup { sim, device, open } = setup(LARGE);
    let (bios, tickets) = reads();
    open.submit_all(bios);
    let suspended = device.suspend().unwrap();
    for left in (0..tickets.len()).rev() {
        assert!(!suspended.is_done(), "{} are in flight", left + 1);
        sim.complete(left);
    }
    assert!(suspended.is_done());
    assert!(tickets.iter().all(|ticket| ticket.result() == Some(Ok(()))));
}

#[test]
fn they_wait_while_the_device_is_suspended() {
    let Setup { sim, device, open } = setup(LARGE);
    assert!(device.suspend().unwrap().is_done());
    let (bios, tickets) = reads();
    open.submit_all(bios);
    assert_eq!(device.state(), State::Suspended);
    assert_eq!(sim.pending(), []);
    assert!(tickets.iter().all(|ticket| !ticket.is_done()));
    assert!(device.resume().unwrap().is_done());
    assert_eq!(sim.pending().len(), 40);
    sim.complete_all();
    assert!(tickets.iter().all(|ticket| ticket.result() == Some(Ok(()))));
}
