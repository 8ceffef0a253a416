//! NBD exports as backing devices.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dm_core::{IoError, Limits, Mode, OpenError, Sectors};
use parking_lot::{Condvar, Mutex};
use rustix::net::{Shutdown, shutdown};

use super::job::Job;
use crate::nbd::protocol::TransmissionFlags;
pub(crate) use address::Address;
use handshake::{ConnectError, Facts, connect};

mod address;
mod handshake;
mod wire;

/// A client of an export. Requests that were not answered when the connection broke are sent again
/// over the next one: all of them may be carried out twice.
///
/// One thread connects and sends, another receives. Dropping it ends both.
pub(crate) struct Remote {
    shared: Arc<Shared>,
    facts: Facts,
}

struct Shared {
    address: Address,
    facts: Facts,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Jobs to be sent.
    waiting: VecDeque<Job>,
    /// Jobs to be answered, by their cookies.
    sent: HashMap<u64, Job>,
    cookie: u64,
    /// The cookie of the job that is being sent.
    sending: Option<u64>,
    /// The connection has broken.
    broken: bool,
    /// Until when requests wait for another one; from then on they fail.
    wait_until: Option<Instant>,
    /// They do.
    given_up: bool,
    stopped: bool,
}

/// How long a server may take for an answer, and at least may.
const PATIENCE: Duration = Duration::from_secs(10);
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before another attempt to connect.
const PAUSE: Duration = Duration::from_millis(200);

