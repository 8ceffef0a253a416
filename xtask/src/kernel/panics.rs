//! Checks that the module's object cannot reach code that panics, except as listed.
//!
//! The linker has dropped what no entry point can reach, function by function. In what is left, every
//! reference from a function to one that panics must be in `dm-proc-shim/kernel/panics.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::failure::Failure;
use crate::kernel::KernelFailure;
use crate::shell;

const LIST: &str = "dm-proc-shim/kernel/panics.txt";

pub(crate) fn check(object: &Path) -> Result<(), Failure> {
    let path = shell::root().join(LIST);
    let list = fs::read_to_string(&path).map_err(|source| Failure::File { path, source })?;
    let allowed: BTreeSet<&str> = list.lines().filter_map(entry).collect();
    let relocations = shell::read(shell::command("objdump", &["--reloc"]).arg(object))?;
    let found = panics(&demangle(&references(&relocations))?);
    let new: Vec<_> =
        found.iter().filter(|edge| !allowed.contains(edge.as_str())).cloned().collect();
    for gone in allowed.iter().filter(|edge| !found.contains(**edge)) {
        eprintln!("kernel: {LIST} lists what is no longer there: {gone}");
    }
    if new.is_empty() {
        eprintln!("kernel: {} references to code that panics, all listed", found.len());
        return Ok(());
    }
    Err(KernelFailure::Panics(new.join("\n")).into())
}

/// A line of the list: `function -> what panics  # why it never does`.
fn entry(line: &str) -> Option<&str> {
    let entry = line.split("  #").next().unwrap_or_default().trim();
    (!entry.is_empty() && !entry.starts_with('#')).then_some(entry)
}

/// Which function's code refers to which, from `objdump --reloc`.
fn references(relocations: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut function = None;
    for line in relocations.lines() {
        if let Some(section) = line.strip_prefix("RELOCATION RECORDS FOR [") {
            function = section.strip_suffix("]:").and_then(code);
        } else if let Some(function) = function {
            let Some(to) = line.split_whitespace().nth(2) else { continue };
            let to = to.split(['+', '-']).next().unwrap_or_default();
            let to = code(to).unwrap_or(to);
            if to != "VALUE" && to != function {
                references.entry(function.to_owned()).or_default().insert(to.to_owned());
            }
        }
    }
    references
}

/// The function whose code a section holds.
fn code(section: &str) -> Option<&str> {
    let name = section.strip_prefix(".text.")?;
    Some(name.strip_prefix("unlikely.").unwrap_or(name))
}

/// The same, by readable names without the hashes that differ from build to build.
fn demangle(
    references: &BTreeMap<String, BTreeSet<String>>,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut names: BTreeSet<&str> = references.keys().map(String::as_str).collect();
    names.extend(references.values().flatten().map(String::as_str));
    let input: String = names.iter().map(|name| format!("{name}\n")).collect();
    let output = filter(&input)?;
    let readable: BTreeMap<&str, String> =
        names.iter().copied().zip(output.lines().map(without_hashes)).collect();
    let name = |mangled: &String| readable.get(mangled.as_str()).unwrap_or(mangled).clone();
    let mut demangled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in references {
        demangled.entry(name(from)).or_default().extend(to.iter().map(name));
    }
    Ok(demangled)
}

fn filter(input: &str) -> Result<String, Failure> {
    let mut command = shell::command("c++filt", &["--format=rust"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let start = |source| Failure::Start { command: "c++filt".into(), source };
    let mut child = command.spawn().map_err(start)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    });
    Ok(String::from_utf8_lossy(&output.map_err(start)?.stdout).into_owned())
}

/// `core[123456789abcdef]::x` as `core::x`; zeros at the front of a hash are left out.
fn without_hashes(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.split_once(']') {
            Some((hash, after))
                if (8..=16).contains(&hash.len())
                    && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
            {
                rest = after;
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out + rest
}

/// The references into code that panics, from code that may also do something else.
fn panics(references: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut panicking: BTreeSet<&str> = references
        .keys()
        .chain(references.values().flatten())
        .map(String::as_str)
        .filter(|name| is_panic(name))
        .collect();
    // Where the library's helpers refer to one another, the outermost is what matters.
    panicking.extend(references.keys().map(String::as_str).filter(|name| is_panic(name)));
    let mut found = BTreeSet::new();
    for (from, to) in references.iter().filter(|(from, _)| !panicking.contains(from.as_str())) {
        for to in to.iter().filter(|to| panicking.contains(to.as_str())) {
            found.insert(format!("{from} -> {to}"));
        }
    }
    found
}

/// Whether a function of the library's does nothing but panic.
fn is_panic(name: &str) -> bool {
    const WHOLE: &[&str] = &[
        "alloc::alloc::handle_alloc_error",
        "alloc::raw_vec::handle_error",
        "alloc::raw_vec::capacity_overflow",
        "core::slice::index::slice_index_fail",
        "core::str::slice_error_fail",
        "__rustc::__rdl_alloc_error_handler",
        "__rustc::__rust_alloc_error_handler",
        "__rustc::rust_begin_unwind",
    ];
    WHOLE.contains(&name)
        || name.starts_with("core::panicking::")
        || name.ends_with("::unwrap_failed")
        || name.ends_with("::expect_failed")
        || name.ends_with("::assert_failed")
        || name.contains("len_mismatch_fail")
        || name.starts_with("core::cell::panic_")
}

#[cfg(test)]
mod tests;
