//! Listens for clients, and gives each a thread.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::serve::serve;
use crate::Mapper;
use crate::exports::Exports;

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
    is_stopping: AtomicBool,
    clients: Mutex<HashMap<u64, UnixStream>>,
    is_gone: Condvar,
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

impl Server {
    /// Listens on a socket at `path`, for this user alone, and serves what `mapper` holds.
    pub fn start(path: &Path, mapper: Arc<Mapper>) -> io::Result<Server> {
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        let shared = Arc::new(Shared {
            mapper,
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
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: others may go.
            std::thread::sleep(std::time::Duration::from_millis(50));
            continue;
        };
        let Ok(twin) = stream.try_clone() else {
            continue;
        };
        {
            let mut clients = shared.clients.lock();
            if clients.len() >= MAX_CLIENTS {
                continue;
            }
            clients.insert(number, twin);
        }
        let client = Client { number, shared: shared.clone() };
        // Where no thread can be had, the client is dropped, and so turned away.
        let _ = spawn("dm-client", move || {
            // Whatever went wrong, this client is gone.
            let _ = serve(&client.shared, stream);
        });
    }
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
