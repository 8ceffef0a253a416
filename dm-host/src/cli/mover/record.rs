//! The record of a move: what is right if the daemon, the client or the machine dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::MoveError;
use super::plan::Piece;
use crate::cli::failure::Failure;
use crate::control::DeviceInfo;
use crate::durable;

/// How far a move is. As JSON its keys are those of the fields.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) version: u32,
    /// The device, as it would have to be created again.
    pub(super) device: String,
    pub(super) minor: u32,
    pub(super) uuid: Option<String>,
    /// In MB/s; 0 for none.
    pub(super) limit: u64,
    /// The lines that are moved, in this order.
    pub(super) pieces: Vec<Piece>,
    /// How many of them are moved.
    pub(super) done: usize,
    pub(super) step: Step,
    pub(super) tables: Tables,
}

/// Which table is right when the device has to be created again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    /// `before`: the source has everything.
    Copying,
    /// `after`: the destination has everything, and more is written to it alone.
    Moved,
    /// Nobody knows: a write to the source failed, perhaps after both had been made equal.
    SourceFailed,
}

/// The tables before, while and after the next piece is moved.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Tables {
    /// The table when the move began.
    pub(super) original: String,
    pub(super) before: String,
    pub(super) during: String,
    pub(super) after: String,
}

const VERSION: u32 = 1;

/// Gives a table as a device that has it prints it: a device that it names in two ways has one name
/// there.
pub(super) type Printed<'p> = dyn FnMut(&str) -> Result<String, Failure> + 'p;

impl Record {
    /// The record of a move that begins; `printed` gives a table as a device that has it prints it.
    pub(super) fn new(
        info: &DeviceInfo,
        table: String,
        pieces: Vec<Piece>,
        printed: &mut Printed<'_>,
    ) -> Result<Record, Failure> {
        let (during, after) = (String::new(), String::new());
        let tables = Tables { original: table.clone(), before: table, during, after };
        let mut record = Record {
            version: VERSION,
            device: info.name.clone(),
            minor: info.minor,
            uuid: info.uuid.clone(),
            limit: 0,
            pieces,
            done: 0,
            step: Step::Copying,
            tables,
        };
        record.find_tables(printed)?;
        Ok(record)
    }

    /// The piece that is being moved.
    pub(super) fn piece(&self) -> Option<&Piece> {
        self.pieces.get(self.done)
    }

    /// The record once the piece is moved.
    pub(super) fn moved(&self) -> Record {
        Record { step: Step::Moved, ..self.clone() }
    }

    /// Goes over to the next piece; returns whether there is one.
    pub(super) fn advance(&mut self, printed: &mut Printed<'_>) -> Result<bool, Failure> {
        self.done += 1;
        self.step = Step::Copying;
        self.tables.before = std::mem::take(&mut self.tables.after);
        self.find_tables(printed)
    }

    fn find_tables(&mut self, printed: &mut Printed<'_>) -> Result<bool, Failure> {
        let Some(piece) = self.pieces.get(self.done) else {
            return Ok(false);
        };
        self.tables.during = printed(&piece.during(&self.tables.before))?;
        self.tables.after = printed(&piece.after(&self.tables.before))?;
        Ok(true)
    }

    pub(super) fn to_text(&self) -> String {
        // Structs of strings and numbers always have a form in JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// Where the record of one device is kept. While this lives, no other client moves the device.
pub(super) struct Keeper {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Keeper {
    pub(super) fn lock(folder: &Path, name: &str) -> Result<Keeper, MoveError> {
        let path = folder.join(format!("move-{name}.json"));
        // The daemon, which writes it too, may be elsewhere.
        let path = std::path::absolute(&path).unwrap_or(path);
        let lock_path = path.with_extension("lock");
        let failed = |why| MoveError::Record { record: lock_path.clone(), why };
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(&lock_path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Keeper { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(MoveError::AtWork { name: name.into() }),
            Err(TryLockError::Error(why)) => Err(failed(why)),
        }
    }

    /// The record, if there is one.
    pub(super) fn load(&self) -> Result<Option<Record>, MoveError> {
        let text = match std::fs::read(&self.path) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|why| self.failed(why))?,
        };
        let not = |why| MoveError::NotARecord { record: self.path.clone(), why };
        let record: Record = serde_json::from_slice(&text).map_err(not)?;
        if record.version != VERSION {
            let why = format!("it is of version {}, this is {VERSION}", record.version);
            return Err(self.failed(io::Error::other(why)));
        }
        Ok(Some(record))
    }

    pub(super) fn save(&self, record: &Record) -> Result<(), MoveError> {
        durable::replace(&self.path, &record.to_text()).map_err(|why| self.failed(why))
    }

    pub(super) fn remove(&self) -> Result<(), MoveError> {
        durable::remove(&self.path).map_err(|why| self.failed(why))
    }

    fn failed(&self, why: io::Error) -> MoveError {
        MoveError::Record { record: self.path.clone(), why }
    }
}
