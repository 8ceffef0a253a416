//! `cargo xtask bench mirror`: how fast a mirror's legs become equal, and what that costs who reads.
//!
//! Everything runs in turns, as often as there are rounds, and nobody comes first in every round; the
//! medians count. What a machine that is busy otherwise does to one, it does to the others.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use lexopt::prelude::*;

use crate::dmctl;
use crate::failure::Failure;
use crate::io::{IoFailure, fill};
use crate::setup::{self, Tool, tool};
use crate::shell;

const TOOLS: &[Tool] = &[
    tool("fio", "fio", "the client"),
    tool("dd", "coreutils", "a copy to compare with"),
    tool("nbdcopy", "libnbd-bin", "a copy to compare with"),
];

struct Plan {
    rounds: usize,
    megabytes: u64,
    /// How long fio reads.
    seconds: u32,
    /// Of the resync that it is disturbed by, in MB/s.
    limit: u64,
}

impl Plan {
    fn parse(args: &[String]) -> Result<Plan, lexopt::Error> {
        let mut plan = Plan { rounds: 5, megabytes: 1024, seconds: 2, limit: 40 };
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("rounds") => plan.rounds = parser.value()?.parse()?,
                Long("megabytes") => plan.megabytes = parser.value()?.parse()?,
                Long("seconds") => plan.seconds = parser.value()?.parse()?,
                Long("limit") => plan.limit = parser.value()?.parse()?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(plan)
    }
}

/// Measures, and prints the medians.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let plan = Plan::parse(args)?;
    setup::packages(TOOLS)?;
    dmctl::build()?;
    let ground = Ground::prepare(&plan)?;
    println!("{} MiB, {} rounds; medians", plan.megabytes, plan.rounds);
    for prefix in ["direct:", ""] {
        let copies = ground.copies(&plan, prefix)?;
        report("MB/s", prefix, &copies, "dmctl", |ours, other| (ours / other, ">= 0.90"));
    }
    for prefix in ["direct:", ""] {
        let delays = ground.delays(&plan, prefix)?;
        report("us p99", prefix, &delays, DISTURBED, |ours, other| (ours / other, "<= 2.00"));
    }
    Ok(())
}

const DISTURBED: &str = "4 KiB reads, resync";
const QUIET: &str = "4 KiB reads, in sync";

