//! Serves a mapped device over NBD until its input ends: `nbd_server SOCKET TABLE [ENGINE]`.
//!
//! ```text
//! truncate -s 64M a.img b.img
//! printf '0 131072 linear a.img 0\n131072 131072 linear b.img 0\n' > table
//! cargo run --example nbd_server -- nbd.sock table
//! nbdinfo 'nbd+unix:///?socket=nbd.sock'
//! ```

use std::error::Error;
use std::io::Read;

use dm_core::{Mode, Registry};
use dm_host::nbd::Server;
use dm_host::{HostOptions, UserHost};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [socket, table, engine @ ..] = &args[..] else {
        return Err("usage: nbd_server SOCKET TABLE [ENGINE]".into());
    };
    let engine = engine.first().map_or(Ok(Default::default()), |name| name.parse())?;
    let mapper =
        UserHost::start(&HostOptions { engine, ..Default::default() }, Registry::with_builtins()?)?;
    let device = mapper.create("disk".parse()?, Default::default())?;
    let text = std::fs::read(table)?;
    let tell = &mut |error: dm_core::LoadError<'_>| eprintln!("{table}:{error}");
    mapper.load(&device, &text, Mode::ReadWrite, tell)?;
    mapper.host().wait(&device.resume()?);
    let server = Server::bind_unix(socket.as_ref())?;
    server.serve(mapper)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
