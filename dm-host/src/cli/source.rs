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
}

impl Source {
    /// Reads a file, or for `-` the standard input.
    pub(super) fn read(path: &Path) -> Result<Source, Failure> {
        let failed = |why| Failure::Read { path: path.to_owned(), why };
        if path == Path::new("-") {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map_err(failed)?;
            let name = "<stdin>".into();
            return Ok(Source { name, text });
        }
        let text = std::fs::read(path).map_err(failed)?;
        let name = path.display().to_string();
        Ok(Source { name, text })
    }

    /// What `--table` or `--table-file` say; `None` if neither is there.
    pub(super) fn find(source: &TableSource) -> Result<Option<Source>, Failure> {
        if let Some(text) = &source.table {
            return Ok(Some(Source { name: "--table".into(), text: text.clone().into() }));
        }
        source.table_file.as_deref().map(Source::read).transpose()
    }
}
