//! Devices to be controlled, and the ways to do so.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use dm_core::{Change, DeviceMapper, Limits, Sectors};
use dm_proc_shim::{File, Interrupted, Session, ShimError};
use dm_sim::{Sim, SimHost};

/// Disks `a` and `b` full of their names, and `big` with blocks of 4 KiB. `foo` is made of `a` and
/// `b`, `busy` of nothing, and `new` has no table.
pub(crate) struct Setup {
    pub(crate) sim: Sim,
}

impl Setup {
    /// Neither disks nor devices.
    pub(crate) fn empty() -> Setup {
        Setup { sim: Sim::new() }
    }

    pub(crate) fn new() -> Setup {
        let sim = Sim::new();
        for name in ["a", "b"] {
            sim.add_disk(name, 100).fill(|_| name.as_bytes()[0]);
        }
        let block = Sectors::new(8);
        let limits = Limits { logical_block: block, physical_block: block, ..Limits::NONE };
        sim.add_disk_with("big", 96, limits);
        let setup = Setup { sim };
        setup.write("control", b"create foo\ncreate busy\ncreate new\n").unwrap();
        setup.write("foo", b"0 8 linear a 0\n8 8 linear b 8\n").unwrap();
        setup.write("busy", b"0 8 zero\n").unwrap();
        setup
    }

    pub(crate) fn mapper(&self) -> &DeviceMapper<SimHost> {
        self.sim.mapper()
    }

    pub(crate) fn find(&self, path: &str) -> Result<File<SimHost>, ShimError> {
        File::find(self.mapper(), path)
    }

    pub(crate) fn open(&self, path: &str) -> Session<SimHost> {
        Session::new(self.find(path).unwrap())
    }

    pub(crate) fn read(&self, path: &str) -> String {
        self.find(path).unwrap().read(self.mapper()).unwrap().into_string()
    }

    /// Opens, writes and closes; nothing needs to be waited for.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), ShimError> {
        let mut session = Session::new(self.find(path)?);
        self.write_to(&mut session, bytes)?;
        self.close(&mut session)
    }

    pub(crate) fn write_to(
        &self,
        session: &mut Session<SimHost>,
        bytes: &[u8],
    ) -> Result<(), ShimError> {
        session.write(self.mapper(), bytes, &mut cannot_wait)
    }

    pub(crate) fn close(&self, session: &mut Session<SimHost>) -> Result<(), ShimError> {
        session.close(self.mapper(), &mut cannot_wait)
    }

    /// All there is to see but what errors leave.
    pub(crate) fn snapshot(&self) -> String {
        let mut text = self.read("control");
        for device in self.mapper().list().unwrap() {
            for file in ["state", "events", "table", "inactive", "status", "message"] {
                text += &format!("{file}: {}", self.read(&format!("{}/{file}", device.name())));
            }
        }
        text
    }
}

fn cannot_wait(_: &Change<SimHost>) -> Result<(), Interrupted> {
    Err(Interrupted)
}

/// What is read in the first sector of each of the first two lines of eight sectors.
pub(crate) fn first_bytes(setup: &Setup, name: &str) -> [u8; 2] {
    let open = setup.mapper().find(name).unwrap().open().unwrap();
    [0, 8].map(|sector| {
        let ticket = setup.sim.read(&open, sector, 1);
        setup.sim.complete_all();
        assert_eq!(ticket.result(), Some(Ok(())));
        ticket.data()[0]
    })
}
