//! Any bytes as a boot line.

use dm_table::concise::{self, Device};

/// Tables are as [`crate::table`] wants them, and devices without errors print as what parses the
/// same again.
pub fn run(text: &[u8]) {
    let items: Vec<_> = concise::parse(text).collect();
    assert!(!items.is_empty(), "no device and no error");
    for error in items.iter().filter_map(|item| item.as_ref().err()) {
        let line_feeds = text.iter().filter(|&&byte| byte == b'\n').count();
        assert!((1..=line_feeds + 1).contains(&(error.at.line as usize)), "{error}");
        assert!(!error.reason.to_string().chars().any(char::is_control), "{error}");
    }
    let devices: Result<Vec<Device<'_>>, _> = items.into_iter().collect();
    let Ok(devices) = devices else { return };
    let mut printed = String::new();
    for device in &devices {
        let mut next = 0;
        for line in device.lines() {
            let line = line.expect("a device comes without errors");
            assert_eq!(line.range().start().get(), next);
            next = line.range().end().get();
        }
        assert!(next > 0, "a table covers sectors");
        let between = if printed.is_empty() { "" } else { ";" };
        printed += &format!("{between}{device}");
    }
    let again: Result<Vec<Device<'_>>, _> = concise::parse(printed.as_bytes()).collect();
    let again = again.unwrap_or_else(|error| panic!("{printed:?} does not parse: {error}"));
    assert_eq!(devices.len(), again.len(), "{printed:?}");
    for (device, again) in devices.iter().zip(&again) {
        assert_eq!(device.to_string(), again.to_string());
        assert_eq!((device.minor(), device.mode()), (again.minor(), again.mode()));
        let name = |device: &Device<'_>| device.name().unescaped().to_string();
        assert_eq!(name(device), name(again));
        let uuid = |device: &Device<'_>| device.uuid().map(|uuid| uuid.unescaped().to_string());
        assert_eq!(uuid(device), uuid(again));
    }
}
