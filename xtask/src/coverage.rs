//! Which lines of the core crates their tests run.
//!
//! Counted by the compiler's own instrumentation, of unit, property and integration tests; lines of
//! tests do not count.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;
use crate::shell;

/// What is counted, and whose tests run: those of the simulator try the core too.
const CRATES: &[&str] =
    &["dm-sync", "dm-table", "dm-btree", "dm-targets", "dm-core", "dm-proc-shim"];

/// Runs the tests, and prints for each crate how many lines it has, and how many ran.
pub(crate) fn run() -> Result<(), Failure> {
    let folder = shell::scratch().join("coverage");
    let raw = folder.join("raw");
    // Counts of an earlier run would be added.
    let _ = fs::remove_dir_all(&raw);
    let test = |more: &[&str]| {
        let mut cargo = shell::cargo(&["test", "--lib", "--tests", "--package", "dm-sim"]);
        cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
        cargo.arg("--target-dir").arg(&folder).args(more);
        cargo.env("RUSTFLAGS", "-Cinstrument-coverage");
        cargo.env("LLVM_PROFILE_FILE", raw.join("%p-%m.profraw"));
        cargo
    };
    let llvm = Llvm::find()?;
    // Counting makes this one take minutes; what it runs, others run too.
    shell::run(&mut test(&["--", "--skip", "every_size_up_to_20_000"]))?;
    let list = &mut test(&["--no-run"]);
    let listed = list.output();
    let listed = listed.map_err(|source| Failure::Start { command: shell::words(list), source })?;
    if !listed.status.success() {
        return Err(Failure::Exit { command: shell::words(list), status: listed.status });
    }
    let programs = programs(&String::from_utf8_lossy(&listed.stderr));

    let counts = folder.join("all.profdata");
    let mut merge = shell::command(llvm.tool("llvm-profdata"), &["merge", "--sparse"]);
    shell::run(merge.arg(&raw).arg("--output").arg(&counts))?;
    let mut report = shell::command(llvm.tool("llvm-cov"), &["report", "--ignore-filename-regex"]);
    report.arg("/tests/|/tests.rs|/testing|/examples/|/registry/|/rustc/|/library/");
    report.arg("--instr-profile").arg(&counts);
    report.args(programs.iter().flat_map(|program| ["--object", program.as_str()]));
    let report = shell::read(&mut report)?;
    print!("{}", summary(&report));
    Ok(())
}

/// Tools that fit the compiler: what it counts, no older ones can read.
struct Llvm {
    suffix: String,
    folder: Option<PathBuf>,
}

impl Llvm {
    fn find() -> Result<Llvm, Failure> {
        let version = shell::read(&mut shell::command("rustc", &["--version", "--verbose"]))?;
        let field = |name| version.lines().find_map(|line| line.strip_prefix(name));
        let major = field("LLVM version: ").and_then(|llvm| llvm.split('.').next());
        let suffix = major.map(|major| format!("-{major}")).unwrap_or_default();
        let sysroot = shell::read(&mut shell::command("rustc", &["--print", "sysroot"]))?;
        let host = field("host: ").unwrap_or_default();
        // Where rustup's component llvm-tools puts them.
        let component = PathBuf::from(sysroot.trim()).join("lib/rustlib").join(host).join("bin");
        let folder = component.join("llvm-cov").is_file().then_some(component);
        if folder.is_none() && !shell::has(&format!("llvm-cov{suffix}")) {
            let package = format!("llvm{suffix}");
            eprintln!(
                "coverage: needs `rustup component add llvm-tools`, or the package {package}"
            );
        }
        Ok(Llvm { suffix, folder })
    }

    fn tool(&self, name: &str) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.join(name),
            None => format!("{name}{}", self.suffix).into(),
        }
    }
}

/// The test programs that cargo names: `Executable tests/x.rs (target/debug/deps/x-0123)`.
fn programs(listed: &str) -> Vec<String> {
    let paths = listed.lines().filter(|line| line.trim_start().starts_with("Executable"));
    let paths = paths.filter_map(|line| Some(line.rsplit_once('(')?.1.trim_end_matches(')')));
    paths.map(str::to_owned).collect()
}

/// A line for each crate: its lines, those that no test ran, and the share of the others.
fn summary(report: &str) -> String {
    let mut crates: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for line in report.lines() {
        // Three numbers each for regions, functions and lines follow the file's name.
        let words: Vec<&str> = line.split_whitespace().collect();
        let [file, _, _, _, _, _, _, lines, missed, ..] = words[..] else { continue };
        let of = |name: &&&str| file.starts_with(**name) || file.contains(&format!("/{name}/"));
        let (Some(name), Ok(lines), Ok(missed)) =
            (CRATES.iter().find(of), lines.parse::<u64>(), missed.parse::<u64>())
        else {
            continue;
        };
        let sum = crates.entry(name).or_default();
        *sum = (sum.0 + lines, sum.1 + missed);
    }
    let mut text = format!("{:<14}{:>8}{:>8}{:>8}\n", "crate", "lines", "missed", "run");
    for (name, (lines, missed)) in crates {
        let share = 100.0 * (lines - missed) as f64 / lines.max(1) as f64;
        text += &format!("{name:<14}{lines:>8}{missed:>8}{share:>7.1}%\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_summed_by_crate() {
        let report = "\
Filename           Regions Missed Cover Functions Missed Executed Lines Missed Cover
dm-core/src/a.rs        10      1 90.00%        2      0  100.00%    30      3 90.00%
dm-core/src/b.rs        10      1 90.00%        2      0  100.00%    10      1 90.00%
dm-host/src/c.rs        10      1 90.00%        2      0  100.00%    10      1 90.00%
TOTAL                   20      2 90.00%        4      0  100.00%    40      4 90.00%
";
        let summed = summary(report);
        assert!(summed.ends_with("dm-core             40       4   90.0%\n"), "{summed}");
        assert_eq!(summed.lines().count(), 2);
    }

    #[test]
    fn programs_are_what_stands_in_brackets() {
        let listed =
            "  Executable unittests src/lib.rs (target/debug/deps/dm_core-01)\nother (x)\n";
        assert_eq!(programs(listed), ["target/debug/deps/dm_core-01"]);
    }
}
