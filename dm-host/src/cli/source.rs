//! Where a table's text comes from.

use std::io::Read;
use std::path::Path;

use super::args::TableSource;
use super::failure::Failure;

/// A table's text, and what messages call it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    /// What words end at, besides blanks.
    pub(super) separators: &'static [char],
}

impl Source {
    pub(super) fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Source {
        Source { name: name.into(), text: text.into(), separators: &[] }
    }

    /// Reads a file, or for `-` the standard input.
    pub(super) fn read(path: &Path) -> Result<Source, Failure> {
        let failed = |why| Failure::Read { path: path.to_owned(), why };
        if path == Path::new("-") {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map_err(failed)?;
            return Ok(Source::new("<stdin>", text));
        }
        let text = std::fs::read(path).map_err(failed)?;
        Ok(Source::new(path.display().to_string(), text))
    }

    /// What `--table` or `--table-file` say; `None` if neither is there.
    pub(super) fn find(source: &TableSource) -> Result<Option<Source>, Failure> {
        if let Some(text) = &source.table {
            return Ok(Some(Source::new("--table", text.as_str())));
        }
        source.table_file.as_deref().map(Source::read).transpose()
    }
}
