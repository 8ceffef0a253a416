//! Random steps through any surface, compared after each with a plain model.

use std::format;
use std::ops::Range;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;

use super::model::{CHUNK, Model, text};
use super::{DEVICE_SECTORS, Refusal, Surface};

/// A surface through which devices can be read and written, too.
pub trait DataSurface: Surface {
    /// Reads so many bytes of a device.
    fn read_data(&mut self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DataError>;

    /// Writes to a device.
    fn write_data(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DataError>;

    /// Fills a part of a device with zeros. Where the surface has no way to ask for that, it writes.
    fn zero_data(&mut self, name: &str, offset: u64, length: usize) -> Result<(), DataError> {
        self.write_data(name, offset, &std::vec![0; length])
    }
}

/// A device could not be read or written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataError;

/// Names of devices.
pub(super) const NAMES: [&str; 4] = ["p", "q", "r", "s"];

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create { name: &'static str, minor: Option<u32> },
    Rename { name: &'static str, new: &'static str },
    Load(Load),
    Verb { verb: Verb, name: &'static str, through_state: bool },
    Data(Data),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Remove,
    Clear,
    Suspend,
    Resume,
}

#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) sectors: u64,
    pub(super) to: To,
}

/// Where a line leads, from which sector there on.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Disk(usize, u64),
    Device(&'static str, u64),
    /// The first two disks.
    Striped(u64),
    Zero,
    Error,
}

/// A read, or a write of so many sectors of one byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data {
    pub(super) name: &'static str,
    pub(super) fill: Option<u8>,
    pub(super) sector: u64,
    pub(super) sectors: u64,
}

/// Which seeds a test takes, and how many steps of each.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many steps follow from each.
    pub steps: usize,
}

impl Seeds {
    /// These; `DM_MODEL_SEED` in the environment is one seed instead, and `DM_MODEL_STEPS` another number
    /// of steps.
    ///
    /// # Panics
    /// If what the environment says is no number.
    pub fn of_test(seeds: Range<u64>, steps: usize) -> Seeds {
        let said = |name: &str| {
            let value = std::env::var(name).ok()?;
            let number: u64 =
                value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number"));
            Some(number)
        };
        Seeds {
            seeds: said("DM_MODEL_SEED").map_or(seeds, |seed| seed..seed + 1),
            steps: said("DM_MODEL_STEPS").map_or(steps, |steps| steps as usize),
        }
    }
}

/// Takes so many steps that follow from `seed`; the disks must hold zeros, and there must be no devices.
/// In the end there are none again. Returns what the first sectors of each disk hold then, a byte a
/// sector; all others hold zeros.
///
/// # Panics
/// If anything is not as the model says: with the seed, and the last steps that led there.
pub fn run_steps(seed: u64, steps: usize, surface: &mut dyn DataSurface) -> Vec<Vec<u8>> {
    let mut model = Model::new(surface.devices());
    let mut random = Random(seed);
    let mut taken = Vec::new();
    for number in 1..=steps {
        let step = random.step();
        if matches!(step, Step::Data(data) if model.holds(data.name)) {
            continue;
        }
        taken.push(step.clone());
        take(&step, &mut model, surface)
            .and_then(|()| compare(&mut model, surface))
            .unwrap_or_else(|why| {
                let last = &taken[taken.len().saturating_sub(40)..];
                panic!("DM_MODEL_SEED={seed} DM_MODEL_STEPS={number}: {why}\nafter {last:#?}")
            });
    }
    let in_the_end =
        |why: String| panic!("DM_MODEL_SEED={seed} DM_MODEL_STEPS={steps}, in the end: {why}");
    // What lies on another goes first.
    for _ in NAMES {
        for name in NAMES {
            for verb in [Verb::Clear, Verb::Remove] {
                let step = Step::Verb { verb, name, through_state: false };
                take(&step, &mut model, surface).unwrap_or_else(in_the_end);
            }
        }
    }
    assert_eq!(model.list(), "");
    compare(&mut model, surface).unwrap_or_else(in_the_end);
    model.into_disks()
}

fn take(step: &Step, model: &mut Model, surface: &mut dyn DataSurface) -> Result<(), String> {
    if let Step::Data(data) = step {
        return take_data(data, model, surface);
    }
    let expected = model.control(step);
    let (path, written) = step.written(&model.names());
    let found = surface.write(&path, written.as_bytes()).map_err(|Refusal { errno, .. }| errno);
    if found == expected {
        return Ok(());
    }
    Err(format!("{written:?} to {path}: {found:?}, expected {expected:?}"))
}

