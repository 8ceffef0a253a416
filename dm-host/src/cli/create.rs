//! `create` and `load`.

use super::args::{Create, Load};
use super::change::{name_word, of};
use super::check::show;
use super::failure::Failure;
use super::source::Source;
use crate::control::{Client, ClientError};

pub(super) fn create(client: &mut Client, args: &Create) -> Result<(), Failure> {
    let source = Source::find(&args.source)?;
    let minor = args.minor.map_or("-".into(), |minor| minor.to_string());
    let uuid = match args.uuid.as_deref() {
        None => "-",
        Some(uuid) => {
            let parsed: Result<dm_core::Uuid, _> = uuid.parse();
            parsed.map_err(|why| Failure::Said(format!("`{}`: {why}", uuid.escape_debug())))?;
            uuid
        }
    };
    if args.readonly && source.is_none() {
        let why = "only a table can be read-only: give one, or use `load --readonly` later";
        return Err(Failure::Said(why.into()));
    }
    let (mode, name) = (mode(args.readonly), name_word(&args.name)?);
    let line = format!("create {name} {mode} {minor} {uuid}");
    send(client, &args.name, &line, source.as_ref())
}

pub(super) fn load(client: &mut Client, args: &Load) -> Result<(), Failure> {
    let source = match Source::find(&args.source)? {
        Some(source) => source,
        None => Source::read("-".as_ref())?,
    };
    let (mode, name) = (mode(args.readonly), name_word(&args.name)?);
    send(client, &args.name, &format!("load {name} {mode}"), Some(&source))
}

fn mode(readonly: bool) -> &'static str {
    if readonly { "ro" } else { "rw" }
}

fn send(
    client: &mut Client,
    name: &str,
    line: &str,
    source: Option<&Source>,
) -> Result<(), Failure> {
    let Some(source) = source else {
        return client.ask_with(line, b"").map(drop).map_err(of(name));
    };
    if source.text.is_empty() {
        return Err(Failure::Said(format!("{}: the table has no lines", source.name)));
    }
    match client.ask_with(line, &source.text) {
        Err(ClientError::Table(refusal)) => show(source, &refusal, true),
        answer => answer.map(drop).map_err(of(name)),
    }
}
