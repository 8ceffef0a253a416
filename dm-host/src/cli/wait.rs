//! `wait`: until something happens to a device.

use serde::Serialize;

use super::args::Wait;
use super::change::{name_word, of};
use super::failure::Failure;
use super::output::{print, print_json};
use super::report::infos;
use crate::control::{Client, ClientError};

/// What `wait --json` prints.
#[derive(Serialize)]
struct Event<'e> {
    name: &'e str,
    event: u64,
}

pub(super) fn run(client: &mut Client, args: &Wait) -> Result<(), Failure> {
    let name = name_word(&args.name)?;
    let known = match args.event {
        Some(event) => event,
        None => events(client, &args.name)?,
    };
    let mut event = events(client, &args.name)?;
    client.set_timeout(args.timeout)?;
    // It only ever grows, and so passes the one that is waited for sooner or later.
    while event <= known {
        let answer = client.ask(&format!("wait {name} {event}")).map_err(of(name))?;
        event = answer.trim_end().parse().map_err(|_| ClientError::BadAnswer)?;
    }
    match args.output.json {
        true => print_json(&Event { name, event }),
        false => print(&format!("{event}\n")),
    }
}

/// The event number of a device.
fn events(client: &mut Client, name: &str) -> Result<u64, Failure> {
    let infos = infos(client, &[name.to_owned()])?;
    let info = infos.first().ok_or(ClientError::BadAnswer)?;
    Ok(info.events)
}
