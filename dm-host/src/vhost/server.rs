//! Listens for monitors, and serves them one after the other.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use dm_core::{MappedDevice, OpenDeviceError};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use vhost::vhost_user::Listener;
use vhost_user_backend::{ShutdownHandle, VhostUserDaemon};

use super::disk::Disk;
use crate::doorbell::Doorbell;
use crate::host::Place;
use crate::unix_socket;
use crate::{Mapper, UserHost};

/// A mapped device on a socket, which monitors of virtual machines connect to. Dropping it ends it.
///
/// The device stays open meanwhile.
pub struct Server {
    path: PathBuf,
    place: Place,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    doorbell: Doorbell,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// Ends the connection there is.
    connection: Option<ShutdownHandle>,
}

/// Why a device is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VhostError {
    /// The device is gone, or has no sectors.
    #[error("the device has no table yet")]
    Empty,
    /// The device cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenDeviceError),
    /// There can be no such number of queues.
    #[error("expected 1 to {most} queues, found {found}")]
    Queues {
        /// The most there can be.
        most: u16,
        /// What was asked for.
        found: u16,
    },
    /// The socket cannot be used.
    #[error("{}: {why}", .path.display())]
    Socket {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
}

/// How many queues, and so threads, a disk may have.
pub(crate) const MAX_QUEUES: u16 = 16;

impl Server {
    /// Serves a device on a socket at `path`, for this user alone, with so many queues, a thread each.
    ///
    /// The socket of a server that is gone is replaced.
    pub fn start(
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        path: &Path,
        queues: u16,
    ) -> Result<Server, VhostError> {
        Server::start_at(mapper, device, path, Place::plain(path), queues)
    }

    /// The same, of a socket that others call `path`.
    pub(crate) fn start_at(
        mapper: &Arc<Mapper>,
        device: &MappedDevice<UserHost>,
        path: &Path,
        place: Place,
        queues: u16,
    ) -> Result<Server, VhostError> {
        if !(1..=MAX_QUEUES).contains(&queues) {
            return Err(VhostError::Queues { most: MAX_QUEUES, found: queues });
        }
        let open = Arc::new(device.open()?);
        if open.size().is_zero() {
            return Err(VhostError::Empty);
        }
        let failed = |why| VhostError::Socket { path: path.into(), why };
        let listener = UnixListener::from(unix_socket::listen(place.path()).map_err(failed)?);
        let doorbell = Doorbell::new().map_err(failed)?;
        let shared = Arc::new(Shared { doorbell, state: Mutex::default() });
        let mut accepting = Accepting {
            shared: shared.clone(),
            disk: move |mapper| Arc::new(Disk::new(mapper, open.clone(), queues)),
            mapper: mapper.clone(),
        };
        let builder = std::thread::Builder::new().name("vhost-accept".into());
        let thread = builder.spawn(move || accepting.run(listener)).map_err(failed)?;
        Ok(Server { path: path.into(), place, shared, thread: Some(thread) })
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails where somebody was faster.
        let _ = std::fs::remove_file(self.place.path());
        let connection = {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            state.connection.take()
        };
        self.shared.doorbell.ring();
        connection.inspect(ShutdownHandle::shutdown);
        if let Some(thread) = self.thread.take() {
            // It ends by itself; should it have panicked, it has ended.
            let _ = thread.join();
        }
    }
}

struct Accepting<D> {
    shared: Arc<Shared>,
    mapper: Arc<Mapper>,
    disk: D,
}

impl<D: Fn(Arc<Mapper>) -> Arc<Disk>> Accepting<D> {
    fn run(&mut self, listener: UnixListener) {
        let mut listener = Listener::from(listener);
        while self.wait(&listener) {
            if let Err(error) = self.serve(&mut listener) {
                tracing::warn!("a virtual machine is disconnected: {error}");
            }
        }
    }

    /// Waits for somebody to connect; false when it is time to end.
    fn wait(&self, listener: &Listener) -> bool {
        use std::os::fd::{AsRawFd, BorrowedFd};
        // SAFETY: the listener owns its descriptor, and outlives this.
        let listener = unsafe { BorrowedFd::borrow_raw(listener.as_raw_fd()) };
        loop {
            if self.shared.state.lock().stopped {
                return false;
            }
            let mut waited_for = [
                PollFd::from_borrowed_fd(listener, PollFlags::IN),
                PollFd::new(&self.shared.doorbell, PollFlags::IN),
            ];
            // It can only be interrupted.
            let _ = poll(&mut waited_for, None);
            if waited_for[0].revents().contains(PollFlags::IN) {
                return !self.shared.state.lock().stopped;
            }
        }
    }

    /// Serves one monitor until it leaves.
    fn serve(&self, listener: &mut Listener) -> Result<(), vhost_user_backend::Error> {
        let disk = (self.disk)(self.mapper.clone());
        let memory = disk.memory().clone();
        let mut daemon = VhostUserDaemon::new("vhost-user".into(), disk.clone(), memory)?;
        disk.set_waits(&daemon.get_epoll_handlers());
        daemon.start(listener)?;
        {
            let mut state = self.shared.state.lock();
            state.connection = daemon.shutdown_handle();
            if state.stopped {
                daemon.request_shutdown();
            }
        }
        let ended = daemon.wait();
        self.shared.state.lock().connection = None;
        use vhost::vhost_user::Error::{Disconnected, PartialMessage};
        match ended {
            // So it looks where a monitor leaves.
            Err(vhost_user_backend::Error::HandleRequest(Disconnected | PartialMessage)) => Ok(()),
            ended => ended,
        }
    }
}
