//! Clients that mean harm, clients that die, and disks that do.
//!
//! Whatever happens to one client: memory is bounded, the others go on, a line of the log says it, and
//! nothing is lost that was flushed.

mod access;
mod connections;
mod control;
mod disks;
mod fairness;
mod interrupts;
mod nbd;
mod signals;
mod writers;

use std::io::Read;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::nbd_client::NbdClient;
use crate::support::{Daemon, Folder, wait_until};
use crate::workload::{Blocks, Writer};

/// A client of the device `foo` that minds its own business, and would notice if it were disturbed.
struct Witness {
    writer: Writer,
}

impl Witness {
    /// Creates the device, of `table`, 1024 blocks at least, and begins to write to it.
    fn new(daemon: &Daemon, table: &str) -> Witness {
        daemon.dmctl(["create", "foo", "--table", table]).ok();
        let blocks: Vec<u64> = (0..256).map(|n| n * 4).collect();
        let mut client = NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap();
        let blocks = Blocks::deal(&blocks, 1, &mut client).pop().unwrap();
        Witness { writer: Writer::start(daemon.nbd_socket(), blocks, 7) }
    }

    /// The same, on a file.
    fn on_a_file(daemon: &Daemon) -> Witness {
        let disk = daemon.folder.disk("witness.img", 8192);
        Witness::new(daemon, &format!("0 8192 linear {disk} 0"))
    }

    /// It still gets what it asks for.
    fn goes_on(&self) {
        self.writer.wait_for_progress();
    }

    /// Nothing that it wrote is lost.
    fn verify(self, daemon: &Daemon) {
        let mut client = None;
        // Others may not have left yet.
        wait_until("place for a client", || {
            client = NbdClient::connect(&daemon.nbd_socket(), "foo").ok();
            client.is_some()
        });
        self.writer.stop().verify(&mut client.unwrap());
    }
}

fn start(folder: Folder, args: &[&str]) -> Daemon {
    Daemon::start(folder, args).unwrap_or_else(|said| panic!("{said:?}"))
}

/// Reads until the server hangs up.
fn until_the_end(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // That it was reset is an end too.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// Has the system let this process open thousands of files.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let current = getrlimit(Resource::Nofile).current;
    assert!(current.is_none_or(|files| files >= 3000), "ulimit -Hn 4096, at least");
}
