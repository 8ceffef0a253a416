//! How many instructions a lookup and a whole request take, counted by callgrind, and guarded.
//!
//! `icount` runs itself under `valgrind --tool=callgrind` once for each case, compares with
//! `icount.txt` beside Cargo.toml, and fails where a lookup takes more than 3 % and 1 instruction
//! more than recorded. `icount --record` writes the file anew. Lookups are scalar; requests take the
//! instructions that the processor offers, less AVX-512, which valgrind does not know.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use dm_benches::idle::{self, IdleBio};
use dm_benches::workload::{ends, random_queries};
use dm_btree::{BTree32, BTree64, Index, Instructions, SectorIndex, Staged};

/// How many lookups are counted: a run with them, less one without.
const LOOKUPS: usize = 1000;

const FORMS: &[&str] = &["Index", "64-bit", "32-bit", "staged"];
const SIZES: &[usize] = &[1, 4, 16, 64, 1000, 10_000];

fn main() -> io::Result<ExitCode> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["run", form, targets, lookups] = words[..] {
        let number = |word: &str| word.parse().map_err(io::Error::other);
        run(form, number(targets)?, number(lookups)?);
        return Ok(ExitCode::SUCCESS);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("icount.txt");
    let mut counted = String::from("# instructions a lookup: form, targets, count\n");
    for form in FORMS {
        for targets in SIZES {
            counted += &format!("{form} {targets} {:.1}\n", count(form, *targets)?);
        }
    }
    // A whole request, in and out of dm-core, by the instructions that the table itself picks.
    for targets in SIZES {
        let form = map_form(*targets);
        counted += &format!("{form} {targets} {:.1}\n", count(&form, *targets)?);
    }
    if words == ["--record"] {
        fs::write(&path, counted)?;
        return Ok(ExitCode::SUCCESS);
    }
    let crept = crept(&fs::read_to_string(&path)?, &counted);
    print!("{counted}{crept}");
    Ok(if crept.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each count that is missing, or more than it may be.
fn crept(recorded: &str, counted: &str) -> String {
    let mut text = String::new();
    for line in counted.lines().filter(|line| !line.starts_with('#')) {
        let Some((case, now)) = line.rsplit_once(' ') else { continue };
        let was = recorded.lines().filter_map(|line| line.rsplit_once(' ')).find(|l| l.0 == case);
        match (was.and_then(|(_, was)| was.parse::<f64>().ok()), now.parse::<f64>()) {
            (Some(was), Ok(now)) if now <= was * 1.03 + 1.0 => {}
            (Some(was), _) => text += &format!("{case}: {now} instructions, recorded {was}\n"),
            (None, _) => text += &format!("{case}: {now} instructions, none recorded\n"),
        }
    }
    text
}

/// `map, ` and the name of the instructions that valgrind's processor will choose: it has no AVX-512.
fn map_form(targets: usize) -> String {
    let index = Index::build(ends(targets, 500)).expect("keys in order");
    match index.instructions().name() {
        "AVX-512" => "map,AVX2".into(),
        name => format!("map,{name}"),
    }
}

/// Instructions a lookup.
fn count(form: &str, targets: usize) -> io::Result<f64> {
    let with = instructions(form, targets, LOOKUPS)?;
    let without = instructions(form, targets, 0)?;
    Ok(with.saturating_sub(without) as f64 / LOOKUPS as f64)
}

/// Instructions of a whole run, as callgrind sums them up.
fn instructions(form: &str, targets: usize, lookups: usize) -> io::Result<u64> {
    let out: PathBuf = env::temp_dir().join(format!("icount.{}", std::process::id()));
    let result = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=1"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args(["run", form, &targets.to_string(), &lookups.to_string()])
        .output()?;
    let text = fs::read_to_string(&out).unwrap_or_default();
    let _ = fs::remove_file(&out);
    let sum = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
    sum.ok_or_else(|| io::Error::other(String::from_utf8_lossy(&result.stderr).into_owned()))
}

fn run(form: &str, targets: usize, lookups: usize) {
    let ends = ends(targets, 500);
    let queries = random_queries(ends[targets - 1], LOOKUPS);
    let queries = &queries[..lookups];
    let scalar = Instructions::SCALAR;
    match form {
        "Index" => find(&Index::build(ends).expect("keys in order").with(scalar), queries),
        "64-bit" => {
            find(&BTree64::build(&ends, Vec::new()).expect("keys in order").with(scalar), queries)
        }
        "32-bit" => {
            find(&BTree32::build(&ends, Vec::new()).expect("keys in order").with(scalar), queries)
        }
        "staged" => find(
            &Staged::build(&ends, Vec::new(), Vec::new()).expect("keys in order").with(scalar),
            queries,
        ),
        _ => map(targets as u64, queries.len()),
    }
}

/// Sends that many requests through dm-core, and completes them.
fn map(lines: u64, requests: usize) {
    let mapper = idle::mapper(true);
    let device = idle::device(&mapper, &idle::linear_lines(lines));
    let open = device.open().expect("the device is there");
    for sector in random_queries(lines * 1024 - 8, LOOKUPS).iter().take(requests) {
        // Within a line, as most requests are.
        open.submit(IdleBio::read(sector & !7, 8));
    }
    black_box(mapper.host().take_sum());
}

#[inline(never)]
fn find(index: &impl SectorIndex, queries: &[u64]) {
    for sector in queries {
        black_box(index.lookup(*sector));
    }
}

#[cfg(test)]
mod tests {
    use super::crept;

    #[test]
    fn more_than_recorded_is_told_and_less_is_not() {
        let recorded = "# comment\nIndex 1 10.0\nIndex 4 100.0\n";
        assert_eq!(crept(recorded, "Index 1 11.2\nIndex 4 90.0\n"), "");
        assert_eq!(crept(recorded, "Index 1 11.4\n"), "Index 1: 11.4 instructions, recorded 10\n");
        assert_eq!(
            crept(recorded, "Index 4 105.0\n"),
            "Index 4: 105.0 instructions, recorded 100\n"
        );
        assert_eq!(crept(recorded, "Index 9 1.0\n"), "Index 9: 1.0 instructions, none recorded\n");
    }
}
