//! `cargo xtask soak`: one daemon under everything at once, for as long as one likes.
//!
//! fio writes to every volume and verifies what it wrote, while tables are exchanged, lines are moved,
//! legs of mirrors fail and come back, servers die, and clients come and go. Before and after, when all is
//! quiet, the daemon's memory, descriptors and threads are counted: they must be what they were.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lexopt::prelude::*;

use crate::dmctl;
use crate::failure::Failure;
use crate::setup::{self, Tool, tool};
use crate::shell;

mod clients;
mod ground;
mod mirrors;
mod plot;
mod random;
mod report;
mod sample;
mod tables;
mod volume;

use ground::Ground;
use random::Random;
use report::Counts;
use sample::Sample;
use volume::VOLUMES;

const TOOLS: &[Tool] =
    &[tool("fio", "fio", "verified I/O over NBD"), tool("nbdkit", "nbdkit", "a disk that fails")];

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Chore {
    /// Everything at once, for that long.
    Load(Duration),
    /// The tests in which clients and daemons are killed, many times.
    Deaths,
}

/// Why a daemon did not stand it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakFailure {
    #[error("the daemon has ended, or never was ready")]
    NoDaemon,
    #[error("nothing is left that would start nbdkit")]
    NoServer,
    #[error("`{what}` is not over after {} s", patience.as_secs())]
    Stuck { what: String, patience: Duration },
    #[error("{volume}: fio did not find what it had written:\n{said}")]
    Verify { volume: &'static str, said: String },
    #[error("{volume}: the mirror is in sync, but its legs differ from byte {at} on")]
    Legs { volume: &'static str, at: u64 },
    #[error("{0}")]
    Unexpected(String),
    #[error("the daemon has grown, quiet as before: {0}")]
    Grown(String),
}

/// Reads `[--minutes N | --deaths]`.
pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Option<Chore>, lexopt::Error> {
    let mut chore = Chore::Load(Duration::from_secs(600));
    while let Some(arg) = args.next()? {
        match arg {
            Long("minutes") => {
                let minutes: f64 = args.value()?.parse()?;
                let time = Duration::try_from_secs_f64(minutes * 60.0);
                chore = Chore::Load(time.map_err(|error| error.to_string())?);
            }
            Long("deaths") => chore = Chore::Deaths,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(chore))
}

pub(crate) fn run(chore: Chore) -> Result<(), Failure> {
    match chore {
        Chore::Load(time) => load(time),
        Chore::Deaths => {
            let test = ["test", "--package", "dm-host", "--test", "dmctl", "--", "soak_"];
            let words = [&test[..], &["--ignored", "--nocapture", "--test-threads=1"]].concat();
            shell::run(&mut shell::cargo(&words))
        }
    }
}

/// What all that goes on at once shares.
struct Soak {
    ground: Ground,
    counts: Counts,
    is_over: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

/// What goes on, each in a thread of its own, again and again.
type Worker = fn(&Soak, &mut Random) -> Result<(), Failure>;

const WORKERS: &[Worker] = &[
    tables::exchange_lines,
    tables::exchange_stripes,
    tables::move_lines,
    mirrors::trouble_core,
    mirrors::trouble_disk,
    clients::visit,
    clients::export,
    clients::create_and_remove,
];

fn load(time: Duration) -> Result<(), Failure> {
    setup::packages(TOOLS)?;
    dmctl::build()?;
    let soak = Soak {
        ground: Ground::prepare()?,
        counts: Counts::default(),
        is_over: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    volume::create_all(&soak.ground)?;

    // What is made when it is first needed is there after this.
    let warm_up = (time / 5).clamp(Duration::from_secs(20), Duration::from_secs(120));
    println!("warming up for {} s", warm_up.as_secs());
    soak.phase(warm_up, 1)?;
    let first = soak.quiet(None)?;
    soak.counts.clear();
    soak.ground.count_requests(&soak.counts.requests_before)?;
    println!("quiet: {first}; now for {} s", time.as_secs());
    let samples = soak.phase(time, 2)?;
    let last = soak.quiet(Some(&first))?;
    soak.ground.count_requests(&soak.counts.requests_after)?;
    mirrors::compare_all(&soak)?;

    let target = shell::target();
    print!("{}", report::table(&soak.counts, time, &first, &last));
    write(&target.join("soak.json"), &report::json(&soak.counts, time, &first, &last, &samples))?;
    write(&target.join("soak.svg"), &plot::draw(&samples))?;
    last.compare(&first).map_err(|grown| SoakFailure::Grown(grown).into())
}

impl Soak {
    /// Does everything at once for that long, then lets each come to its end.
    fn phase(&self, time: Duration, seed: u64) -> Result<Vec<Sample>, Failure> {
        self.is_over.store(false, Ordering::SeqCst);
        let mut samples = Vec::new();
        std::thread::scope(|scope| {
            let mut seeds = seed * 1000..;
            let mut random = || Random::new(seeds.next().unwrap_or(seed));
            for worker in WORKERS {
                let random = random();
                scope.spawn(move || self.repeat(random, *worker));
            }
            for volume in VOLUMES {
                let random = random();
                scope
                    .spawn(move || self.repeat(random, |soak, r| clients::verify(soak, volume, r)));
            }
            self.watch(time, &mut samples);
        });
        match self.failure.lock().ok().and_then(|mut failure| failure.take()) {
            Some(failure) => Err(failure),
            None => Ok(samples),
        }
    }

    fn repeat(
        &self,
        mut random: Random,
        mut work: impl FnMut(&Soak, &mut Random) -> Result<(), Failure>,
    ) {
        while !self.is_over() {
            if let Err(why) = work(self, &mut random) {
                self.fail(why);
            }
        }
    }

    /// Takes a sample each second, and tells how it goes.
    fn watch(&self, time: Duration, samples: &mut Vec<Sample>) {
        let begin = Instant::now();
        let every = Duration::from_secs(if time.as_secs() > 600 { 60 } else { 10 });
        let mut told = Duration::ZERO;
        while begin.elapsed() < time && !self.is_over() {
            std::thread::sleep(Duration::from_secs(1));
            match self.ground.sample(begin.elapsed()) {
                Ok(sample) => samples.push(sample),
                Err(why) => self.fail(why),
            }
            let (Some(sample), true) = (samples.last(), begin.elapsed() >= told + every) else {
                continue;
            };
            told += every;
            println!("{:5} s  {}  {sample}", told.as_secs(), self.counts.line());
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// The daemon with nobody connected; it may take a moment to see that they are gone.
    fn quiet(&self, like: Option<&Sample>) -> Result<Sample, Failure> {
        let begin = Instant::now();
        loop {
            std::thread::sleep(Duration::from_secs(2));
            let sample = self.ground.sample(Duration::ZERO)?;
            let is_like = like.is_none_or(|like| sample.compare(like).is_ok());
            if is_like || begin.elapsed() > Duration::from_secs(20) {
                return Ok(sample);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Only the first counts; what else fails then may follow from it.
    fn fail(&self, why: Failure) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(why);
        }
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    println!("writing {}", path.display());
    std::fs::write(path, text).map_err(file(path))
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}
