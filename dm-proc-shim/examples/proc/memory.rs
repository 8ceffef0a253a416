//! Every operation with every allocation of the module refused, one after the other.
//!
//! First those of the thread that asks for the operation: the answer is that there is no memory,
//! nothing has changed, nothing is lost, and the live table still maps. Then those of the others, which
//! work on its behalf: it succeeds all the same.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::Barrier;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::FOLDER;

mod cases;
mod disk;

use cases::CASES;
use disk::{Disk, Request};

const KNOB: &str = "/sys/module/dmrs/parameters/fail_allocation";
const HELD: &str = "/sys/module/dmrs/parameters/allocations";
const NODES: &str = "/dev/device-mapper";
const ENOMEM: i32 = 12;

/// What is written to which file of `/proc/device-mapper`.
type Command = (&'static str, &'static str);

/// An operation, what it needs, and what undoes it.
struct Case {
    before: &'static [Command],
    act: Act,
    after: &'static [Command],
}

#[derive(Debug)]
enum Act {
    Write(Command),
    Read(&'static str),
    /// Of a device, from its first sector on, so many sectors.
    Request(Request, &'static str, u64),
}

/// Whose allocations are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whose {
    Own,
    Others,
}

/// Runs all cases on devices that `cases::WORLD` makes. Prints how many allocations each has.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    obey(cases::WORLD)?;
    let live = Disk::open(&Path::new(NODES).join(cases::LIVE), cases::LIVE_SECTORS)?;
    live.request(&Request::Write)?;
    let mut all = 0;
    for case in CASES {
        for whose in [Whose::Own, Whose::Others] {
            let count = refuse_each(case, whose, &live)
                .map_err(|error| format!("{:?}, {whose:?}: {error}", case.act))?;
            println!("{:?}, {whose:?}: {count} allocations", case.act);
            all += count;
        }
    }
    drop(live);
    obey(cases::END)?;
    for _ in 0..WRITES_AT_ONCE {
        all += write_at_once()?;
    }
    println!("{all} allocations refused");
    Ok(())
}

/// How often two write at once, for each allocation of one of them.
const WRITES_AT_ONCE: usize = 20;

/// Makes a device, with each allocation refused that this takes, while another thread makes one. Each is
/// there if its maker was told so, and only then. Returns how many were refused.
fn write_at_once() -> Result<u64, Box<dyn Error>> {
    for n in 1.. {
        let start = Barrier::new(2);
        let (mine, finished, others) = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
            let other = scope.spawn(|| {
                start.wait();
                write("control", "create other")
            });
            let armed = arm(n, Whose::Own);
            start.wait();
            let mine = write("control", "create mine");
            let finished = number(KNOB).map(|left| left != 0);
            let disarmed = arm(0, Whose::Own);
            let others = other.join().map_err(|_| "the other thread panicked")?;
            armed.and(disarmed)?;
            Ok((mine, finished?, others))
        })?;
        others.map_err(|error| format!("the other's device, beside allocation {n}: {error}"))?;
        let devices = list(FOLDER)?;
        let is_there = |name: &str| devices.iter().any(|device| device == name);
        if !is_there("other") || is_there("mine") != mine.is_ok() {
            return Err(format!("{mine:?} beside allocation {n}, but there are {devices:?}").into());
        }
        write("control", "remove other")?;
        match mine {
            Ok(()) => write("control", "remove mine")?,
            Err(error) if error.raw_os_error() == Some(ENOMEM) => {}
            Err(error) => return Err(error.into()),
        }
        if finished {
            return Ok(n - 1);
        }
    }
    unreachable!("n has no end");
}