/// Figures of one name.
type Figures = (&'static str, Vec<f64>);

fn report(
    unit: &str,
    prefix: &str,
    figures: &[Figures],
    ours: &str,
    compare: impl Fn(f64, f64) -> (f64, &'static str),
) {
    let legs = if prefix.is_empty() { "page cache" } else { "O_DIRECT" };
    let median_of = |name: &str| figures.iter().find(|(other, _)| *other == name).map(median);
    let ours_median = median_of(ours).unwrap_or(f64::NAN);
    for figure in figures {
        let (name, value) = (figure.0, median(figure));
        let all: Vec<String> = figure.1.iter().map(|value| format!("{value:.0}")).collect();
        let ratio = match name == ours {
            true => String::new(),
            false => {
                let (ratio, goal) = compare(ours_median, value);
                format!("  ratio {ratio:.2}, goal {goal}")
            }
        };
        println!("{legs:10}  {name:22}{value:9.0} {unit}{ratio}  ({})", all.join(" "));
    }
}

fn median((_, values): &Figures) -> f64 {
    let mut values = values.clone();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Two files, and a daemon.
struct Ground {
    folder: PathBuf,
    sectors: u64,
    daemon: Child,
}

impl Ground {
    fn prepare(plan: &Plan) -> Result<Ground, Failure> {
        let folder = shell::scratch().join("mirror");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(file(&folder))?;
        let mut seed = 20011;
        for name in ["a", "b"] {
            fill(&folder.join(name), plan.megabytes << 20, &mut seed)?;
        }
        let mut command = dmctl(&folder, &["serve"]);
        let started = command.stdout(Stdio::piped()).spawn();
        let program = "dmctl serve".to_owned();
        let mut daemon = started.map_err(|source| Failure::Start { command: program, source })?;
        let lines = daemon.stdout.take().map(|out| BufReader::new(out).lines());
        let is_ready =
            lines.is_some_and(|mut lines| lines.any(|line| line.is_ok_and(|line| line == "ready")));
        let ground = Ground { folder, sectors: plan.megabytes << 11, daemon };
        match is_ready {
            true => Ok(ground),
            false => Err(IoFailure::NotServing { server: "dmctl", seconds: 0 }.into()),
        }
    }

    /// Megabytes a second of each way to make `b` what `a` is.
    fn copies(&self, plan: &Plan, prefix: &str) -> Result<Vec<Figures>, Failure> {
        let dd = |flags: &[&str]| {
            let mut dd = self.program("dd", &["if=a", "of=b", "bs=1M", "conv=notrunc"]);
            dd.args(flags).arg("status=none");
            shell::read(&mut dd).map(drop)
        };
        let nbdcopy = || shell::read(&mut self.program("nbdcopy", &["a", "b"])).map(drop);
        let ours = || self.resync(prefix);
        type Copy<'c> = &'c dyn Fn() -> Result<(), Failure>;
        let direct = || dd(&["iflag=direct", "oflag=direct"]);
        let cached = || dd(&[]);
        let ways: Vec<(&'static str, Copy<'_>)> = match prefix {
            "" => vec![("dmctl", &ours), ("dd", &cached), ("nbdcopy", &nbdcopy)],
            _ => vec![("dmctl", &ours), ("dd", &direct)],
        };
        let mut figures: Vec<Figures> = ways.iter().map(|way| (way.0, Vec::new())).collect();
        for round in 0..plan.rounds {
            for turn in 0..ways.len() {
                let n = (turn + round) % ways.len();
                self.settle()?;
                let start = Instant::now();
                (ways[n].1)()?;
                let rate = (self.sectors * 512) as f64 / 1e6 / start.elapsed().as_secs_f64();
                figures[n].1.push(rate);
                if ways[n].0 == "dmctl" {
                    self.verb(&["remove", "m"])?;
                }
            }
        }
        Ok(figures)
    }

    /// The 99th percentile of what reads take, in microseconds, with and without a resync.
    fn delays(&self, plan: &Plan, prefix: &str) -> Result<Vec<Figures>, Failure> {
        let mut figures = vec![(DISTURBED, Vec::new()), (QUIET, Vec::new())];
        for round in 0..plan.rounds {
            for turn in 0..2 {
                let n = (turn + round) % 2;
                self.settle()?;
                let log = if n == 0 { "core 1 1024" } else { "core 2 1024 nosync" };
                self.create(prefix, log)?;
                self.verb(&["message", "m", "0", "limit", &plan.limit.to_string()])?;
                figures[n].1.push(self.read(plan.seconds)?);
                let status = self.verb(&["status", "m"])?;
                let all = self.sectors / 1024;
                let is_in_sync = status.contains(&format!(" {all}/{all} "));
                if is_in_sync != (n == 1) {
                    let what = "the resync was over before fio: more megabytes, or less of a limit";
                    return Err(IoFailure::Fio(what.into()).into());
                }
                self.verb(&["remove", "m"])?;
            }
        }
        Ok(figures)
    }

    /// Reads at random, one at a time.
    fn read(&self, seconds: u32) -> Result<f64, Failure> {
        let mut fio = self.program("fio", &["--name=read", "--ioengine=nbd", "--minimal"]);
        fio.arg("--uri=nbd+unix:///m?socket=run/nbd.sock").args(["--rw=randread", "--bs=4096"]);
        fio.args(["--iodepth=1", "--norandommap", "--randrepeat=0", "--time_based"]);
        fio.arg(format!("--size={}", self.sectors * 512)).arg(format!("--runtime={seconds}"));
        let printed = shell::read(&mut fio)?;
        let fields = printed.lines().flat_map(|line| line.split(';'));
        let mut found = fields.filter_map(|field| field.strip_prefix("99.000000%=")?.parse().ok());
        found.next().ok_or_else(|| IoFailure::Fio(printed.clone()).into())
    }

    /// Makes a mirror, and waits until it is in sync.
    fn resync(&self, prefix: &str) -> Result<(), Failure> {
        self.create(prefix, "core 1 1024")?;
        let all = self.sectors / 1024;
        loop {
            let events = self.verb(&["ls", "--json"])?;
            let event = events.lines().find_map(|line| line.trim().strip_prefix("\"events\": "));
            let event = event.unwrap_or("0").trim_end_matches(',').to_owned();
            if self.verb(&["status", "m"])?.contains(&format!(" {all}/{all} ")) {
                return Ok(());
            }
            self.verb(&["wait", "m", &event])?;
        }
    }

    fn create(&self, prefix: &str, log: &str) -> Result<(), Failure> {
        let name = |name| format!("{prefix}{}", self.folder.join(name).display());
        let (sectors, a, b) = (self.sectors, name("a"), name("b"));
        let table = format!("0 {sectors} mirror {log} 2 {a} 0 {b} 0");
        self.verb(&["create", "m", "--table", &table]).map(drop)
    }

    fn verb(&self, args: &[&str]) -> Result<String, Failure> {
        shell::read(&mut dmctl(&self.folder, args))
    }

    fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = shell::command(program, args);
        command.current_dir(&self.folder);
        command
    }

    /// Has what was written to the files written back, so that nobody is measured with it.
    fn settle(&self) -> Result<(), Failure> {
        for name in ["a", "b"] {
            let path = self.folder.join(name);
            File::open(&path).and_then(|file| file.sync_data()).map_err(file(&path))?;
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // It fails where the daemon has ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn dmctl(folder: &std::path::Path, args: &[&str]) -> Command {
    let program = dmctl::program();
    let mut command = shell::command(program, &["--dir"]);
    command.arg(folder.join("run")).args(args);
    command
}

fn file(path: &std::path::Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}
