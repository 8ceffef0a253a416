//! `draw`: a table as a picture.

use std::fmt;
use std::path::Path;

use dm_core::Registry;

use super::args::Draw;
use super::diagnostics::Diagnostics;
use super::failure::Failure;
use super::source::Source;
use crate::draw::{Layout, layout, svg, terminal};

pub(super) fn run(args: &Draw) -> Result<(), Failure> {
    let source = Source::read(&args.what)?;
    let layout = lay_out(&source)?;
    let title = Path::new(&source.name)
        .file_name()
        .map_or(source.name.clone(), |name| name.to_string_lossy().into_owned());
    let Some(path) = &args.svg else {
        anstream::print!("{}", picture(&layout, &title));
        return Ok(());
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = svg(&layout, &title, &mut text);
    if path == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    std::fs::write(path, text).map_err(|why| Failure::Write { path: path.clone(), why })
}

/// Reads a table, or shows what is wrong with it.
fn lay_out(source: &Source) -> Result<Layout, Failure> {
    let registry = Registry::with_builtins().map_err(|error| Failure::Said(error.to_string()))?;
    let mut diagnostics = Diagnostics::new(source);
    layout(&source.text, registry, &mut |error| diagnostics.show(&error))
        .map_err(|error| Failure::Table(format!("{}: {error}", source.name)))
}

/// The picture, as wide as the terminal.
pub(super) fn picture(layout: &Layout, title: &str) -> String {
    let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    let mut text = String::new();
    let _: fmt::Result = terminal(layout, title, width, &mut text);
    text
}
