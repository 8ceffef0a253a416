use std::string::{String, ToString};

use dm_table::{Args, Position};

use super::*;
use crate::testing::{construct, printed};

const REFUSED: &[(&str, &str)] = &[
    ("0 64 mirror", "1:12: expected the log, core or disk, found the end of the line"),
    ("0 64 mirror clustered 1 8 2 a 0 b 0", "1:13: the log must be core or disk"),
    (
        "0 64 mirror core 3 8 nosync x 2 a 0 b 0",
        "1:18: the number of log arguments must be 1 or 2, found 3",
    ),
    (
        "0 64 mirror disk 1 a 8 2 a 0 b 0",
        "1:18: the number of log arguments must be 2 or 3, found 1",
    ),
    (
        "0 64 mirror core 1 9 2 a 0 b 0",
        "1:20: the region size must be a power of two, 8 or more, found 9",
    ),
    (
        "0 64 mirror core 1 4 2 a 0 b 0",
        "1:20: the region size must be a power of two, 8 or more, found 4",
    ),
    (
        "0 64 mirror core 1 0 2 a 0 b 0",
        "1:20: the region size must be a power of two, 8 or more, found 0",
    ),
    (
        "0 9223372036854775808 mirror core 1 1024 2 c 0 c 0",
        "1:37: the region size must be such that there are at most 268435456 regions, found 1024",
    ),
    ("0 64 mirror core 2 8 perhaps 2 a 0 b 0", "1:22: expected sync or nosync"),
    ("0 64 mirror core 1 8 1 a 0", "1:22: the number of mirrors must be from 2 to 32, found 1"),
    ("0 64 mirror core 1 8 33 a 0", "1:22: the number of mirrors must be from 2 to 32, found 33"),
    ("0 64 mirror core 1 8 3 a 0 b 0", "1:31: expected a device, found the end of the line"),
    (
        "0 64 mirror core 1 8 2 a 0 b 1990",
        "1:30: 64 sectors from sector 1990 on do not fit on `b`, which has 2000",
    ),
    ("0 64 mirror core 1 8 2 a 0 b 0 1 hopes", "1:34: expected handle_errors or keep_log"),
    (
        "0 64 mirror core 1 8 2 a 0 b 0 1 keep_log x",
        "1:43: expected the end of the line, found `x`",
    ),
    (
        "0 64 mirror disk 2 nowhere 8 2 a 0 b 0",
        "1:20: cannot open device `nowhere`: no such device or file",
    ),
    (
        "0 9223372036854775808 mirror disk 2 a 137438953472 2 c 0 c 0",
        "1:37: 16386 sectors from sector 0 on do not fit on `a`, which has 1000",
    ),
];

#[test]
fn what_is_wrong_is_said_and_where() {
    for (line, expected) in REFUSED {
        let error = construct(line).map(|_| ()).unwrap_err();
        std::println!("{line}: {error}");
        assert_eq!(error, *expected, "{line}");
    }
}

/// A line's arguments, as they are printed again, and its status before it is live.
const PRINTED: &[(&str, &str)] = &[
    ("core 1 8 2 a 0 b 100", "2 a b 0/8 1 AA 1 core"),
    ("core 2 8 nosync 2 a 0 b 100", "2 a b 8/8 1 AA 1 core"),
    ("core 2 16 sync 3 a 0 b 100 c 7", "3 a b c 0/4 1 AAA 1 core"),
    ("disk 2 b 8 2 a 0 a 100 1 handle_errors", "2 a a 0/8 1 AA 3 disk b A"),
    ("disk 3 b 64 nosync 2 a 0 a 100 1 keep_log", "2 a a 0/1 1 AA 3 disk b A"),
    ("disk 3 b 64 sync 2 a 0 a 100 2 handle_errors keep_log", "2 a a 0/1 1 AA 3 disk b A"),
];

#[test]
fn prints_what_makes_the_same_mirror_again() {
    for (args, status) in PRINTED {
        let line = std::format!("0 64 mirror {args}");
        assert_eq!(printed(&line), (args.to_string(), status.to_string()), "{line}");
    }
}

#[test]
fn quoted_words_mean_what_they_mean_without_backslashes() {
    let quoted = "0 64 mirror \\disk 3 b 64 no\\sync 2 a 0 a 100 2 handle\\_errors keep_\\log";
    assert_eq!(printed(quoted).0, "disk 3 b 64 nosync 2 a 0 a 100 2 handle_errors keep_log");
    let (target, _) = construct("0 64 mirror core 1 8 2 a 0 b 0").unwrap();
    let message = |text| target.message(Args::new(text, Position::START), &mut String::new());
    assert_eq!(message("pa\\use"), Ok(()));
    assert!(message("pau\\\\se").is_err());
}

#[test]
fn a_leg_has_the_same_number_however_it_is_quoted() {
    let number = |text| args::identify(Args::new(text, Position::START));
    assert_eq!(number("/dev/s\\da 8 more"), number("/dev/sda 8"));
    assert_ne!(number("a\\ b 8"), number("ab 8"));
    // Logs name legs by it: it stays as it was. FNV-1a of "a 0 ".
    assert_eq!(number("a 0"), 0xc252_eb82_abda_8cf4);
}

#[test]
fn there_are_not_more_regions_than_a_log_has_room_for() {
    let length = Sectors::new(268_435_456 * 8);
    assert_eq!(args::check_region(8, length), Ok(()));
    assert!(args::check_region(8, Sectors::new(length.get() + 1)).is_err());
}

#[test]
fn a_log_may_fill_its_device() {
    // A thousand sectors of which two are not bits.
    let regions = 998 * 4096;
    assert!(construct(&std::format!("0 {} mirror disk 2 a 8 2 c 0 c 0", regions * 8)).is_ok());
    let more = construct(&std::format!("0 {} mirror disk 2 a 8 2 c 0 c 0", regions * 8 + 8));
    assert!(more.err().unwrap().contains("1001 sectors from sector 0 on do not fit on `a`"));
}

#[test]
fn tells_what_it_uses_of_which_device() {
    let (target, _) = construct("0 64 mirror disk 2 a 8 2 b 7 c 9").unwrap();
    let mut used = Vec::new();
    target.uses(&mut |device, range| {
        used.push((device.0, range.start().get(), range.length().get()));
    });
    assert_eq!(used, [(1, 7, 64), (2, 9, 64), (0, 0, 3)]);
}

#[test]
fn the_worst_of_a_leg_is_shown() {
    let shared = Shared::new(2, 1).unwrap();
    let letters = || shared.letters().collect::<String>();
    shared.set_letter(0, shared::Letter::ReadFailed);
    shared.set_letter(1, shared::Letter::SyncFailed);
    assert_eq!(letters(), "RS");
    shared.set_letter(0, shared::Letter::Dead);
    shared.set_letter(0, shared::Letter::ReadFailed);
    shared.set_letter(1, shared::Letter::ReadFailed);
    assert_eq!(letters(), "DS");
}
