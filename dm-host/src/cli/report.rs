//! `table`, `status`, `info` and `deps`.

use serde::Serialize;

use super::args::{Report, Table};
use super::change::{ask_about, name_word, of};
use super::failure::Failure;
use crate::control::{Client, ClientError, DeviceInfo};

/// What `table --json` and `status --json` print, for each device.
#[derive(Serialize)]
struct Lines {
    name: String,
    lines: Vec<Line>,
}

/// A line of a table, or of a status.
#[derive(Serialize)]
struct Line {
    start: u64,
    length: u64,
    target: String,
    /// The arguments, or the condition.
    text: String,
}

pub(super) fn table(client: &mut Client, args: &Table) -> Result<(), Failure> {
    let file = if args.inactive { "inactive" } else { "table" };
    print_files(client, &args.report, file)
}

pub(super) fn status(client: &mut Client, args: &Report) -> Result<(), Failure> {
    print_files(client, args, "status")
}

/// Prints a file of each device; with the name before each line, unless one device was asked for.
fn print_files(client: &mut Client, args: &Report, file: &str) -> Result<(), Failure> {
    let all = args.names.is_empty();
    let names = match all {
        true => infos(client, &[])?.into_iter().map(|info| info.name).collect(),
        false => args.names.clone(),
    };
    let mut reports = Vec::new();
    for name in &names {
        let text = match client.read(&format!("{}/{file}", name_word(name)?)) {
            // Gone since we asked.
            Err(ClientError::Refused { .. }) if all => continue,
            text => text.map_err(of(name))?,
        };
        if args.output.json {
            let lines = text.lines().filter_map(Line::parse).collect();
            reports.push(Lines { name: name.clone(), lines });
        } else if args.names.len() == 1 {
            print!("{text}");
        } else {
            text.lines().for_each(|line| println!("{name}: {line}"));
        }
    }
    if args.output.json {
        super::print_json(&reports);
    }
    Ok(())
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let mut words = line.splitn(4, ' ');
        Some(Line {
            start: words.next()?.parse().ok()?,
            length: words.next()?.parse().ok()?,
            target: words.next()?.into(),
            text: words.next().unwrap_or_default().into(),
        })
    }
}

/// What the daemon knows of the devices of those names, or of all.
pub(super) fn infos(client: &mut Client, names: &[String]) -> Result<Vec<DeviceInfo>, Failure> {
    let parse = |text: String| {
        let parsed: Result<Vec<DeviceInfo>, _> = serde_json::from_str(&text);
        parsed.map_err(|_| Failure::Client(ClientError::BadAnswer))
    };
    if names.is_empty() {
        return parse(client.ask("info")?);
    }
    let mut infos = Vec::new();
    for name in names {
        infos.extend(parse(ask_about(client, "info", name, None)?)?);
    }
    Ok(infos)
}

pub(super) fn info(client: &mut Client, args: &Report) -> Result<(), Failure> {
    let infos = infos(client, &args.names)?;
    if args.output.json {
        super::print_json(&infos);
        return Ok(());
    }
    if infos.is_empty() {
        println!("No devices found");
    }
    for (n, info) in infos.iter().enumerate() {
        if n > 0 {
            println!();
        }
        print_info(info);
    }
    Ok(())
}

fn print_info(info: &DeviceInfo) {
    let field = |key: &str, value: &str| println!("{:<18} {value}", format!("{key}:"));
    let readonly = info.table.as_ref().is_some_and(|table| table.readonly);
    let readonly = if readonly { " (READ-ONLY)" } else { "" };
    let tables = match (&info.table, &info.inactive) {
        (None, None) => "None",
        (Some(_), None) => "LIVE",
        (None, Some(_)) => "INACTIVE",
        (Some(_), Some(_)) => "LIVE & INACTIVE",
    };
    field("Name", &info.name);
    field("State", &(info.state.to_uppercase() + readonly));
    field("Tables present", tables);
    field("Open count", &info.open_count.to_string());
    field("Event number", &info.events.to_string());
    field("Minor", &info.minor.to_string());
    if let Some(table) = &info.table {
        let size = crate::draw::Size(dm_core::Sectors::new(table.sectors));
        field("Size", &format!("{} sectors, {size}", table.sectors));
        field("Number of targets", &table.lines.to_string());
        field("Index", &table.index);
    } else {
        field("Number of targets", "0");
    }
    if let Some(uuid) = &info.uuid {
        field("UUID", uuid);
    }
}

/// What `deps --json` prints, for each device.
#[derive(Serialize)]
struct Deps<'i> {
    name: &'i str,
    devices: &'i [String],
}

pub(super) fn deps(client: &mut Client, args: &Report) -> Result<(), Failure> {
    let infos = infos(client, &args.names)?;
    let deps = infos.iter().map(|info| Deps {
        name: &info.name,
        devices: info.table.as_ref().map_or(&[][..], |table| &table.devices),
    });
    let deps: Vec<Deps<'_>> = deps.collect();
    if args.output.json {
        super::print_json(&deps);
        return Ok(());
    }
    for Deps { name, devices } in deps {
        if args.names.len() != 1 {
            print!("{name}: ");
        }
        print!("{} dependencies\t:", devices.len());
        devices.iter().for_each(|device| print!(" ({device})"));
        println!();
    }
    Ok(())
}
