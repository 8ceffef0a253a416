//! Writes a trace from the lines of `dmctl mount --record`, and says what is in it.
//!
//! `compact_trace WHAT TABLE RECORD TRACE`: what was recorded, in words; the device's table; what
//! `dmctl` wrote; where the trace goes.

use std::error::Error;
use std::{env, fs};

use dm_benches::trace::{Op, Request, Trace};

/// What is cut off beyond.
const MOST: usize = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [what, table, record, to] = &args[..] else {
        return Err("expected WHAT TABLE RECORD TRACE".into());
    };
    let lines = fs::read_to_string(table)?;
    let lines = lines.lines().map(|line| word(line, 1)).collect::<Result<_, _>>()?;
    let record = fs::read_to_string(record)?;
    let requests = record.lines().take(MOST).map(request).collect::<Result<_, _>>()?;
    let trace = Trace { what: what.clone(), lines, requests };
    let mut bytes = Vec::new();
    trace.write(&mut bytes)?;
    fs::write(to, &bytes)?;

    let count = |op| trace.requests.iter().filter(|request| request.op == op).count();
    println!(
        "{} lines; {} reads, {} writes, {} flushes, {} discards; {} requests in all, {} bytes",
        trace.lines.len(),
        count(Op::Read),
        count(Op::Write),
        count(Op::Flush),
        count(Op::Discard),
        trace.requests.len(),
        bytes.len(),
    );
    Ok(())
}

/// A request from its line, `NAME OP SECTOR SECTORS`.
fn request(line: &str) -> Result<Request, Box<dyn Error>> {
    let op = match line.split(' ').nth(1) {
        Some("read") => Op::Read,
        Some("write" | "zero") => Op::Write,
        Some("flush") => Op::Flush,
        Some("discard") => Op::Discard,
        _ => return Err(format!("no request: `{line}`").into()),
    };
    Ok(Request { op, sector: word(line, 2)?, sectors: word(line, 3)? })
}

/// A word of a line, which is a number.
fn word(line: &str, n: usize) -> Result<u64, Box<dyn Error>> {
    let word = line.split(' ').nth(n).and_then(|word| word.parse().ok());
    word.ok_or_else(|| format!("word {n} is not a number: `{line}`").into())
}
