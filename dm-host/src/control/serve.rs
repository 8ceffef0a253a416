//! Serves one client.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use dm_core::targets::CtrReason;
use dm_core::{
    Change, ChangeError, CreateOptions, LoadError, LoadReason, MappedDevice, Mode, OpenError, Table,
};
use dm_proc_shim::{Cause, Errno, File, Interrupted, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answer::{Refusal, Refused, send};
use super::queries::{
    caused_by, figures, find, info, load, message, metrics, refused, table_text, targets,
};
use super::request::{MAX_LINE, NewDevice, Request};
use super::server::Shared;
use super::switch::switch;
use crate::UserHost;
use crate::exports::UnexportError;
use crate::ublk::UblkError;

/// How often somebody who waits looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(200);

/// For how long a new device's disks may be another's, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Answers requests until the client hangs up.
pub(super) fn serve(shared: &Shared, stream: UnixStream) -> io::Result<()> {
    let mut connection = Connection { shared, input: BufReader::new(stream.try_clone()?), stream };
    loop {
        let mut line = Vec::new();
        (&mut connection.input).take(MAX_LINE).read_until(b'\n', &mut line)?;
        let is_whole = line.last() == Some(&b'\n');
        let is_too_long = !is_whole && line.len() as u64 == MAX_LINE;
        if shared.is_stopping() || !(is_whole || is_too_long) {
            return Ok(());
        }
        let request = match str::from_utf8(&line) {
            _ if is_too_long => {
                Err(Refused::request(format!("a line is at most {MAX_LINE} bytes long")))
            }
            Ok(line) => Request::parse(line),
            Err(_) => Err(Refused::request("expected a line of text")),
        };
        let room = request.and_then(|request| match shared.room_for(request.bytes()) {
            Some(room) => Ok((request, room)),
            None => Err(Refused::new(Errno::NoMemory, "others are sending too much as it is")),
        });
        match room {
            Ok((request, _room)) => {
                let answer = connection.carry_out(request)?;
                send(&mut connection.stream, &answer)?;
            }
            // Where the next request begins is not known then.
            Err(refused) => {
                let why = refused.text.clone();
                send(&mut connection.stream, &Err(refused))?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
    }
}

struct Connection<'s> {
    shared: &'s Shared,
    input: BufReader<UnixStream>,
    stream: UnixStream,
}

type Answer = Result<String, Refused>;

impl Connection<'_> {
    /// Fails only where the connection did; otherwise all the request's bytes were taken.
    fn carry_out(&mut self, request: Request) -> io::Result<Answer> {
        let mapper = &*self.shared.mapper;
        Ok(match request {
            Request::Read { path } => File::find(mapper, &path)
                .and_then(|file| file.read(mapper))
                .map(|text| text.into_string())
                .map_err(Refused::from),
            Request::Write { path, bytes } => self.write(&path, bytes)?,
            Request::Wait { name, event } => find(mapper, &name)
                .and_then(|device| self.wait_event(&device, event))
                .map(|event| format!("{event}\n")),
            Request::Message { name, bytes } => {
                let words = self.bytes(bytes)?;
                find(mapper, &name).and_then(|device| message(&device, &words))
            }
            Request::Create { new, bytes } => {
                let table = self.bytes(bytes)?;
                self.create(*new, &table)
            }
            Request::Load { name, mode, bytes } => {
                let table = self.bytes(bytes)?;
                find(mapper, &name).and_then(|device| load(mapper, &device, &table, mode))
            }
            Request::Check { mode, bytes } => {
                let table = self.bytes(bytes)?;
                let mut refusal = Refusal::default();
                let checked = mapper.check(&table, mode, &mut |error| refusal.add(&error));
                checked.map_err(|why| refused(why, &refusal)).map(|table| table_text(&table))
            }
            Request::Switch { name, bytes } => {
                let wanted = self.bytes(bytes)?;
                let Shared { fence, turns, .. } = self.shared;
                let device = find(mapper, &name);
                let wanted = serde_json::from_slice(&wanted)
                    .map_err(|why| Refused::request(format!("expected a switch: {why}")));
                device.and_then(|device| switch(mapper, fence, turns, &device, &wanted?))
            }
            Request::Turn { name } => {
                let device = find(mapper, &name);
                device.map(|device| format!("{}\n", self.shared.turns.take(&device)))
            }
            Request::Info { name } => info(mapper, name.as_deref()),
            Request::Targets => targets(mapper),
            Request::Figures { name } => figures(mapper, name.as_deref()),
            Request::Metrics => metrics(mapper),
            Request::Export { name, queues, bytes } => {
                let path = self.bytes(bytes)?;
                self.export(&name, queues, &path)
            }
            Request::ExportUblk { name, queues } => self.export_ublk(&name, queues),
            Request::Unexport { bytes } => {
                let path = self.bytes(bytes)?;
                self.unexport(&path)
            }
        })
    }

    /// What follows the line of a request.
    fn bytes(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        (&mut self.input).take(bytes).read_to_end(&mut text)?;
        if text.len() as u64 != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(text)
    }

    /// Writes a file as it comes in; a command is carried out as soon as its line is there.
    fn write(&mut self, path: &str, bytes: u64) -> io::Result<Answer> {
        let mapper = &*self.shared.mapper;
        let mut session = File::find(mapper, path).map(Session::new);
        let mut failure = None;
        let mut left = bytes;
        while left > 0 {
            let some = self.input.fill_buf()?;
            if some.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = some.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let (Ok(session), None) = (&mut session, &failure) {
                let mut wait = |change: &Change<UserHost>| wait(self.shared, &self.stream, change);
                failure = session.write(mapper, &some[..taken], &mut wait).err();
            }
            self.input.consume(taken);
            left -= taken as u64;
        }
        let mut wait = |change: &Change<UserHost>| wait(self.shared, &self.stream, change);
        let result = match (&mut session, failure) {
            (_, Some(error)) => Err(error),
            (Ok(session), None) => session.close(mapper, &mut wait),
            (Err(_), None) => Ok(()),
        };
        Ok(session.map(drop).and(result).map(|()| String::new()).map_err(Refused::from))
    }

    fn wait_event(&self, device: &MappedDevice<UserHost>, event: u64) -> Result<u64, Refused> {
        loop {
            if let Some(event) = self.shared.mapper.host().wait_event(device, event, Some(LOOK)) {
                return match device.is_removed() {
                    true => Err(caused_by(ChangeError::Removed)),
                    false => Ok(event),
                };
            }
            if is_given_up(self.shared, &self.stream) {
                return Err(caused_by(Cause::Interrupted));
            }
        }
    }

    fn export(&self, name: &str, queues: u64, path: &[u8]) -> Answer {
        let Shared { mapper, exports, fence, .. } = self.shared;
        let device = find(mapper, name)?;
        let queues = u16::try_from(queues).unwrap_or(u16::MAX);
        let path = Path::new(OsStr::from_bytes(path));
        let place = fence.new_file(path).map_err(|why| {
            let text = format!("{}: {why}", path.display());
            Refused::new(Errno::Access, text)
        })?;
        match exports.add_vhost(mapper, &device, path, place, queues) {
            Ok(()) => Ok(String::new()),
            Err(why) => Err(Refused::new(Errno::Invalid, why)),
        }
    }

    fn export_ublk(&self, name: &str, queues: u64) -> Answer {
        let Shared { mapper, exports, .. } = self.shared;
        let device = find(mapper, name)?;
        let queues = u16::try_from(queues).unwrap_or(u16::MAX);
        match exports.add_ublk(mapper, &device, queues) {
            Ok(path) => Ok(format!("{path}\n")),
            Err(why @ UblkError::Denied) => Err(Refused::new(Errno::Access, why)),
            Err(why) => Err(Refused::new(Errno::Invalid, why)),
        }
    }

    fn unexport(&self, path: &[u8]) -> Answer {
        let path = Path::new(OsStr::from_bytes(path));
        let errno = |why| match why {
            UnexportError::Busy => Errno::Busy,
            _ => Errno::NoEntry,
        };
        let removed = self.shared.exports.remove(path);
        removed
            .map(|()| String::new())
            .map_err(|why| Refused::new(errno(why), format!("{}: {why}", path.display())))
    }

    /// Creates a device, and if there is a table, with it, or not at all: the table is made first.
    fn create(&self, new: NewDevice, table: &[u8]) -> Answer {
        let NewDevice { name, mode, minor, uuid } = new;
        let mapper = &*self.shared.mapper;
        let options = CreateOptions { minor, uuid };
        if table.is_empty() {
            mapper.create(name, options).map_err(caused_by)?;
            return Ok(String::new());
        }
        let table = self.check_patiently(table, mode)?;
        let device = mapper.create(name, options).map_err(caused_by)?;
        mapper.load_checked(&device, table).map_err(caused_by)?;
        let change = device.resume().map_err(caused_by)?;
        wait(self.shared, &self.stream, &change)
            .map_err(|Interrupted| caused_by(Cause::Interrupted))?;
        Ok(String::new())
    }

    /// Makes a table for a new device, also where a daemon that was killed had the same one: the
    /// kernel lets go of its disks a moment later, when all that io_uring had in hand has ended.
    fn check_patiently(&self, table: &[u8], mode: Mode) -> Result<Table<UserHost>, Refused> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (mut refusal, mut is_busy) = (Refusal::default(), false);
            let checked = self.shared.mapper.check(table, mode, &mut |error| {
                is_busy |= says_busy(&error);
                refusal.add(&error);
            });
            match checked {
                Err(_) if is_busy && Instant::now() < deadline => std::thread::sleep(PAUSE),
                checked => return checked.map_err(|why| refused(why, &refusal)),
            }
        }
    }
}

fn says_busy(error: &LoadError<'_>) -> bool {
    let LoadReason::Target { reason: CtrReason::Open { why, .. }, .. } = error.reason else {
        return false;
    };
    why == OpenError::Busy
}

/// Waits until a change has taken place, or the client is gone.
fn wait(
    shared: &Shared,
    stream: &UnixStream,
    change: &Change<UserHost>,
) -> Result<(), Interrupted> {
    loop {
        let device = change.device();
        let events = device.events();
        if change.is_done() {
            return Ok(());
        }
        if is_given_up(shared, stream) {
            return Err(Interrupted);
        }
        if device.is_removed() {
            // Nobody has it open: whatever is on its way was sent by nobody who still waits.
            shared.mapper.host().wait(change);
        } else {
            shared.mapper.host().wait_event(device, events, Some(LOOK));
        }
    }
}

/// Whether nobody waits for an answer any more.
fn is_given_up(shared: &Shared, stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::HUP | PollFlags::ERR;
    let is_gone = poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(gone);
    is_gone || shared.is_stopping()
}