fn take_data(data: &Data, model: &mut Model, surface: &mut dyn DataSurface) -> Result<(), String> {
    let Data { name, fill, sector, sectors } = *data;
    let expected = model.data(data);
    let (offset, length) = (sector * 512, sectors as usize * 512);
    let found = match fill {
        None => surface.read_data(name, offset, length),
        Some(0) => surface.zero_data(name, offset, length).map(|()| Vec::new()),
        Some(fill) => {
            let bytes = std::vec![fill; length];
            surface.write_data(name, offset, &bytes).map(|()| Vec::new())
        }
    };
    let expected = expected.ok_or(DataError);
    let expected =
        expected.map(|bytes| bytes.iter().flat_map(|&byte| [byte; 512]).collect::<Vec<u8>>());
    if found == expected {
        return Ok(());
    }
    let sectors = |bytes: Vec<u8>| bytes.chunks(512).map(|sector| sector[0]).collect::<Vec<u8>>();
    let (found, expected) = (found.map(sectors), expected.map(sectors));
    Err(format!("{data:?}: {found:?}, expected {expected:?}"))
}

/// All that can be seen is as the model says: every byte of every device that can be read, then what
/// there is, and its tables. Who had a device open for a moment may take another to let go of it.
fn compare(model: &mut Model, surface: &mut dyn DataSurface) -> Result<(), String> {
    for (name, sectors) in model.readable() {
        take_data(&Data { name, fill: None, sector: 0, sectors }, model, surface)?;
    }
    let expected = model.list();
    let mut found = String::new();
    for _ in 0..1000 {
        found = surface.read("control").map_err(|why| format!("control: {why:?}"))?;
        if found == expected {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if found != expected {
        return Err(format!("control:\n{found}expected:\n{expected}"));
    }
    for (name, expected) in model.tables() {
        for (file, expected) in ["table", "inactive"].into_iter().zip(expected) {
            let path = format!("{name}/{file}");
            let found = surface.read(&path).map_err(|why| format!("{path}: {why:?}"))?;
            if found != expected {
                return Err(format!("{path}:\n{found}expected:\n{expected}"));
            }
        }
    }
    Ok(())
}

impl Step {
    /// The file, and what is written to it.
    fn written(&self, disks: &[&str]) -> (String, String) {
        let control = |line: String| ("control".to_string(), line + "\n");
        match self {
            Step::Create { name, minor: None } => control(format!("create {name}")),
            Step::Create { name, minor: Some(minor) } => control(format!("create {name} {minor}")),
            Step::Rename { name, new } => control(format!("rename {name} {new}")),
            Step::Load(Load { name, lines }) => {
                let table = format!("begin\n{}end\n", text(lines, disks));
                (format!("{name}/table"), table)
            }
            Step::Verb { verb, name, through_state } => {
                let word = match verb {
                    Verb::Remove => "remove",
                    Verb::Clear => "clear",
                    Verb::Suspend => "suspend",
                    Verb::Resume => "resume",
                };
                match through_state {
                    true => (format!("{name}/state"), format!("{word}\n")),
                    false => control(format!("{word} {name}")),
                }
            }
            Step::Data(data) => panic!("{data:?} is not for a control file"),
        }
    }
}

/// The sequence of a seed: `splitmix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len() as u64) as usize]
    }

    fn step(&mut self) -> Step {
        let name = self.name();
        match self.below(20) {
            0..2 => {
                Step::Create { name, minor: (self.below(3) == 0).then(|| self.below(6) as u32) }
            }
            2 => Step::Rename { name, new: self.name() },
            3..7 => {
                let count = 1 + self.below(4);
                let lines = (0..count).map(|_| self.line()).collect();
                Step::Load(Load { name, lines })
            }
            7 => Step::Verb { verb: Verb::Remove, name, through_state: false },
            8 => Step::Verb { verb: Verb::Clear, name, through_state: false },
            9 => Step::Verb { verb: Verb::Suspend, name, through_state: self.below(2) == 0 },
            10..12 => Step::Verb { verb: Verb::Resume, name, through_state: self.below(2) == 0 },
            _ => {
                // Now and then zeros, now and then too far.
                let fill = (self.below(2) == 0).then(|| self.below(4) as u8 * 17);
                let (sector, sectors) = (self.below(24), 1 + self.below(16));
                Step::Data(Data { name, fill, sector, sectors })
            }
        }
    }

    fn line(&mut self) -> Line {
        let (sectors, at) = (1 + self.below(16), self.below(24));
        let to = match self.below(10) {
            0..3 => To::Disk(self.below(3) as usize, at),
            3..6 => To::Device(self.name(), at / 3),
            6..8 => {
                return Line { sectors: sectors.div_ceil(4) * 2 * CHUNK, to: To::Striped(at) };
            }
            8 => To::Zero,
            // Now and then one that cannot be.
            _ if self.below(3) == 0 => To::Disk(0, DEVICE_SECTORS),
            _ => To::Error,
        };
        Line { sectors, to }
    }
}
