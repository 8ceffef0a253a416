//! Moves the pieces of a record, one after the other.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use dm_proc_shim::Errno;

use super::destination::printed;
use super::error::MoveError;
use super::plan::Piece;
use super::progress::Progress;
use super::record::{Keeper, Record, Step};
use crate::MirrorStatus;
use crate::cli::change::{ask_about, name_word, of};
use crate::cli::failure::Failure;
use crate::control::{Client, ClientError, Legs, Proof, Switch};
use crate::daemon::RuntimeDir;

/// A move at work.
pub(super) struct Mover<'m> {
    pub(super) client: &'m mut Client,
    pub(super) keeper: &'m Keeper,
    pub(super) record: Record,
    pub(super) progress: Progress,
    turn: u64,
    events: Receiver<()>,
}

impl<'m> Mover<'m> {
    pub(super) fn new(
        dir: &RuntimeDir,
        client: &'m mut Client,
        keeper: &'m Keeper,
        record: Record,
        turn: u64,
        json: bool,
    ) -> Result<Mover<'m>, Failure> {
        let events = listen(Client::connect(dir)?, &record.device)?;
        let progress = Progress::new(json, &record.pieces, record.done);
        Ok(Mover { client, keeper, record, progress, turn, events })
    }

    /// Moves what there is to move, wherever it stands.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        while let Some(piece) = self.record.piece().cloned() {
            let live = self.table()?;
            let Record { step, tables, .. } = &self.record;
            let (is_before, is_during) = (live == tables.before, live == tables.during);
            match step {
                Step::Moved if live == tables.after => self.moved(&piece)?,
                Step::Moved if is_during => {
                    // The record was replaced, and yet not for certain: the mirror stayed.
                    self.record.step = Step::Copying;
                    self.keeper.save(&self.record)?;
                }
                Step::Copying if is_before => {
                    self.progress.moving(&piece, 0)?;
                    self.begin(&piece)?;
                    self.finish(&piece)?;
                }
                Step::Copying | Step::SourceFailed if is_during => {
                    let copied = piece.copied(&self.status(&piece)?);
                    self.progress.moving(&piece, copied)?;
                    self.revive(&piece)?;
                    self.finish(&piece)?;
                }
                _ => return Err(self.changed()),
            }
        }
        let table = self.table()?;
        self.progress.over(&table)
    }

    /// Puts the mirror in the place of the line.
    fn begin(&mut self, piece: &Piece) -> Result<(), Failure> {
        let Record { tables, limit, .. } = &self.record;
        let (from, to) = (tables.before.clone(), tables.during.clone());
        let message = Some((piece.start, format!("limit {limit}")));
        match self.switch(Switch { turn: self.turn, from, to, message, with: None }) {
            Err(why) if self.record.done == 0 && self.table()? == self.record.tables.before => {
                // Nothing has begun.
                self.keeper.remove()?;
                Err(why)
            }
            switched => switched,
        }
    }

    /// Goes on with the mirror that is there; legs that have failed have another chance.
    fn revive(&mut self, piece: &Piece) -> Result<(), Failure> {
        if !self.status(piece)?.is_healthy() {
            for verb in ["suspend", "resume"] {
                let line = format!("{verb} {}", name_word(&self.record.device)?);
                self.client.write("control", line.as_bytes())?;
            }
        }
        let words = format!("{} limit {}", piece.start, self.record.limit);
        ask_about(self.client, "message", &self.record.device, Some(words.as_bytes())).map(drop)
    }

    fn finish(&mut self, piece: &Piece) -> Result<(), Failure> {
        loop {
            self.wait_until_in_sync(piece)?;
            match self.leave(piece) {
                Ok(()) => return self.moved(piece),
                // A leg has failed at the last moment.
                Err(why) if is_busy(&why) && !self.status(piece)?.is_healthy() => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// Leaves the source, if both legs are the same.
    fn leave(&mut self, piece: &Piece) -> Result<(), Failure> {
        let moved = self.record.moved();
        let record = Some((self.keeper.path.clone(), moved.to_text()));
        let proof = Proof { mirror: piece.start, legs: Legs::Equal, record };
        let (from, to) = (moved.tables.during.clone(), moved.tables.after.clone());
        self.switch(Switch { turn: self.turn, from, to, message: None, with: Some(proof) })?;
        self.record = moved;
        Ok(())
    }

    fn wait_until_in_sync(&mut self, piece: &Piece) -> Result<(), Failure> {
        loop {
            let mirror = self.status(piece)?;
            if !mirror.is_healthy() {
                return Err(self.give_up(piece, &mirror)?);
            }
            self.progress.copied(piece.copied(&mirror))?;
            if mirror.is_in_sync() {
                if self.record.step == Step::SourceFailed {
                    self.record.step = Step::Copying;
                    self.keeper.save(&self.record)?;
                }
                return Ok(());
            }
            match self.events.recv_timeout(self.progress.interval()) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                // The next question finds out what became of the daemon or the device.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(self.progress.interval()),
            }
        }
    }

    /// A leg has failed: goes back to the source if nothing can be missing there. Returns why it had
    /// to.
    fn give_up(&mut self, piece: &Piece, mirror: &MirrorStatus) -> Result<Failure, Failure> {
        let (name, line) = (self.record.device.clone(), piece.line);
        let (device, other) = (piece.from.device.clone(), piece.to.device.clone());
        let was_complete = self.record.step != Step::SourceFailed;
        let source = mirror.legs.first().filter(|source| was_complete && source.is_complete());
        let Some(source) = source else {
            self.record.step = Step::SourceFailed;
            self.keeper.save(&self.record)?;
            return Ok(MoveError::SourceFailed { name, line, device, other }.into());
        };
        self.go_back(piece)?;
        Ok(match source.state {
            'A' => {
                MoveError::DestinationFailed { name, line, device: other, source_device: device }
            }
            _ => MoveError::SourceUnreadable { name, line, device },
        }
        .into())
    }

    /// Leaves the destination, and the move.
    pub(super) fn go_back(&mut self, piece: &Piece) -> Result<(), Failure> {
        let tables = &self.record.tables;
        let (from, to) = (tables.during.clone(), tables.before.clone());
        let back = Record { step: Step::Copying, ..self.record.clone() };
        let record = Some((self.keeper.path.clone(), back.to_text()));
        let legs = match self.record.step {
            Step::SourceFailed => Legs::Equal,
            Step::Copying | Step::Moved => Legs::FirstComplete,
        };
        let proof = Proof { mirror: piece.start, legs, record };
        self.switch(Switch { turn: self.turn, from, to, message: None, with: Some(proof) })?;
        Ok(self.keeper.remove()?)
    }

    /// The piece is at its destination: what comes next is recorded.
    fn moved(&mut self, piece: &Piece) -> Result<(), Failure> {
        let mut printed = |table: &str| printed(self.client, table);
        match self.record.advance(&mut printed)? {
            true => self.keeper.save(&self.record)?,
            false => self.keeper.remove()?,
        }
        self.progress.moved(piece)
    }

    fn switch(&mut self, switch: Switch) -> Result<(), Failure> {
        // Structs of strings and numbers always have a form in JSON.
        let text = serde_json::to_string(&switch).unwrap_or_default();
        ask_about(self.client, "switch", &self.record.device, Some(text.as_bytes())).map(drop)
    }

    /// The live table.
    pub(super) fn table(&mut self) -> Result<String, Failure> {
        self.read("table")
    }

    /// The condition of the mirror.
    pub(super) fn status(&mut self, piece: &Piece) -> Result<MirrorStatus, Failure> {
        let status = self.read("status")?;
        MirrorStatus::find(&status, piece.start).ok_or_else(|| self.changed())
    }

    pub(super) fn changed(&self) -> Failure {
        let (name, record) = (self.record.device.clone(), self.keeper.path.clone());
        MoveError::Changed { name, record }.into()
    }

    fn read(&mut self, file: &str) -> Result<String, Failure> {
        let name = name_word(&self.record.device)?;
        self.client.read(&format!("{name}/{file}")).map_err(of(name))
    }
}

/// From here on nothing is done any more that an earlier client has asked for.
pub(super) fn take_turn(client: &mut Client, name: &str) -> Result<u64, Failure> {
    let turn = ask_about(client, "turn", name, None)?;
    // It is a number; another one would be nobody's turn.
    Ok(turn.trim_end().parse().unwrap_or_default())
}

/// Whether the daemon did nothing, since things are not as they were thought to be.
fn is_busy(failure: &Failure) -> bool {
    let why = match failure {
        Failure::Device { why, .. } | Failure::Client(why) => why,
        _ => return false,
    };
    matches!(why, ClientError::Refused { class, .. } if class.errno() == Some(Errno::Busy))
}

/// Tells of each event of a device, by a connection of its own.
fn listen(mut client: Client, name: &str) -> Result<Receiver<()>, Failure> {
    let (sender, events) = channel();
    let name = name_word(name)?.to_owned();
    let mut event = client.read(&format!("{name}/events")).map_err(of(&name))?;
    // It ends with the process, or when the device does.
    std::thread::spawn(move || {
        while let Ok(next) = client.ask(&format!("wait {name} {}", event.trim_end())) {
            event = next;
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    Ok(events)
}