fn refuse_each(case: &Case, whose: Whose, live: &Disk) -> Result<u64, Box<dyn Error>> {
    let held = number(HELD)?;
    obey(case.before)?;
    let before = state_at_rest()?;
    case.act.carry_out()?;
    let changed = state_at_rest()?;
    obey(case.after)?;
    for n in 1.. {
        obey(case.before)?;
        expect(&before, "before")?;
        let held_before = number(HELD)?;
        arm(n, whose)?;
        let done = case.act.carry_out();
        let finished = number(KNOB)? != 0;
        arm(0, whose)?;
        match done {
            Ok(()) if finished || whose == Whose::Others || case.act.may_do_without() => {
                // Whoever writes next has what could not be done then done.
                write("control", "# nothing")?;
                expect(&changed, &format!("after allocation {n}"))?;
            }
            Ok(()) => return Err(format!("succeeds without its allocation {n}").into()),
            Err(error) if !finished && whose == Whose::Own => {
                if error.raw_os_error() != Some(ENOMEM) {
                    return Err(format!("{error}, without allocation {n}").into());
                }
                expect(&before, &format!("without allocation {n}"))?;
                if number(HELD)? != held_before {
                    return Err(format!("leaks without allocation {n}").into());
                }
                live.check()?;
                case.act.carry_out()?;
                expect(&changed, "at the second try")?;
            }
            Err(error) => return Err(format!("allocation {n}: {error}").into()),
        }
        live.check()?;
        obey(case.after)?;
        if finished {
            let now = number(HELD)?;
            return match now == held {
                true => Ok(n - 1),
                false => Err(format!("{held} pieces of memory before, {now} after").into()),
            };
        }
    }
    unreachable!("n has no end");
}

impl Act {
    fn carry_out(&self) -> io::Result<()> {
        match self {
            Act::Write((file, text)) => write(file, text),
            Act::Read(file) => read(file).map(|_| ()),
            Act::Request(request, device, sectors) => {
                let node = Path::new(NODES).join(device);
                Disk::open(&node, *sectors)?.request(request)
            }
        }
    }

    /// What binds a table, or makes a disk, does without links to the devices below, for a while: they
    /// are for people.
    fn may_do_without(&self) -> bool {
        let Act::Write((_, text)) = self else {
            return false;
        };
        ["begin", "resume", "rename"].iter().any(|verb| text.starts_with(verb))
    }
}

/// What is known of all devices, but for the numbers of their events.
fn state() -> io::Result<String> {
    let mut state = String::new();
    for line in read("control")?.lines() {
        let _ = writeln!(state, "{}", line.rsplit_once(' ').unwrap_or((line, "")).0);
    }
    let mut names = list(FOLDER)?;
    names.retain(|name| name != "control");
    for name in &names {
        let text = read(name)?;
        let lines = text.lines().filter(|line| !line.starts_with("events "));
        let _ = writeln!(state, "{name}: {}", lines.collect::<Vec<_>>().join("\n"));
    }
    let _ = writeln!(state, "{:?}", list(NODES)?);
    for disk in list("/sys/block")?.iter().filter(|disk| disk.starts_with("dmr-")) {
        let folder = Path::new("/sys/block").join(disk);
        let _ = writeln!(state, "{disk} {:?}", list(folder.join("slaves"))?);
        for file in ["size", "dm/name", "dm/suspended", "queue/logical_block_size"] {
            let _ = write!(state, "{file} {}", fs::read_to_string(folder.join(file))?);
        }
    }
    Ok(state)
}

/// The state once mirrors have begun their work: it is the same for a while.
fn state_at_rest() -> io::Result<String> {
    let mut before = state()?;
    loop {
        sleep(Duration::from_millis(20));
        let now = state()?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

/// Waits until the state is that one.
fn expect(then: &str, when: &str) -> Result<(), Box<dyn Error>> {
    let begin = Instant::now();
    loop {
        let now = state()?;
        if now == then {
            return Ok(());
        }
        if begin.elapsed() > Duration::from_secs(10) {
            let (now, then) =
                now.lines().zip(then.lines()).find(|(a, b)| a != b).unwrap_or_default();
            return Err(format!("{when}: {now:?} instead of {then:?}").into());
        }
        sleep(Duration::from_millis(1));
    }
}

fn arm(n: u64, whose: Whose) -> io::Result<()> {
    let sign = if whose == Whose::Own { "" } else { "-" };
    fs::write(KNOB, format!("{sign}{n}"))
}

fn obey(commands: &[Command]) -> Result<(), Box<dyn Error>> {
    for (file, text) in commands {
        write(file, text).map_err(|error| format!("{file}: {text}: {error}"))?;
    }
    Ok(())
}

fn write(file: &str, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).open(Path::new(FOLDER).join(file))?;
    file.write_all(format!("{text}\n").as_bytes())
}

fn read(file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(Path::new(FOLDER).join(file))?.read_to_string(&mut text)?;
    Ok(text)
}

fn number(file: &str) -> Result<u64, Box<dyn Error>> {
    Ok(fs::read_to_string(file)?.trim().parse()?)
}

fn list(folder: impl AsRef<Path>) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
