//! Whatever earlier runs have found worth keeping, and whatever has gone wrong once.

use std::fs;
use std::path::Path;

use dm_fuzz::TARGETS;

/// The files of a folder beside Cargo.toml, by name; none if there is no folder.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn replay(folder: &str, run: fn(&[u8])) -> usize {
    let files = files(folder);
    for (name, bytes) in &files {
        println!("{name}");
        run(bytes);
    }
    files.len()
}

#[test]
fn corpora_pass() {
    for (name, run) in TARGETS {
        let replayed = replay(&format!("corpus/{name}"), *run);
        assert!(replayed > 0, "no corpus for {name}");
    }
}

#[test]
fn regressions_pass() {
    for (name, run) in TARGETS {
        replay(&format!("regressions/{name}"), *run);
    }
}

#[test]
fn random_bytes_pass() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (_, run) in TARGETS {
        for _ in 0..200 {
            let length = random() % 600;
            let bytes: Vec<u8> = (0..length).map(|_| (random() >> 24) as u8).collect();
            run(&bytes);
        }
    }
}

#[test]
fn every_target_has_a_program() {
    for (name, _) in TARGETS {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
        let text = fs::read_to_string(program).unwrap();
        assert!(text.contains(&format!("dm_fuzz::target!({name});")));
    }
}
