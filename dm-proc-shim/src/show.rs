//! What a file reads as.

use core::fmt::{self, Write};

use dm_core::table_text::Escaped;
use dm_core::targets::TargetType;
use dm_core::{ChangeError, DeviceMapper, Host, MappedDevice, OutOfMemory, State, Table, Text};

use crate::error::ShimError;
use crate::file::{DeviceFile, File};

impl<H: Host> File<H> {
    /// The whole text of the file, as it is now.
    ///
    /// A surface that gives it out in pieces keeps it for as long as one reader takes.
    pub fn read(&self, mapper: &DeviceMapper<H>) -> Result<Text, ShimError> {
        if let File::Device(device, _) = self
            && device.is_removed()
        {
            return Err(ChangeError::Removed.into());
        }
        let mut text = Text::new();
        // Text can only refuse what it has no room for.
        self.write_to(mapper, &mut text).map_err(|_| OutOfMemory)?;
        Ok(text)
    }

    /// Writes the whole text of the file, as it is now. Fails where `out` does, or for want of memory.
    pub fn write_to(&self, mapper: &DeviceMapper<H>, out: &mut dyn Write) -> fmt::Result {
        match self {
            File::Control => write_devices(mapper, out),
            File::Targets => write_targets(mapper, out),
            File::Device(device, file) => write_device(device, *file, out),
        }
    }
}

/// `name minor state open events`, a line a device.
fn write_devices<H: Host>(mapper: &DeviceMapper<H>, out: &mut dyn Write) -> fmt::Result {
    for device in mapper.list().map_err(|_| fmt::Error)? {
        let name = device.name();
        writeln!(
            out,
            "{} {} {} {} {}",
            Escaped(name.as_str()),
            device.minor(),
            state(&device),
            device.open_count(),
            device.events()
        )?;
    }
    Ok(())
}

/// `name[,alias]... version usage`, a line a target type.
fn write_targets<H: Host>(mapper: &DeviceMapper<H>, out: &mut dyn Write) -> fmt::Result {
    for known in mapper.target_types().map_err(|_| fmt::Error)?.iter() {
        write_target(known, out)?;
    }
    Ok(())
}

fn write_target(known: &dyn TargetType, out: &mut dyn Write) -> fmt::Result {
    out.write_str(known.name())?;
    for alias in known.aliases() {
        write!(out, ",{alias}")?;
    }
    let [major, minor, patch] = known.version();
    write!(out, " v{major}.{minor}.{patch}")?;
    match known.usage() {
        "" => out.write_char('\n'),
        usage => writeln!(out, " {usage}"),
    }
}

fn write_device<H: Host>(
    device: &MappedDevice<H>,
    file: DeviceFile,
    out: &mut dyn Write,
) -> fmt::Result {
    let table = |table: Option<&Table<H>>, out: &mut dyn Write| match table {
        Some(table) => table.write_table(out),
        None => Ok(()),
    };
    match file {
        DeviceFile::Proc => write_sections(device, out),
        DeviceFile::Table => table(device.table().as_deref(), out),
        DeviceFile::Inactive => table(device.inactive_table().as_deref(), out),
        DeviceFile::Error => write_lines(device.load_errors().as_deref(), out),
        DeviceFile::Status => match device.table() {
            Some(table) => table.write_status(out),
            None => Ok(()),
        },
        DeviceFile::State => writeln!(out, "{}", state(device)),
        DeviceFile::Events => writeln!(out, "{}", device.events()),
        DeviceFile::Message => write_lines(device.last_answer().as_deref(), out),
    }
}

/// Everything: `word value` for what is one word, and for the rest `word`, then its lines, indented.
fn write_sections<H: Host>(device: &MappedDevice<H>, out: &mut dyn Write) -> fmt::Result {
    for file in [DeviceFile::State, DeviceFile::Events] {
        write!(out, "{} ", file.name())?;
        write_device(device, file, out)?;
    }
    for file in [
        DeviceFile::Table,
        DeviceFile::Inactive,
        DeviceFile::Status,
        DeviceFile::Error,
        DeviceFile::Message,
    ] {
        writeln!(out, "{}", file.name())?;
        let mut indented = Indented { out, at_line_start: true };
        write_device(device, file, &mut indented)?;
    }
    Ok(())
}

fn state<H: Host>(device: &MappedDevice<H>) -> &'static str {
    match device.state() {
        State::Empty => "empty",
        State::Active => "active",
        State::Suspended => "suspended",
    }
}

/// Writes a text so that its last line ends.
fn write_lines(text: Option<&Text>, out: &mut dyn Write) -> fmt::Result {
    let text = text.map_or("", Text::as_str);
    out.write_str(text)?;
    if text.is_empty() || text.ends_with('\n') {
        return Ok(());
    }
    out.write_char('\n')
}

/// Puts two blanks before each line.
struct Indented<'o> {
    out: &'o mut dyn Write,
    at_line_start: bool,
}

impl Write for Indented<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while !rest.is_empty() {
            // Not `split_inclusive`, in which the compiler leaves a panic.
            let end = rest.bytes().position(|byte| byte == b'\n').map(|at| at.saturating_add(1));
            let (line, next) = end.and_then(|end| rest.split_at_checked(end)).unwrap_or((rest, ""));
            if self.at_line_start {
                self.out.write_str("  ")?;
            }
            self.out.write_str(line)?;
            self.at_line_start = end.is_some();
            rest = next;
        }
        Ok(())
    }
}
