//! Listens for clients, and gives each a thread.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dm_proc_shim::{Errno, MAX_TABLE};
use parking_lot::{Condvar, Mutex};

use super::answer::{Refused, send};
use super::serve::serve;
use super::switch::Turns;
use crate::Mapper;
use crate::exports::Exports;
use crate::host::Fence;

/// How long a client may take before it takes more of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// More clients than these are turned away.
const MAX_CLIENTS: usize = 128;

/// A control socket that is being served.
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) mapper: Arc<Mapper>,
    pub(super) exports: Exports,
    /// The files that may be named to this server.
    pub(super) fence: Fence,
    pub(super) turns: Turns,
    /// How many bytes its clients have announced, and may have in memory.
    announced: AtomicU64,
    is_stopping: AtomicBool,
    clients: Mutex<HashMap<u64, UnixStream>>,
    is_gone: Condvar,
}

/// How many bytes behind the lines of requests may be in memory, of all clients together.
const MAX_ANNOUNCED: u64 = 2 * MAX_TABLE as u64;

/// How long clients have to take their answers when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Room for the bytes of a request, until it is dropped.
pub(super) struct Room<'s> {
    shared: &'s Shared,
    bytes: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.shared.announced.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Shared {
    /// Room for so many bytes, unless clients have announced too many already.
    pub(super) fn room_for(&self, bytes: u64) -> Option<Room<'_>> {
        let before = self.announced.fetch_add(bytes, Ordering::AcqRel);
        let room = Room { shared: self, bytes };
        (before.saturating_add(bytes) <= MAX_ANNOUNCED).then_some(room)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

impl Server {
    /// Listens on a socket at `path`, for this user alone, and serves what `mapper` holds.
    pub fn start(path: &Path, mapper: Arc<Mapper>) -> io::Result<Server> {
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        // Records of moves are kept beside the socket unless somebody says otherwise.
        let folder = path.parent().unwrap_or(Path::new("/"));
        let fence = mapper.host().fence().and(folder).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            mapper,
            fence,
            turns: Turns::default(),
            announced: AtomicU64::new(0),
            exports: Exports::default(),
            is_stopping: AtomicBool::new(false),
            clients: Mutex::default(),
            is_gone: Condvar::new(),
        });
        let listening = spawn("dm-control", {
            let shared = shared.clone();
            move || accept(&listener, &shared)
        })?;
        Ok(Server { path: path.to_owned(), shared, listening: Some(listening) })
    }

    /// What else than NBD serves devices, as requests had it.
    pub fn exports(&self) -> &Exports {
        &self.shared.exports
    }

    /// Stops listening, lets requests that are being carried out have their answers, and waits
    /// until all clients are gone.
    pub fn stop(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        self.shared.is_stopping.store(true, Ordering::Release);
        // Wakes the thread that listens.
        let woken = UnixStream::connect(&self.path).is_ok();
        let _ = std::fs::remove_file(&self.path);
        if woken {
            let _ = listening.join();
        }
        let mut clients = self.shared.clients.lock();
        for stream in clients.values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
        let end = Instant::now() + GRACE;
        while !clients.is_empty() {
            if self.shared.is_gone.wait_until(&mut clients, end).timed_out() {
                tracing::warn!("{} control clients do not take their answers", clients.len());
                break;
            }
        }
        for stream in clients.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while !clients.is_empty() {
            self.shared.is_gone.wait(&mut clients);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(run)
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for (number, stream) in (0..).zip(listener.incoming()) {
        if shared.is_stopping() {
            return;
        }
        match stream {
            Ok(stream) => {
                if let Err(error) = start_client(shared, number, stream) {
                    tracing::warn!("a control client is turned away: {error}");
                }
            }
            Err(error) => {
                tracing::warn!("control clients cannot be accepted: {error}");
                // Out of descriptors, most likely: others may go.
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn start_client(shared: &Arc<Shared>, number: u64, mut stream: UnixStream) -> io::Result<()> {
    let twin = stream.try_clone()?;
    let is_full = {
        let mut clients = shared.clients.lock();
        let is_full = clients.len() >= MAX_CLIENTS;
        if !is_full {
            clients.insert(number, twin);
        }
        is_full
    };
    if is_full {
        let text = format!("{MAX_CLIENTS} clients are connected already");
        // There is room for it in a socket that is new.
        let _ = send(&mut stream, &Err(Refused::new(Errno::Busy, &text)));
        return Err(io::Error::other(text));
    }
    stream.set_write_timeout(Some(PATIENCE))?;
    let client = Client { number, shared: shared.clone() };
    // Where no thread can be had, the client is dropped, and so turned away.
    spawn("dm-client", move || {
        if let Err(error) = serve(&client.shared, stream) {
            tracing::warn!("a control client is disconnected: {error}");
        }
    })?;
    Ok(())
}

/// A client's place among all of them.
struct Client {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.clients.lock().remove(&self.number);
        self.shared.is_gone.notify_all();
    }
}
