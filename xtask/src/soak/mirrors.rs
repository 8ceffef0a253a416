//! Mirrors whose legs fail, come back, and must then hold the same.

use std::time::Duration;

use super::ground::{Ground, wait_for};
use super::random::Random;
use super::volume::SECTORS;
use super::{Soak, SoakFailure};
use crate::failure::Failure;

/// How a leg can be made to fail.
#[derive(Clone, Copy, Debug)]
enum Leg {
    /// It is a mapped device over a disk, and can be given a table of errors.
    Mapped(&'static str),
    /// It is a disk, and does not fail.
    Disk(&'static str),
    /// It is an export of a server that can be told to fail, and killed.
    Export(&'static str),
}

impl Leg {
    fn disk(self) -> String {
        let (Leg::Mapped(name) | Leg::Disk(name) | Leg::Export(name)) = self;
        format!("{name}.img")
    }
}

pub(super) struct Mirror {
    pub(super) name: &'static str,
    log: &'static str,
    legs: &'static [Leg],
}

pub(super) const CORE: Mirror = Mirror {
    name: "core",
    log: "core 1 1024",
    legs: &[Leg::Mapped("core0"), Leg::Mapped("core1")],
};

pub(super) const DISK: Mirror = Mirror {
    name: "disk",
    log: "disk 2 log.img 1024",
    legs: &[Leg::Mapped("disk0"), Leg::Disk("disk1"), Leg::Export("disk2")],
};

const SERVER_SOCKET: &str = "server.sock";

impl Mirror {
    pub(super) fn create(&self, ground: &Ground) -> Result<(), Failure> {
        for leg in self.legs {
            ground.disk(&leg.disk(), SECTORS)?;
            match leg {
                Leg::Mapped(name) => {
                    ground.ask(&["create", name, "--table", &healthy(&leg.disk())])?;
                }
                Leg::Export(_) => ground.start_server(&leg.disk(), SERVER_SOCKET)?,
                Leg::Disk(_) => {}
            }
        }
        ground.disk("log.img", SECTORS)?;
        ground.ask(&["create", self.name, "--table", &self.table(ground, 1)])?;
        self.wait_until_healthy(ground)
    }

    /// So many mirrors, one behind the other.
    fn table(&self, ground: &Ground, lines: u64) -> String {
        let long = SECTORS / lines;
        let line = |n: u64| {
            let start = n * long;
            let leg = |leg: &Leg| match leg {
                Leg::Mapped(name) => format!(" {name} {start}"),
                Leg::Disk(name) => format!(" {name}.img {start}"),
                Leg::Export(_) => {
                    let socket = ground.folder.join(SERVER_SOCKET);
                    format!(" nbd+unix:///?socket={} {start}", socket.display())
                }
            };
            let legs: String = self.legs.iter().map(leg).collect();
            let count = self.legs.len();
            format!("{start} {long} mirror {} {count}{legs} 1 handle_errors\n", self.log)
        };
        (0..lines).map(line).collect()
    }

    /// Whether all legs hold the same, and the letters of the legs, of each line.
    fn status(&self, ground: &Ground) -> Result<Vec<(bool, String)>, Failure> {
        let said = ground.ask(&["status", self.name])?;
        let lines: Option<Vec<_>> =
            said.lines().map(|line| status(line, self.legs.len())).collect();
        lines.ok_or_else(|| SoakFailure::Unexpected(format!("status of a mirror: {said}")).into())
    }

    fn wait_until_healthy(&self, ground: &Ground) -> Result<(), Failure> {
        wait_for(&format!("the resync of {}", self.name), || {
            let is_good = |(in_sync, letters): &(bool, String)| {
                *in_sync && letters.bytes().all(|letter| letter == b'A')
            };
            Ok(self.status(ground)?.iter().all(is_good))
        })
    }

    /// Has a leg fail until somebody has noticed, and for a while more; then it comes back.
    fn fail_leg(&self, soak: &Soak, number: usize, random: &mut Random) -> Result<(), Failure> {
        let (ground, leg) = (&soak.ground, self.legs[number]);
        match leg {
            Leg::Mapped(name) => {
                ground.exchange(name, &format!("0 {SECTORS} error\n"), random.is_one_in(2))?
            }
            Leg::Export(_) => ground.set_server_failing(true)?,
            Leg::Disk(_) => return Ok(()),
        }
        wait_for(&format!("the failure of leg {number} of {}", self.name), || {
            let has_failed = |(_, letters): &(bool, String)| letters.as_bytes()[number] != b'A';
            // Nobody asks for anything any more once it is over.
            Ok(soak.is_over() || self.status(ground)?.iter().any(has_failed))
        })?;
        random.sleep(Duration::from_secs(1));
        match leg {
            Leg::Mapped(name) => ground.exchange(name, &healthy(&leg.disk()), false)?,
            _ => ground.set_server_failing(false)?,
        }
        soak.counts.errors.add(1);
        // A leg that failed has another chance when the device is resumed.
        ground.ask(&["suspend", self.name])?;
        ground.ask(&["resume", self.name])?;
        self.wait_until_healthy(ground)
    }

    /// Compares the legs, all in sync, while nobody writes.
    fn compare(&self, soak: &Soak) -> Result<(), Failure> {
        soak.ground.ask(&["suspend", self.name])?;
        let (first, others) = (self.legs[0].disk(), &self.legs[1..]);
        for leg in others {
            if let Some(at) = soak.ground.compare(&first, &leg.disk())? {
                return Err(SoakFailure::Legs { volume: self.name, at }.into());
            }
        }
        soak.counts.comparisons.add(1);
        soak.ground.ask(&["resume", self.name]).map(drop)
    }
}

fn healthy(disk: &str) -> String {
    format!("0 {SECTORS} linear {disk} 0\n")
}

/// Whether all regions are in sync, and a letter for each of so many legs: of a line of `dmctl status`.
fn status(line: &str, legs: usize) -> Option<(bool, String)> {
    let mut words = line.split_whitespace().skip_while(|&word| word != "mirror");
    let (done, all) = words.nth(2 + legs)?.split_once('/')?;
    let letters = words.nth(1)?;
    (letters.len() == legs).then(|| (done == all, letters.to_owned()))
}

/// Has something happen to the mirror that keeps its log in memory.
pub(super) fn trouble_core(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let ground = &soak.ground;
    match random.below(5) {
        leg @ (0 | 1) => CORE.fail_leg(soak, leg as usize, random)?,
        2 => {
            ground.exchange(
                CORE.name,
                &CORE.table(ground, 1 << random.below(3)),
                random.is_one_in(2),
            )?;
            soak.counts.swaps.add(1);
        }
        3 => {
            // The first leg alone for a while, and a mirror again, which has much to copy.
            ground.exchange(CORE.name, &format!("0 {SECTORS} linear core0 0\n"), false)?;
            random.sleep(Duration::from_secs(1));
            ground.exchange(CORE.name, &CORE.table(ground, 1), random.is_one_in(2))?;
            soak.counts.swaps.add(2);
        }
        _ => CORE.compare(soak)?,
    }
    CORE.wait_until_healthy(ground)?;
    random.sleep(Duration::from_millis(500));
    Ok(())
}

/// Has something happen to the mirror with its log on disk, or to the server that it has a leg on.
pub(super) fn trouble_disk(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let ground = &soak.ground;
    match random.below(5) {
        0 => DISK.fail_leg(soak, 0, random)?,
        1 => DISK.fail_leg(soak, 2, random)?,
        2 => {
            ground.kill_server();
            random.sleep(Duration::from_secs(1));
            ground.start_server(&DISK.legs[2].disk(), SERVER_SOCKET)?;
            soak.counts.servers_killed.add(1);
        }
        3 => {
            // Another mirror, which goes by what the log says.
            ground.exchange(DISK.name, &DISK.table(ground, 1), random.is_one_in(2))?;
            soak.counts.swaps.add(1);
        }
        _ => DISK.compare(soak)?,
    }
    DISK.wait_until_healthy(ground)?;
    random.sleep(Duration::from_millis(500));
    Ok(())
}

/// Compares the legs of all mirrors, when all is over.
pub(super) fn compare_all(soak: &Soak) -> Result<(), Failure> {
    CORE.compare(soak)?;
    DISK.compare(soak)
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn a_status_line_is_understood() {
        let line = "0 65536 mirror 3 core0 /a b 63/64 1 ADA 3 disk /log A";
        assert_eq!(status(line, 3), Some((false, "ADA".to_owned())));
        let line = "0 65536 mirror 2 core0 core1 64/64 1 AA 1 core";
        assert_eq!(status(line, 2), Some((true, "AA".to_owned())));
        assert_eq!(status("0 65536 linear core0 0", 2), None);
    }
}
