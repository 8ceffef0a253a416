//! The command line.

use std::fmt::Write as _;

use lexopt::prelude::*;

use crate::failure::Failure;
use crate::fuzz;
use crate::kernel;
use crate::sanitize::SANITIZERS;
use crate::sim;
use crate::soak;
use crate::steps::{STEPS, Step};

/// What to do.
pub(crate) enum Chore {
    Help,
    Setup,
    /// The steps to run (all of them, when empty), and whether to go on after one failed.
    Test {
        only: Vec<&'static Step>,
        keep_going: bool,
    },
    /// Count the lines that tests run.
    Coverage,
    /// Look for inputs that break something.
    Fuzz(fuzz::Chore),
    /// Run tests under these sanitizers.
    Sanitize(Vec<&'static str>),
    /// Something with the Linux kernel module.
    Kernel(kernel::Chore),
    /// Try and measure the vhost-user-blk disk in a virtual machine.
    Vm {
        kernel: Option<String>,
    },
    /// Try the block devices of the kernel's ublk driver in a virtual machine.
    VmUblk {
        kernel: Option<String>,
    },
    /// Record the traces that the benchmarks replay.
    RecordTraces,
    /// Run what takes too long for every day.
    Soak(soak::Chore),
    /// Run the simulator.
    Sim(sim::Seeds),
    /// One benchmark, or all of them, and arguments for it.
    Bench {
        name: Option<String>,
        args: Vec<String>,
    },
}

pub(crate) fn help() -> String {
    let mut help = "\
cargo xtask test [--only STEP[,STEP]...] [--keep-going]   every check, or only these
cargo xtask setup                                         install what the checks need
cargo xtask sim --seeds N [--from S]                      the simulator, for these seeds
cargo xtask bench [NAME [ARGUMENT...]]                    every benchmark, or only this one
cargo xtask bench io [--long]                             our server against those of others, on the same work
cargo xtask bench mirror [--rounds N]                     resyncs against plain copies, and what readers notice
cargo xtask coverage                                      lines of the core crates that tests run
cargo xtask soak [--minutes N]                            one daemon under everything at once, verified; N is 10
cargo xtask soak --deaths                                 clients and daemons killed, many times: ten minutes
cargo xtask fuzz [--seconds N] [--only TARGET[,TARGET]...]  every fuzz target in turn
cargo xtask sanitize [thread] [address]                   tests that have threads or unsafe code, under sanitizers
cargo xtask kernel build [--kdir DIR | --kernel VERSION]  the Linux module, for these headers or Debian's
cargo xtask kernel test [--kernel VERSION] [--full]       the same, and try it in a virtual machine
cargo xtask kernel bench [--kernel VERSION]               the same, and measure it there
cargo xtask vm [--kernel VERSION]                         vhost-user-blk disks in a virtual machine, ours and QEMU's
cargo xtask vm --ublk [--kernel VERSION]                  dmctl in a virtual machine, with ublk block devices
cargo xtask trace record                                  the traces that benchmarks replay; as root

The steps of `test`, in order; it stops at the first that fails, unless told to keep going:
"
    .to_owned();
    for step in STEPS {
        let _ = writeln!(help, "  {:<12}{}", step.name, step.what);
    }
    help
}

pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    match args.next()? {
        None | Some(Short('h') | Long("help")) => Ok(Chore::Help),
        Some(Value(chore)) => match chore.string()?.as_str() {
            "help" => Ok(Chore::Help),
            "setup" => none_left(args, Chore::Setup),
            "test" => test(args),
            "bench" => bench(args),
            "coverage" => none_left(args, Chore::Coverage),
            "fuzz" => fuzz::parse(args).map(Chore::Fuzz),
            "kernel" => kernel::parse(args).map(Chore::Kernel),
            "sanitize" => sanitize(args),
            "vm" => vm(args),
            "trace" => trace(args),
            "soak" => Ok(soak::parse(args)?.map_or(Chore::Help, Chore::Soak)),
            "sim" => Ok(sim::parse(&mut args)?.map_or(Chore::Help, Chore::Sim)),
            other => Err(lexopt::Error::from(format!("there is no chore `{other}`")).into()),
        },
        Some(other) => Err(other.unexpected().into()),
    }
}

fn test(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    let mut only = Vec::new();
    let mut keep_going = false;
    while let Some(arg) = args.next()? {
        match arg {
            Long("only") => {
                for name in args.value()?.string()?.split(',') {
                    only.push(step(name)?);
                }
            }
            Long("keep-going") => keep_going = true,
            Short('h') | Long("help") => return Ok(Chore::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Test { only, keep_going })
}

fn step(name: &str) -> Result<&'static Step, lexopt::Error> {
    let found = STEPS.iter().find(|step| step.name == name);
    found.ok_or_else(|| format!("there is no step `{name}`").into())
}

fn bench(args: lexopt::Parser) -> Result<Chore, Failure> {
    let mut args = args;
    let mut words = Vec::new();
    for word in args.raw_args()? {
        words.push(word.string()?);
    }
    let named = words.first().is_some_and(|word| !word.starts_with('-'));
    let name = named.then(|| words.remove(0));
    Ok(Chore::Bench { name, args: words })
}

fn vm(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    let (mut kernel, mut ublk) = (None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Long("kernel") => kernel = Some(args.value()?.string()?),
            Long("ublk") => ublk = true,
            Short('h') | Long("help") => return Ok(Chore::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(if ublk { Chore::VmUblk { kernel } } else { Chore::Vm { kernel } })
}

fn sanitize(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    let mut chosen = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Value(name) => {
                let name = name.string()?;
                let known = SANITIZERS.iter().find(|known| **known == name);
                let unknown = || lexopt::Error::from(format!("there is no sanitizer `{name}`"));
                chosen.push(*known.ok_or_else(unknown)?);
            }
            Short('h') | Long("help") => return Ok(Chore::Help),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Chore::Sanitize(chosen))
}

fn trace(mut args: lexopt::Parser) -> Result<Chore, Failure> {
    match args.next()? {
        Some(Value(word)) if word == "record" => none_left(args, Chore::RecordTraces),
        Some(Short('h') | Long("help")) => Ok(Chore::Help),
        Some(other) => Err(other.unexpected().into()),
        None => Err(lexopt::Error::from("`trace` is followed by `record`").into()),
    }
}

fn none_left(mut args: lexopt::Parser, chore: Chore) -> Result<Chore, Failure> {
    match args.next()? {
        None => Ok(chore),
        Some(Short('h') | Long("help")) => Ok(Chore::Help),
        Some(other) => Err(other.unexpected().into()),
    }
}

#[cfg(test)]
mod tests;
