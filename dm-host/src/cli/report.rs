//! `table`, `status`, `info` and `deps`.

use serde::Serialize;

use super::args::{Report, Table};
use super::change::{ask_about, name_word, of};
use super::failure::Failure;
use super::output::{print, print_json};
use super::top::figures;
use crate::control::{Client, ClientError, DeviceInfo};
use crate::{Figures, MirrorStatus};

/// What `table --json` and `status --json` print, for each device.
#[derive(Serialize)]
struct Lines {
    name: String,
    lines: Vec<Line>,
    /// What was asked of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

/// A line of a table, or of a status.
#[derive(Serialize)]
struct Line {
    start: u64,
    length: u64,
    target: String,
    /// The arguments, or the condition.
    text: String,
    /// The condition of a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<MirrorStatus>,
    /// What was asked of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
}

pub(super) fn table(client: &mut Client, args: &Table) -> Result<(), Failure> {
    let file = if args.inactive { "inactive" } else { "table" };
    print_files(client, &args.report, file)
}

pub(super) fn status(client: &mut Client, args: &Report) -> Result<(), Failure> {
    print_files(client, args, STATUS)
}

const STATUS: &str = "status";

/// Prints a file of each device; with the name before each line, unless one device was asked for.
fn print_files(client: &mut Client, args: &Report, file: &str) -> Result<(), Failure> {
    let all = args.names.is_empty();
    let names = match all {
        true => infos(client, &[])?.into_iter().map(|info| info.name).collect(),
        false => args.names.clone(),
    };
    let (mut reports, mut out) = (Vec::new(), String::new());
    for name in &names {
        let text = match client.read(&format!("{}/{file}", name_word(name)?)) {
            // Gone since we asked.
            Err(ClientError::Refused { .. }) if all => continue,
            text => text.map_err(of(name))?,
        };
        if args.output.json {
            let lines = text.lines().filter_map(|line| Line::parse(line, file)).collect();
            reports.push(Lines { name: name.clone(), lines, figures: None });
        } else if args.names.len() == 1 {
            out = text;
        } else {
            out.extend(text.lines().flat_map(|line| [name, ": ", line, "\n"]));
        }
    }
    if !args.output.json {
        return print(&out);
    }
    if file == STATUS {
        add_figures(client, &mut reports)?;
    }
    print_json(&reports)
}

/// Adds what was asked of each device and line.
fn add_figures(client: &mut Client, reports: &mut [Lines]) -> Result<(), Failure> {
    let all = figures(client, &[])?;
    for report in reports {
        let Some(found) = all.iter().find(|found| found.name == report.name) else {
            continue;
        };
        report.figures = Some(found.device.clone());
        for (line, figures) in report.lines.iter_mut().zip(&found.lines) {
            line.figures = Some(figures.clone());
        }
    }
    Ok(())
}

impl Line {
    fn parse(line: &str, file: &str) -> Option<Line> {
        let mut words = line.splitn(4, ' ');
        let mut line = Line {
            start: words.next()?.parse().ok()?,
            length: words.next()?.parse().ok()?,
            target: words.next()?.into(),
            text: words.next().unwrap_or_default().into(),
            mirror: None,
            figures: None,
        };
        if file == STATUS && line.target == "mirror" {
            line.mirror = MirrorStatus::parse(&line.text);
        }
        Some(line)
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
        return print_json(&infos);
    }
    if infos.is_empty() {
        return print("No devices found\n");
    }
    let shown: Vec<String> = infos.iter().map(about).collect();
    print(&shown.join("\n"))
}

/// What is known of a device, a line a fact.
fn about(info: &DeviceInfo) -> String {
    let readonly = info.table.as_ref().is_some_and(|table| table.readonly);
    let readonly = if readonly { " (READ-ONLY)" } else { "" };
    let tables = match (&info.table, &info.inactive) {
        (None, None) => "None",
        (Some(_), None) => "LIVE",
        (None, Some(_)) => "INACTIVE",
        (Some(_), Some(_)) => "LIVE & INACTIVE",
    };
    let mut facts = vec![
        ("Name", info.name.clone()),
        ("State", info.state.to_uppercase() + readonly),
        ("Tables present", tables.into()),
        ("Open count", info.open_count.to_string()),
        ("Event number", info.events.to_string()),
        ("Minor", info.minor.to_string()),
    ];
    if let Some(table) = &info.table {
        let size = crate::draw::Size(dm_core::Sectors::new(table.sectors));
        facts.push(("Size", format!("{} sectors, {size}", table.sectors)));
        facts.push(("Number of targets", table.lines.to_string()));
        facts.push(("Index", table.index.clone()));
    }
    if let Some(uuid) = &info.uuid {
        facts.push(("UUID", uuid.clone()));
    }
    facts.into_iter().map(|(key, fact)| format!("{:<18} {fact}\n", format!("{key}:"))).collect()
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
        return print_json(&deps);
    }
    let mut out = String::new();
    for Deps { name, devices } in deps {
        if args.names.len() != 1 {
            out += &format!("{name}: ");
        }
        out += &format!("{} dependencies\t:", devices.len());
        out.extend(devices.iter().map(|device| format!(" ({device})")));
        out += "\n";
    }
    print(&out)
}
