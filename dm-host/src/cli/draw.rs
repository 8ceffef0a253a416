//! `draw`: a table as a picture.

use std::fmt;
use std::path::Path;

use dm_core::Registry;

use super::args::Draw;
use super::check::show;
use super::failure::Failure;
use super::output::print;
use super::source::Source;
use crate::control::{Client, ClientError, Refusal};
use crate::daemon::RuntimeDir;
use crate::draw::{Layout, layout, svg, terminal};

pub(super) fn run(dir: &RuntimeDir, args: &Draw) -> Result<(), Failure> {
    let source = find(dir, &args.what)?;
    let layout = lay_out(&source)?;
    let name = Path::new(&source.name).file_name();
    let title = name.map_or(source.name.clone(), |name| name.to_string_lossy().into_owned());
    let Some(path) = &args.svg else {
        return print(&picture(&layout, &title));
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = svg(&layout, &title, &mut text);
    if path == Path::new("-") {
        return print(&text);
    }
    std::fs::write(path, text).map_err(|why| Failure::Write { path: path.clone(), why })
}

/// The table in a file; or else that of the device of that name, if it can be one.
fn find(dir: &RuntimeDir, what: &Path) -> Result<Source, Failure> {
    let is_name = what.to_str().filter(|name| name.parse::<dm_core::DeviceName>().is_ok());
    let Some(name) = is_name.filter(|&name| name != "-" && !what.exists()) else {
        return Source::read(what);
    };
    let missing = || Failure::Said(format!("there is neither a file nor a device `{name}`"));
    let mut client = match Client::connect(dir) {
        Err(ClientError::NoDaemon { .. }) => return Err(missing()),
        client => client?,
    };
    let text = match client.read(&format!("{name}/table")) {
        Err(ClientError::Refused { .. }) => return Err(missing()),
        text => text?,
    };
    Ok(Source::new(name, text))
}

/// Reads a table, or shows what is wrong with it.
pub(super) fn lay_out(source: &Source) -> Result<Layout, Failure> {
    let registry = Registry::with_builtins().map_err(|error| Failure::Said(error.to_string()))?;
    let mut refusal = Refusal::default();
    match layout(&source.text, registry, &mut |error| refusal.add(&error)) {
        Ok(layout) => Ok(layout),
        Err(error) => {
            show(source, &refusal, true)?;
            Err(Failure::Said(format!("{}: {error}", source.name)))
        }
    }
}

/// The picture, as wide as the terminal.
pub(super) fn picture(layout: &Layout, title: &str) -> String {
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let mut text = String::new();
    let _: fmt::Result = terminal(layout, title, width, &mut text);
    text
}
