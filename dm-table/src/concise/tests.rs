use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

/// The examples of Linux's dm-init.rst, and how they are printed.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "lroot,,,rw, 0 4096 linear 98:16 0, 4096 4096 linear 98:32 0",
        "lroot,,,rw,0 4096 linear 98:16 0,4096 4096 linear 98:32 0",
    ),
    (
        "dm-linear,,1,rw,
          0 32768 linear 8:1 0,
          32768 1024000 linear 8:2 0;
        dm-verity,,3,ro,
          0 1638400 verity 1 /dev/sdc1 /dev/sdc2 4096 4096 204800 1 sha256
          ac87db56303c9c1da433d7209b5a6ef3e4779df141200cbd7c157dcb8dd89c42
          5ebfe87f7df3235b80a117ebc4078e44f55045487ad4a96581d1adb564615b51",
        "dm-linear,,1,rw,0 32768 linear 8:1 0,32768 1024000 linear 8:2 0;\
        dm-verity,,3,ro,0 1638400 verity 1 /dev/sdc1 /dev/sdc2 4096 4096 204800 1 sha256 \
        ac87db56303c9c1da433d7209b5a6ef3e4779df141200cbd7c157dcb8dd89c42 \
        5ebfe87f7df3235b80a117ebc4078e44f55045487ad4a96581d1adb564615b51",
    ),
    (
        "dm-delay,,4,ro,0 409600 delay /dev/sda1 0 500",
        "dm-delay,,4,ro,0 409600 delay /dev/sda1 0 500",
    ),
    (
        "dm-striped,,4,ro,0 1638400 striped 4 4096
        /dev/sda1 0 /dev/sda2 0 /dev/sda3 0 /dev/sda4 0",
        "dm-striped,,4,ro,0 1638400 striped 4 4096 /dev/sda1 0 /dev/sda2 0 /dev/sda3 0 /dev/sda4 0",
    ),
];

/// Everything on the boot line, in canonical form.
fn print(text: &[u8]) -> Result<String, Vec<String>> {
    let (good, bad): (Vec<_>, Vec<_>) = parse(text).partition(Result::is_ok);
    match bad.is_empty() {
        true => Ok(good
            .into_iter()
            .flatten()
            .map(|device| device.to_string())
            .collect::<Vec<_>>()
            .join(";")),
        false => {
            Err(bad.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect())
        }
    }
}

#[test]
fn the_documented_examples_are_read_and_printed() {
    for (text, printed) in EXAMPLES {
        assert_eq!(print(text.as_bytes()).as_deref(), Ok(*printed));
        assert_eq!(print(printed.as_bytes()).as_deref(), Ok(*printed));
    }
}

#[test]
fn a_device_knows_its_fields() {
    let text = br" my\,vol , 5\;6\ ,  07, ro , 0 8 linear /dev/a\,b\\ c 0";
    let device = parse(text).next().expect("an item").expect("a device");
    assert_eq!(device.name(), "my,vol");
    assert_eq!(device.name().position().to_string(), "1:2");
    assert_eq!(device.uuid().map(|uuid| uuid.unescaped().to_string()).as_deref(), Some("5;6 "));
    assert_eq!((device.minor(), device.mode()), (Some(7), Mode::ReadOnly));
    let line = device.lines().next().expect("an item").expect("a line");
    assert_eq!(line.position().to_string(), "1:30");
    assert_eq!(line.to_string(), r"0 8 linear /dev/a,b\ c 0");
    let path = line.args().next().expect("a word");
    assert_eq!(
        (path.raw(), path.unescaped().to_string().as_str()),
        (r"/dev/a\,b\\ c", "/dev/a,b c")
    );
    assert_eq!(
        device.to_string(),
        format!(r"my\,vol,5\;6\ ,7,ro,{}", r"0 8 linear /dev/a\,b\\ c 0")
    );
}
