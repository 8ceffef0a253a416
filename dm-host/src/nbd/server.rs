//! Listens for clients and gives each a thread.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown, sockopt};
use rustix::process::{Resource, getrlimit};

use super::connection::{self, Service};
use crate::Mapper;
use crate::doorbell::Doorbell;
use crate::tls::ServerTls;
use crate::unix_socket;

/// A server that listens, and serves once it is told to. Dropping it shuts it down.
pub struct Server {
    listener: OwnedFd,
    address: Address,
    tls: Option<ServerTls>,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

struct Shared {
    clients: Mutex<Clients>,
    gone: Condvar,
    doorbell: Doorbell,
}

/// The connections there are, by the order in which they came.
#[derive(Default)]
struct Clients {
    sockets: HashMap<u64, Arc<OwnedFd>>,
    came: u64,
    stopped: bool,
}

/// Whose connections a TCP address may take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// Those of this machine: only loopback addresses are served.
    #[default]
    ThisMachine,
    /// Anybody's.
    Anywhere,
}

/// Others could reach the address.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0} can be reached from other machines, and what they say would not be encrypted; serve it \
     with --tls-certificates, or all the same with --insecure-tcp"
)]
struct NotLoopback(SocketAddr);

/// How many clients may be connected, at most.
const MAX_CLIENTS: usize = 256;

/// How many descriptors a client takes: with TLS its socket twice and both ends of the pair behind it, a
/// doorbell, and a ring.
const DESCRIPTORS: u64 = 6;

/// How many clients may be connected, so that half of all descriptors are left for other purposes.
fn most_clients() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit / 2 / DESCRIPTORS).unwrap_or(usize::MAX).clamp(1, MAX_CLIENTS)
}

/// How long the requests of clients may take to end when the server shuts down.
const GRACE: Duration = Duration::from_secs(5);

impl Server {
    /// Listens on a unix socket at `path`, for this user alone.
    ///
    /// A directory that is missing is made, for this user alone too. The socket of a server that is
    /// gone is replaced.
    pub fn bind_unix(path: &Path) -> io::Result<Server> {
        let listener = unix_socket::listen(path)?;
        Server::new(listener, Address::Unix(path.into()))
    }

    /// Listens on a TCP port of this machine; port 0 is a free one.
    pub fn bind_tcp(address: SocketAddr, reach: Reach) -> io::Result<Server> {
        if reach == Reach::ThisMachine && !address.ip().is_loopback() {
            let kind = io::ErrorKind::AddrNotAvailable;
            return Err(io::Error::new(kind, NotLoopback(address)));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Server::new(listener.into(), Address::Tcp(address))
    }

    /// The same, but with TLS for its clients.
    pub fn with_tls(mut self, tls: ServerTls) -> Server {
        self.tls = Some(tls);
        self
    }

    /// The address of a server that listens on TCP.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Tcp(address) => Some(address),
            Address::Unix(_) => None,
        }
    }

    /// Serves the devices of `mapper`, each under its name, from threads of its own.
    ///
    /// A second call changes nothing.
    pub fn serve(&self, mapper: Arc<Mapper>) -> io::Result<()> {
        let mut accepting = self.accepting.lock();
        if accepting.is_some() {
            return Ok(());
        }
        let (listener, shared) = (self.listener.try_clone()?, self.shared.clone());
        let service = Service { mapper, tls: self.tls.clone() };
        let builder = std::thread::Builder::new().name("nbd-accept".into());
        *accepting = Some(builder.spawn(move || accept_clients(&listener, &shared, &service))?);
        Ok(())
    }

    /// Stops listening, answers the requests that have come, and disconnects all clients.
    ///
    /// Requests that do not end, those of a suspended device for instance, are waited for a few
    /// seconds.
    pub fn shutdown(&self) {
        if std::mem::replace(&mut self.shared.clients.lock().stopped, true) {
            return;
        }
        if let Address::Unix(path) = &self.address {
            // It fails where somebody was faster.
            let _ = std::fs::remove_file(path);
        }
        self.shared.doorbell.ring();
        if let Some(thread) = self.accepting.lock().take() {
            // It ends by itself; should it have panicked, it has ended.
            let _ = thread.join();
        }
        self.shared.disconnect(Shutdown::Read);
        if !self.shared.wait_until_gone(GRACE) {
            self.shared.disconnect(Shutdown::Both);
            self.shared.wait_until_gone(GRACE);
        }
    }

    fn new(listener: OwnedFd, address: Address) -> io::Result<Server> {
        let shared = Arc::new(Shared {
            clients: Mutex::default(),
            gone: Condvar::new(),
            doorbell: Doorbell::new()?,
        });
        Ok(Server { listener, address, tls: None, shared, accepting: Mutex::new(None) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn accept_clients(listener: &OwnedFd, shared: &Arc<Shared>, service: &Service) {
    while !shared.clients.lock().stopped {
        let mut waited_for =
            [PollFd::new(listener, PollFlags::IN), PollFd::new(&shared.doorbell, PollFlags::IN)];
        // It can only be interrupted; what there is, the next calls find out.
        let _ = poll(&mut waited_for, None);
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => {
                if let Err(error) = shared.clone().start_client(socket, service.clone()) {
                    tracing::warn!("an NBD client cannot be served: {error}");
                }
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => {
                tracing::warn!("NBD clients cannot be accepted: {errno}");
                // For want of descriptors, most likely. Others may be closed meanwhile.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

impl Shared {
    fn start_client(self: Arc<Shared>, socket: OwnedFd, service: Service) -> io::Result<()> {
        // Refused by a unix socket, where nothing is delayed.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        let socket = Arc::new(socket);
        let number = {
            let mut clients = self.clients.lock();
            let most = most_clients();
            if clients.stopped || clients.sockets.len() >= most {
                return Err(io::Error::other(format!("{most} are connected already")));
            }
            clients.came += 1;
            let number = clients.came;
            clients.sockets.insert(number, socket.clone());
            number
        };
        let leave = Leave { shared: self, number };
        let builder = std::thread::Builder::new().name("nbd-client".into());
        builder.spawn(move || {
            let number = leave.number;
            match connection::serve(&socket, &service) {
                Ok(()) => tracing::debug!("NBD client {number} has left"),
                Err(error) => tracing::warn!("NBD client {number} is disconnected: {error}"),
            }
            drop((socket, service));
            drop(leave);
        })?;
        Ok(())
    }

    fn disconnect(&self, how: Shutdown) {
        for socket in self.clients.lock().sockets.values() {
            // It fails where the client was faster.
            let _ = shutdown(socket.as_fd(), how);
        }
    }

    /// Waits for the last client to be gone; returns whether it is.
    fn wait_until_gone(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut clients = self.clients.lock();
        while !clients.sockets.is_empty() {
            if self.gone.wait_until(&mut clients, end).timed_out() {
                return clients.sockets.is_empty();
            }
        }
        true
    }
}

/// Takes a client off the list, however its thread ends.
struct Leave {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let socket = self.shared.clients.lock().sockets.remove(&self.number);
        drop(socket);
        self.shared.gone.notify_all();
    }
}
