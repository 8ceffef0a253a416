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
