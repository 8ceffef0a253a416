//! One line of a table, and requests for the target that it makes.

use std::fmt;

use dm_targets::table::{Escaped, Sector, Sectors, parse};
use dm_targets::{DeviceId, DeviceNames, Devices, Map, Op, OpenError, Registry, Request, Target};

/// Name, sectors, and sectors in a logical block.
const DISKS: &[(&str, u64, u64)] =
    &[("a", 1 << 20, 1), ("b", 4096, 8), ("c", u64::MAX, 1), ("8:1", 1000, 1), ("x y", 64, 1)];

#[derive(Default)]
struct Opened(Vec<&'static (&'static str, u64, u64)>);

impl Devices for Opened {
    fn open(&mut self, name: &str) -> Result<DeviceId, OpenError> {
        let known = self.0.iter().position(|disk| disk.0 == name);
        let n = match known {
            Some(n) => n,
            None => {
                let disk = DISKS.iter().find(|disk| disk.0 == name);
                self.0.push(disk.ok_or(OpenError::NotFound)?);
                self.0.len() - 1
            }
        };
        Ok(DeviceId(n as u32))
    }

    fn size(&self, device: DeviceId) -> Sectors {
        Sectors::new(self.0[device.0 as usize].1)
    }

    fn logical_block(&self, device: DeviceId) -> Sectors {
        Sectors::new(self.0[device.0 as usize].2)
    }
}

impl DeviceNames for Opened {
    fn write_name(&self, device: DeviceId, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", Escaped(self.0[device.0 as usize].0))
    }
}

/// What it constructs maps every request of its line to sectors that its devices have, keeps to
/// their logical blocks, maps each sector where the whole request's mapping says, and prints as what
/// constructs the same again.
///
/// Behind the line feed, every four bytes pick a place in the line and a length.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (line, picks) = data.split_at(end);
    let Ok(text) = std::str::from_utf8(line) else { return };
    let Some((target, opened, length)) = construct(text) else { return };
    let printed = print(&*target, &opened);
    let again = format!("0 {length} {} {printed}", target.name());
    let (same, reopened, _) = construct(&again).unwrap_or_else(|| panic!("{again:?} is refused"));
    assert_eq!(print(&*same, &reopened), printed);

    let block = opened.0.iter().map(|disk| disk.2).max().unwrap_or(1);
    for pick in picks.chunks_exact(4).take(64) {
        let [a, b, op, many] = [pick[0], pick[1], pick[2], pick[3]].map(u64::from);
        let place = ((u128::from(length - 1) * u128::from(a << 8 | b)) >> 16) as u64;
        let at = place / block * block;
        let sectors = (many + 1).saturating_mul(block).min(length - at);
        let op = [Op::Read, Op::Write, Op::Discard, Op::WriteZeroes][op as usize % 4];
        let map = |target: &dyn Target, at: u64, sectors: u64| {
            target.map(&Request { op, at: Sector::new(at), sectors: Sectors::new(sectors) })
        };
        let whole = map(&*target, at, sectors);
        assert_eq!(whole, map(&*same, at, sectors), "it maps as it prints");
        if let Map::To { device, sector, sectors: mapped } = whole {
            let (name, size, block) = *opened.0[device.0 as usize];
            let mapped = mapped.get();
            assert!(mapped >= 1 && mapped <= sectors, "{mapped} of {sectors} sectors");
            let last = sector.get().checked_add(mapped).expect("no overflow");
            assert!(last <= size, "{last} is past the end of `{name}`");
            assert!(sector.get() % block == 0 && mapped % block == 0, "within blocks of {block}");
            let last = map(&*target, at + mapped - block, block);
            let sector = Sector::new(last_block(sector.get(), mapped, block));
            assert_eq!(last, Map::To { device, sector, sectors: Sectors::new(block) });
        }
    }
}

fn last_block(sector: u64, mapped: u64, block: u64) -> u64 {
    sector + mapped - block
}

fn construct(text: &str) -> Option<(Box<dyn Target>, Opened, u64)> {
    let line = parse(text.as_bytes()).next()?.ok()?;
    let registry = Registry::with_builtins().expect("memory");
    let target_type = registry.find(&line.target())?;
    let mut opened = Opened::default();
    match target_type.construct(line.args(), line.range(), &mut opened) {
        Ok(target) => Some((target, opened, line.range().length().get())),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn print(target: &dyn Target, names: &Opened) -> String {
    let mut text = String::new();
    target.write_args(&mut text, names).expect("text takes all");
    let mut status = String::new();
    target.write_status(&mut status, names).expect("text takes all");
    assert!(!text.contains('\n') && !status.contains('\n'));
    text
}
