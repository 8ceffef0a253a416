//! A session of writes to the control files, over requests that are on their way.

use dm_core::{Change, DeviceMapper, IoError};
use dm_proc_shim::{Cause, File, Interrupted, Session, ShimError};
use dm_sim::{Sim, SimHost, Ticket};

/// What a record may be written to, by its first byte. The last stands for a read of `foo`.
const PATHS: &[&str] = &[
    "control",
    "foo",
    "foo/table",
    "foo/state",
    "foo/message",
    "bar",
    "bar/table",
    "foo/events",
    "targets",
    "nothing",
];

/// A device mapper that is written to, some bytes at a time.
struct Surface {
    sim: Sim,
    piece: usize,
    requests: Vec<Ticket>,
}

impl Surface {
    fn new(piece: usize) -> Surface {
        let sim = Sim::new();
        sim.add_disk("a", 100);
        sim.add_disk("b", 1000);
        Surface { sim, piece, requests: Vec::new() }
    }

    fn mapper(&self) -> &DeviceMapper<SimHost> {
        self.sim.mapper()
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), ShimError> {
        let mut session = Session::new(File::find(self.mapper(), path)?);
        // Requests end when somebody waits for them.
        let wait = &mut |change: &Change<SimHost>| {
            self.sim.complete_all();
            if change.is_done() { Ok(()) } else { Err(Interrupted) }
        };
        for piece in bytes.chunks(self.piece) {
            session.write(self.mapper(), piece, wait)?;
        }
        session.close(self.mapper(), wait)
    }

    /// Starts a read of `foo` that waits at its disks.
    fn start(&mut self) {
        if let Some(open) = self.mapper().find("foo").and_then(|device| device.open().ok()) {
            self.requests.push(self.sim.read(&open, 0, 4));
        }
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let file = File::find(self.mapper(), path).map_err(|error| error.to_string())?;
        let text = file.read(self.mapper()).map_err(|error| error.to_string())?;
        Ok(text.into_string())
    }

    fn state(&self) -> Vec<Result<String, String>> {
        ["control", "targets", "foo", "bar"].iter().map(|path| self.read(path)).collect()
    }
}

/// Records end with a byte 0xff. Written whole or in pieces, they are answered the same and leave
/// the same behind; each table that prints loads again; nobody is interrupted, no request is lost.
pub fn run(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let mut whole = Surface::new(usize::MAX);
    let mut pieces = Surface::new(1 + usize::from(first % 13));
    for record in data.split(|&byte| byte == 0xff).take(32) {
        let Some((first, bytes)) = record.split_first() else { continue };
        match PATHS.get(usize::from(*first) % (PATHS.len() + 1)) {
            Some(path) => {
                let answers = [&whole, &pieces].map(|surface| surface.write(path, bytes));
                let [one, other] = answers.map(|answer| {
                    answer.map_err(|error| {
                        assert!(!matches!(error.cause, Cause::Interrupted), "{path}");
                        error.to_string()
                    })
                });
                assert_eq!(one, other, "{path}: {:?}", String::from_utf8_lossy(bytes));
            }
            None => [&mut whole, &mut pieces].into_iter().for_each(Surface::start),
        }
        assert_eq!(whole.state(), pieces.state());
    }
    for surface in [whole, pieces] {
        let list = surface.mapper().list().expect("memory");
        let _ = surface.write("control", b"create reloaded\n");
        for device in list {
            let Some(table) = device.table() else { continue };
            let mut text = String::new();
            table.write_table(&mut text).expect("text takes all");
            if table.mapped_devices().next().is_none() {
                let loaded = surface.write("reloaded/table", text.as_bytes());
                assert!(loaded.is_ok(), "{text:?}: {}", loaded.unwrap_err());
            }
            surface.sim.complete_all();
            // Requests that were held back end with the device's suspension.
            if let Ok(change) = device.resume() {
                surface.sim.complete_all();
                assert!(change.is_done());
            }
        }
        surface.sim.complete_all();
        for request in &surface.requests {
            let ended: Option<Result<(), IoError>> = request.result();
            assert!(ended.is_some(), "a request is lost");
        }
    }
}