impl Remote {
    /// Connects to an export, to stay connected.
    pub(crate) fn open(address: Address, mode: Mode) -> Result<Remote, OpenError> {
        let (socket, facts) = connect(&address, PATIENCE).inspect_err(|error| {
            tracing::warn!("an NBD export does not open: {error}");
        })?;
        let read_only = facts.flags.contains(TransmissionFlags::READ_ONLY);
        if read_only && mode == Mode::ReadWrite {
            return Err(OpenError::ReadOnly);
        }
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { address, facts, state, changed });
        let sender = shared.clone();
        let builder = std::thread::Builder::new().name("nbd-remote".into());
        let thread = builder.spawn(move || sender.stay_connected(socket));
        thread.map_err(|_| OpenError::Other("no thread can be started"))?;
        Ok(Remote { shared, facts })
    }

    pub(crate) fn size(&self) -> Sectors {
        Sectors::from_bytes(self.facts.size)
    }

    pub(crate) fn limits(&self) -> Limits {
        let [smallest, preferred, longest] = self.facts.blocks;
        let sectors = |bytes: u32| Sectors::from_bytes(bytes.into());
        let logical = sectors(smallest.next_power_of_two().max(512));
        let physical = sectors(preferred.next_power_of_two().max(512)).max(logical);
        // A request's length has 32 bits.
        let most = sectors(1 << 31);
        let flagged = |flag| if self.facts.flags.contains(flag) { most } else { Sectors::ZERO };
        Limits {
            logical_block: logical,
            physical_block: physical,
            max_transfer: sectors(longest).min(sectors(32 << 20)).max(logical),
            max_discard: flagged(TransmissionFlags::SEND_TRIM),
            max_write_zeroes: flagged(TransmissionFlags::SEND_WRITE_ZEROES),
        }
    }

    /// Has requests wait once more, where they fail because the server is gone.
    pub(crate) fn try_again(&self) {
        let mut state = self.shared.state.lock();
        if std::mem::take(&mut state.given_up) {
            state.wait_until = Some(Instant::now() + self.shared.address.reconnect_delay);
            self.shared.changed.notify_all();
        }
    }

    /// Has the server carry out a job for one of its files.
    pub(crate) fn submit(job: Job) {
        let Some(shared) = job.file.remote.as_ref().map(|remote| remote.shared.clone()) else {
            return job.finish(Err(IoError::NoDevice));
        };
        let mut state = shared.state.lock();
        if state.given_up {
            drop(state);
            return job.finish(Err(IoError::NoDevice));
        }
        state.waiting.push_back(job);
        drop(state);
        shared.changed.notify_all();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Sends what waits, over this connection and those after it, until the device is closed.
    fn stay_connected(self: Arc<Shared>, socket: OwnedFd) {
        let mut socket = Arc::new(socket);
        loop {
            let receiver = {
                let (shared, socket) = (self.clone(), socket.clone());
                let builder = std::thread::Builder::new().name("nbd-answers".into());
                builder.spawn(move || shared.receive(&socket))
            };
            let sent = self.send(&socket);
            // It fails where the connection has gone already.
            let _ = shutdown(&*socket, Shutdown::Both);
            if let Ok(receiver) = receiver {
                // It ends with the connection; should it have panicked, it has ended.
                let _ = receiver.join();
            }
            if self.state.lock().stopped {
                return;
            }
            tracing::warn!("an NBD server is gone, looking for it: {:?}", sent.err());
            match self.reconnect() {
                Some(again) => socket = Arc::new(again),
                None => return,
            }
        }
    }

    /// Sends jobs until the connection breaks or the device is closed.
    fn send(&self, socket: &OwnedFd) -> io::Result<()> {
        loop {
            let mut state = self.state.lock();
            while state.waiting.is_empty() && !state.broken && !state.stopped {
                self.changed.wait(&mut state);
            }
            if state.broken {
                return Ok(());
            }
            let Some(job) = state.waiting.pop_front() else {
                drop(state);
                return wire::send_goodbye(socket);
            };
            let cookie = state.cookie;
            state.cookie = cookie.wrapping_add(1);
            state.sending = Some(cookie);
            drop(state);
            // The answer may come before this thread goes on; then it waits for the job.
            let sent = wire::send_request(socket, cookie, &job);
            let mut state = self.state.lock();
            state.sent.insert(cookie, job);
            state.sending = None;
            drop(state);
            self.changed.notify_all();
            sent?;
        }
    }

    /// Takes answers until the connection breaks.
    fn receive(&self, socket: &OwnedFd) {
        while let Ok((cookie, result)) = wire::receive_reply(socket.as_fd()) {
            let Some(job) = self.take_sent(cookie) else {
                break;
            };
            if result.is_ok() && job.is_read() && wire::receive_data(socket.as_fd(), &job).is_err()
            {
                self.state.lock().waiting.push_front(job);
                break;
            }
            job.finish(result);
        }
        self.state.lock().broken = true;
        self.changed.notify_all();
    }

    /// The job of that cookie, which is being sent still if it is not yet in its place.
    fn take_sent(&self, cookie: u64) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.sent.remove(&cookie) {
                return Some(job);
            }
            if state.sending != Some(cookie) {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Connects again, as long as it takes; none when the device was closed meanwhile.
    fn reconnect(&self) -> Option<OwnedFd> {
        {
            let mut state = self.state.lock();
            let State { waiting, sent, .. } = &mut *state;
            let mut unanswered: Vec<(u64, Job)> = sent.drain().collect();
            unanswered.sort_by_key(|(cookie, _)| *cookie);
            unanswered.into_iter().rev().for_each(|(_, job)| waiting.push_front(job));
            state.broken = false;
            state.wait_until = Some(Instant::now() + self.address.reconnect_delay);
        }
        let mut told = String::new();
        loop {
            let connected = connect(&self.address, self.patience()).and_then(|(socket, facts)| {
                let same = facts.size == self.facts.size && facts.flags == self.facts.flags;
                if same { Ok(socket) } else { Err(ConnectError::Changed) }
            });
            match connected {
                Ok(socket) => {
                    self.state.lock().given_up = false;
                    return Some(socket);
                }
                Err(error) if error.to_string() == told => {}
                Err(error) => {
                    told = error.to_string();
                    tracing::warn!("an NBD server is not back yet: {told}");
                }
            }
            let mut state = self.state.lock();
            if state.stopped {
                return None;
            }
            if state.wait_until.is_none_or(|until| Instant::now() >= until) {
                state.given_up = true;
                let failed = std::mem::take(&mut state.waiting);
                drop(state);
                failed.into_iter().for_each(|job| job.finish(Err(IoError::NoDevice)));
                state = self.state.lock();
            }
            self.changed.wait_for(&mut state, PAUSE);
        }
    }

    /// How long a server that is gone may take for an answer: requests are not to wait much longer
    /// than they must.
    fn patience(&self) -> Duration {
        let state = self.state.lock();
        let left = state.wait_until.map(|until| until.saturating_duration_since(Instant::now()));
        match left.filter(|_| !state.given_up) {
            Some(left) => left.clamp(LEAST_PATIENCE, PATIENCE),
            None => PATIENCE,
        }
    }
}
