//! `export` and `unexport`: devices for virtual machines.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::{Export, Unexport};
use super::change::{name_word, of};
use super::failure::Failure;
use crate::control::Client;

pub(super) fn export(client: &mut Client, args: &Export) -> Result<(), Failure> {
    let line = format!("export {} {}", name_word(&args.name)?, args.queues);
    let path = absolute(&args.vhost_user)?;
    let done = client.ask_with(&line, path.as_os_str().as_bytes());
    done.map(drop).map_err(of(&args.name))
}

pub(super) fn unexport(client: &mut Client, args: &Unexport) -> Result<(), Failure> {
    let path = absolute(&args.socket)?;
    client.ask_with("unexport", path.as_os_str().as_bytes())?;
    Ok(())
}

/// The daemon may run in another folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path);
    absolute.map_err(|why| Failure::Said(format!("{}: {why}", path.display())))
}
