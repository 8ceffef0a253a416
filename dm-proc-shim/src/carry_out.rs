//! What is written, done.

use dm_core::table_text::Args;
use dm_core::{
    Change, CreateError, CreateOptions, DeviceMapper, DeviceName, Host, LoadDeviceError,
    MappedDevice, Minor, Mode, RenameError, SendError, State, Text,
};

use crate::command::{
    self, Command, CommandError, CommandReason, Message, Passing, Placed, Switch,
};
use crate::error::{Cause, ShimError};
use crate::file::{self, DeviceFile, File};
use crate::input::InputLine;
use crate::text;

/// A change that may still have to wait for requests to drain.
pub(crate) type Done<H> = Result<Option<Change<H>>, ShimError>;

/// Does what a line says that was written to a file other than a table.
pub(crate) fn line<H: Host>(
    mapper: &DeviceMapper<H>,
    file: &File<H>,
    bytes: &[u8],
    line: &InputLine,
) -> Done<H> {
    let words = command::words(bytes, line.number)?;
    let Some(first) = words.peek() else {
        return Ok(None);
    };
    if first.raw().starts_with('#') {
        return Ok(None);
    }
    let at = first.position();
    match file {
        File::Control => command(mapper, Command::parse(words)?),
        File::Device(device, DeviceFile::State) => {
            switch(mapper, device, Switch::parse(words)?).map_err(|cause| cause.at(at))
        }
        File::Device(device, DeviceFile::Message) => message(device, Message::parse(words)?),
        File::Targets | File::Device(..) => Err(Cause::ReadOnly.into()),
    }
}

fn command<H: Host>(mapper: &DeviceMapper<H>, command: Command<'_>) -> Done<H> {
    let find = |name: &Placed<DeviceName>| {
        file::device(mapper, name.value.as_str()).map_err(|cause| cause.at(name.at))
    };
    match command {
        Command::Create { name, minor } => {
            let options =
                CreateOptions { minor: minor.as_ref().map(|minor| minor.value), uuid: None };
            let created = mapper.create(name.value, options);
            let at = match (&created, minor) {
                (Err(CreateError::MinorTaken { .. }), Some(minor)) => minor.at,
                _ => name.at,
            };
            match created {
                Ok(_) => Ok(None),
                Err(error) => Err(Cause::from(error).at(at)),
            }
        }
        Command::Remove { name } => match mapper.remove(&find(&name)?) {
            Ok(change) => Ok(Some(change)),
            Err(error) => Err(Cause::from(error).at(name.at)),
        },
        Command::Rename { name, new } => match mapper.rename(&find(&name)?, new.value) {
            Ok(()) => Ok(None),
            Err(error @ RenameError::NameTaken) => Err(Cause::from(error).at(new.at)),
            Err(error) => Err(Cause::from(error).at(name.at)),
        },
        Command::Clear { name } => match find(&name)?.clear() {
            Ok(_) => Ok(None),
            Err(error) => Err(Cause::from(error).at(name.at)),
        },
        Command::Switch { name, to } => {
            switch(mapper, &find(&name)?, to).map_err(|cause| cause.at(name.at))
        }
        Command::Message { name, message } => self::message(&find(&name)?, message),
    }
}

fn switch<H: Host>(
    mapper: &DeviceMapper<H>,
    device: &MappedDevice<H>,
    to: Switch,
) -> Result<Option<Change<H>>, Cause> {
    let drains = match to.to {
        Passing::Suspend => true,
        Passing::Resume => device.inactive_table().is_some(),
    };
    // What is at rest already stays so, and could not write what it holds.
    let freeze = to.freeze && drains && device.state() == State::Active;
    if freeze {
        mapper.host().freeze(device.minor())?;
    }
    let change = match to.to {
        Passing::Suspend => device.suspend(),
        Passing::Resume => device.resume(),
    };
    if freeze && change.is_err() {
        mapper.host().thaw(device.minor());
    }
    Ok(Some(change?))
}

/// A change has taken place: what was frozen for it goes on, unless the device is suspended now; and
/// a device that was removed leaves its name.
pub(crate) fn finish<H: Host>(mapper: &DeviceMapper<H>, minor: Minor) {
    if mapper.find_minor(minor).is_some_and(|device| device.state() == State::Active) {
        mapper.host().thaw(minor);
    }
    mapper.settle(minor);
}

fn message<H: Host>(device: &MappedDevice<H>, message: Message<'_>) -> Done<H> {
    let Message { sector, words } = message;
    let first = Args::peek(&words).map_or(sector.at, |word| word.position());
    match device.message(sector.value, words) {
        Ok(_) => Ok(None),
        Err(error @ SendError::Refused(_)) => Err(Cause::from(error).at(first)),
        Err(error) => Err(Cause::from(error).at(sector.at)),
    }
}

/// Loads a table; the first one of a device is bound at once.
pub(crate) fn table<H: Host>(
    mapper: &DeviceMapper<H>,
    device: &MappedDevice<H>,
    table: &[u8],
) -> Done<H> {
    let is_first = device.state() == State::Empty && device.inactive_table().is_none();
    let mut first = None;
    let mut errors = 0u64;
    let loaded = mapper.load(device, table, Mode::ReadWrite, &mut |error| {
        errors = errors.saturating_add(1);
        first.get_or_insert_with(|| text::of(&error).map_err(Cause::from));
    });
    match (loaded, first) {
        (Ok(()), _) if is_first => Ok(Some(device.resume()?)),
        (Ok(()), _) => Ok(None),
        (Err(LoadDeviceError::Refused(_)), Some(first)) => Err(refused(first?, errors).into()),
        (Err(error), _) => Err(error.into()),
    }
}

fn refused(first: Text, errors: u64) -> Cause {
    let more = errors.saturating_sub(1);
    Cause::Table { first, more }
}

impl From<CommandError<'_>> for ShimError {
    fn from(error: CommandError<'_>) -> ShimError {
        let cause = match error.reason {
            CommandReason::Text(reason) => Cause::Text(reason),
            CommandReason::OutOfMemory => Cause::OutOfMemory,
            reason => text::of(reason).map_or_else(Cause::from, Cause::Words),
        };
        cause.at(error.at)
    }
}
