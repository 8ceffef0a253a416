use super::*;
use crate::{CtrError, Devices, Target};
use dm_table::{Args, SectorRange};

struct Named(&'static str, &'static [&'static str]);

impl TargetType for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.1
    }

    fn version(&self) -> [u16; 3] {
        [0, 0, 1]
    }

    fn usage(&self) -> &'static str {
        ""
    }

    fn construct<'t>(
        &self,
        _args: Args<'t>,
        _at: SectorRange,
        _devices: &mut dyn Devices,
    ) -> Result<Box<dyn Target>, CtrError<'t>> {
        Err(CtrError { at: None, reason: crate::CtrReason::Other("not to be made") })
    }
}

#[test]
fn refuses_names_that_are_taken_or_cannot_be_named() {
    let mut registry = Registry::with_builtins().unwrap();
    let mut register = |name, aliases| registry.register(Named(name, aliases)).err();
    assert_eq!(register("linear", &[]), Some(RegisterError::Taken { name: "linear" }));
    assert_eq!(register("io-err", &[]), Some(RegisterError::Taken { name: "io-err" }));
    assert_eq!(register("new", &["zero"]), Some(RegisterError::Taken { name: "zero" }));
    assert_eq!(register("", &[]), Some(RegisterError::BadName { name: "" }));
    assert_eq!(register("a b", &[]), Some(RegisterError::BadName { name: "a b" }));
    assert_eq!(register("new", &["newer"]), None);
    assert_eq!(register("newer", &[]), Some(RegisterError::Taken { name: "newer" }));
    assert_eq!(registry.find("newer").unwrap().name(), "new");
    assert!(registry.find("newest").is_none());
}

#[test]
fn guesses_what_was_meant() {
    let registry = Registry::with_builtins().unwrap();
    for (word, guess) in [
        ("liner", Some("linear")),
        ("lienar", Some("linear")),
        ("stripe", Some("striped")),
        ("zeros", Some("zero")),
        ("ioerr", Some("io-err")),
        ("raid5", None),
        ("", None),
        ("a word that is much longer than any target type", None),
    ] {
        assert_eq!(registry.nearest(word), guess, "{word}");
    }
}

#[test]
fn a_copy_does_not_see_what_is_registered_later() {
    let mut registry = Registry::with_builtins().unwrap();
    let copy = registry.try_clone().unwrap();
    registry.register(Named("new", &[])).unwrap();
    assert!(copy.find("new").is_none());
    assert_eq!(copy.iter().count() + 1, registry.iter().count());
}

#[test]
fn a_word_finds_what_it_means() {
    let registry = Registry::with_builtins().unwrap();
    let find = |text| {
        let line = dm_table::parse(text).next().unwrap().unwrap();
        registry.find(&line.target()).map(|found| found.name())
    };
    assert_eq!(find(b"0 1 li\\near a 0"), Some("linear"));
    assert_eq!(find(b"0 1 io\\-err"), Some("error"));
    assert_eq!(find(b"0 1 lin\\\\ear a 0"), None, "a backslash is part of it");
}

#[test]
fn the_built_in_types_say_what_they_are() {
    let registry = Registry::with_builtins().unwrap();
    let found: Vec<_> = registry.iter().map(|known| (known.name(), known.usage())).collect();
    let mirror = "<core or disk> <#log args> [<log device>] <region size> [sync or nosync] \
                  <#mirrors> (<device> <offset>)+ [<#features> handle_errors keep_log]";
    let expected = [
        ("error", ""),
        ("linear", "<device> <offset>"),
        ("mirror", mirror),
        ("striped", "<#stripes> <chunk> (<device> <offset>)+"),
        ("zero", ""),
    ];
    assert_eq!(found, expected, "in the order of their names");
    assert!(registry.iter().all(|known| known.version() == [1, 0, 0]));
    let names = r#"["error", "linear", "mirror", "striped", "zero"]"#;
    assert_eq!(std::format!("{registry:?}"), names);
}

#[test]
fn targets_go_by_the_names_of_their_types() {
    for (line, name) in [
        ("0 8 error", "error"),
        ("0 8 io-err", "error"),
        ("0 8 linear a 0", "linear"),
        ("0 8 mirror core 1 8 2 a 0 b 0", "mirror"),
        ("0 8 striped 1 8 a 0", "striped"),
        ("0 8 zero", "zero"),
    ] {
        let (target, _) = crate::testing::construct(line).unwrap();
        assert_eq!(target.name(), name, "{line}");
    }
    for line in ["0 8 error", "0 8 zero"] {
        let (args, status) = crate::testing::printed(line);
        assert_eq!((&*args, &*status), ("", ""), "{line}");
    }
}

#[test]
fn a_new_type_takes_its_place_among_the_names() {
    let mut registry = Registry::with_builtins().unwrap();
    for name in ["new", "a", "zz"] {
        registry.register(Named(name, &[])).unwrap();
    }
    let names: Vec<_> = registry.iter().map(|known| known.name()).collect();
    assert_eq!(names, ["a", "error", "linear", "mirror", "new", "striped", "zero", "zz"]);
}

#[test]
fn distances_count_letters_added_dropped_changed_and_swapped() {
    let letters = "abcdefghijklmnopqrstuvwx";
    for (a, b, distance) in [
        ("", "", 0),
        ("same", "same", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("a", "abc", 2),
        ("abc", "c", 2),
        ("abc", "xbz", 2),
        ("ab", "ba", 1),
        ("abcd", "badc", 2),
        ("xab", "xba", 1),
        ("aab", "bab", 1),
        ("ab", "ca", 2),
        ("ab", "bc", 2),
        ("kitten", "sitting", 3),
        (letters, letters, 0),
        (letters, "", 24),
        ("abcdefghijklmnopqrstuvwxy", "a", usize::MAX),
        ("a", "abcdefghijklmnopqrstuvwxy", usize::MAX),
    ] {
        assert_eq!(edit_distance(a, b), distance, "{a:?} and {b:?}");
    }
}
