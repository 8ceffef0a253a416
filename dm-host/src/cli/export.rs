//! `export` and `unexport`: devices for virtual machines, and as block devices.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::{Export, Unexport};
use super::change::{name_word, of};
use super::failure::Failure;
use super::output::print;
use crate::control::Client;

pub(super) fn export(client: &mut Client, args: &Export) -> Result<(), Failure> {
    let (name, queues) = (name_word(&args.name)?, args.queues);
    let Some(socket) = &args.vhost_user else {
        let path = client.ask(&format!("export-ublk {name} {queues}")).map_err(of(&args.name))?;
        return print(&path);
    };
    let path = absolute(socket)?;
    let done = client.ask_with(&format!("export {name} {queues}"), path.as_os_str().as_bytes());
    done.map(drop).map_err(of(&args.name))
}

pub(super) fn unexport(client: &mut Client, args: &Unexport) -> Result<(), Failure> {
    let path = absolute(&args.path)?;
    client.ask_with("unexport", path.as_os_str().as_bytes())?;
    Ok(())
}

/// The daemon may run in another folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path);
    absolute.map_err(|why| Failure::Said(format!("{}: {why}", path.display())))
}
