//! `ls` and `targets`.

use dm_core::Registry;

use super::args::{Ls, Targets};
use super::failure::Failure;
use super::output::{print, print_json};
use super::report::infos;
use super::tree;
use crate::control::{Client, ClientError, DeviceInfo, TargetInfo};
use crate::daemon::RuntimeDir;

pub(super) fn ls(client: &mut Client, args: &Ls) -> Result<(), Failure> {
    let infos = infos(client, &[])?;
    match (args.output.json, args.tree) {
        (true, true) => print_json(&tree::of(&infos)),
        (true, false) => print_json(&infos),
        (false, _) if infos.is_empty() => print("No devices found\n"),
        (false, true) => print(&tree::drawn(&tree::of(&infos))),
        (false, false) => {
            let line = |info: &DeviceInfo| format!("{}\t({})\n", info.name, info.minor);
            print(&infos.iter().map(line).collect::<String>())
        }
    }
}

/// Lists the target types of the daemon, or, if there is none, those that it would have.
pub(super) fn targets(dir: &RuntimeDir, args: &Targets) -> Result<(), Failure> {
    let targets: Vec<TargetInfo> = match Client::connect(dir) {
        Ok(mut client) => {
            let text = client.ask("targets")?;
            serde_json::from_str(&text).map_err(|_| ClientError::BadAnswer)?
        }
        Err(ClientError::NoDaemon { .. }) => {
            let registry = Registry::with_builtins();
            let registry = registry.map_err(|error| Failure::Said(error.to_string()))?;
            registry.iter().map(TargetInfo::of).collect()
        }
        Err(error) => return Err(error.into()),
    };
    if args.output.json {
        return print_json(&targets);
    }
    print(&targets.iter().map(line).collect::<String>())
}

fn line(target: &TargetInfo) -> String {
    let [major, minor, patch] = target.version;
    let version = format!("v{major}.{minor}.{patch}");
    let aliases: String = target.aliases.iter().map(|alias| format!(" ({alias})")).collect();
    let name = format!("{}{aliases}", target.name);
    format!("{}\n", format!("{name:<16} {version:<8} {}", target.usage).trim_end())
}
