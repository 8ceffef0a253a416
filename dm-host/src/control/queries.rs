//! What requests ask of the device mapper.

use dm_core::table_text::{Args, Position};
use dm_core::{LoadDeviceError, MappedDevice, Mode, OutOfMemory, Sector, Table};
use dm_proc_shim::{Cause, Errno};

use super::answer::{Refusal, Refused};
use super::info::{DeviceInfo, TargetInfo};
use super::prometheus;
use crate::{DeviceFigures, Mapper, UserHost};

type Answer = Result<String, Refused>;

pub(super) fn caused_by(cause: impl Into<Cause>) -> Refused {
    let cause = cause.into();
    Refused::new(cause.errno(), cause)
}

pub(super) fn find(mapper: &Mapper, name: &str) -> Result<MappedDevice<UserHost>, Refused> {
    let missing = || Refused::new(Errno::NoEntry, format!("there is no device `{name}`"));
    mapper.find(name).ok_or_else(missing)
}

pub(super) fn message(device: &MappedDevice<UserHost>, words: &[u8]) -> Answer {
    let text = str::from_utf8(words).map_err(|_| Refused::request("expected text"))?;
    let wrong =
        |error: dm_core::table_text::ArgError<'_>| Refused::new(Errno::Invalid, error.reason);
    let mut words = Args::new(text.trim_end_matches('\n'), Position::START);
    let sector = words.word("a sector").and_then(|word| word.number("a sector"));
    let sector = Sector::new(sector.map_err(wrong)?);
    words.clone().word("the message").map_err(wrong)?;
    let answer = device.message(sector, words).map_err(caused_by)?;
    Ok(answer.as_str().to_owned())
}

pub(super) fn load(
    mapper: &Mapper,
    device: &MappedDevice<UserHost>,
    table: &[u8],
    mode: Mode,
) -> Answer {
    let mut refusal = Refusal::default();
    let loaded = mapper.load(device, table, mode, &mut |error| refusal.add(&error));
    loaded.map_err(|why| refused(why, &refusal)).map(|()| String::new())
}

/// Why a table was refused.
pub(super) fn refused(why: LoadDeviceError, refusal: &Refusal) -> Refused {
    match why {
        LoadDeviceError::Refused(_) => Refused::table(refusal),
        other => caused_by(other),
    }
}

/// A table as a device that has it prints it.
pub(super) fn table_text(table: &Table<UserHost>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = table.write_table(&mut text);
    text
}

pub(super) fn info(mapper: &Mapper, name: Option<&str>) -> Answer {
    let devices = devices(mapper, name)?;
    let devices: Vec<DeviceInfo> = devices.iter().map(DeviceInfo::of).collect();
    Ok(json(&devices))
}

/// What was counted for the device of that name, or for all.
pub(super) fn figures(mapper: &Mapper, name: Option<&str>) -> Answer {
    Ok(json(&figures_of(mapper, name)?))
}

/// The same for all, as Prometheus reads it.
pub(super) fn metrics(mapper: &Mapper) -> Answer {
    Ok(prometheus::page(&figures_of(mapper, None)?))
}

fn figures_of(mapper: &Mapper, name: Option<&str>) -> Result<Vec<DeviceFigures>, Refused> {
    let devices = devices(mapper, name)?;
    Ok(devices.iter().map(|device| mapper.host().figures(device)).collect())
}

fn devices(mapper: &Mapper, name: Option<&str>) -> Result<Vec<MappedDevice<UserHost>>, Refused> {
    match name {
        Some(name) => Ok(vec![find(mapper, name)?]),
        None => mapper.list().map_err(|OutOfMemory| caused_by(Cause::OutOfMemory)),
    }
}

pub(super) fn targets(mapper: &Mapper) -> Answer {
    let known = mapper.target_types().map_err(|OutOfMemory| caused_by(Cause::OutOfMemory))?;
    let known: Vec<TargetInfo> = known.iter().map(TargetInfo::of).collect();
    Ok(json(&known))
}

fn json(value: &impl serde::Serialize) -> String {
    // Structs of strings and numbers always have a form in JSON.
    serde_json::to_string(value).unwrap_or_default()
}
