//! A process that holds mapped devices, and serves them.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dm_core::targets::RegisterError;
use dm_core::{IoError, MappedDevice, Registry, State};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::control;
use crate::fuse::{Mount, MountError};
use crate::nbd;
use crate::{BlockIo, HostOptions, Mapper, StartError, UserHost};

mod runtime_dir;

use runtime_dir::DirLock;
pub use runtime_dir::{DirError, RuntimeDir};

/// What a daemon may be started with.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// Where its sockets go.
    pub dir: RuntimeDir,
    /// Where the control filesystem is mounted, if anywhere.
    pub mountpoint: Option<PathBuf>,
    /// The file that tells, when the daemon has ended, what was asked of the devices there.
    pub record: Option<PathBuf>,
    /// Where NBD is served besides its socket.
    pub tcp: Option<SocketAddr>,
    /// How TLS is spoken there, if it is.
    pub tls: Option<nbd::ServerTls>,
    /// Who may reach that.
    pub reach: nbd::Reach,
    /// How backing devices are read and written.
    pub host: HostOptions,
}

/// Holds mapped devices, and serves them by NBD, a control socket, and a control filesystem.
pub struct Daemon {
    mapper: Arc<Mapper>,
    // In the order in which they are stopped.
    control: control::Server,
    mount: Option<Mount>,
    nbd: Vec<nbd::Server>,
    _lock: DirLock,
}

/// Why a daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// Its directory cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The host did not start.
    #[error(transparent)]
    Host(#[from] StartError),
    /// The targets were not registered.
    #[error(transparent)]
    Registry(#[from] RegisterError),
    /// Something cannot be served.
    #[error("cannot serve {what}: {why}")]
    Serve {
        /// What.
        what: String,
        /// Why not.
        why: io::Error,
    },
    /// Requests cannot be written down.
    #[error("{}: {why}", .path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// The control filesystem cannot be mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Has the system give this process as many descriptors as it would if asked.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // A program that is started with more than 1024 could trip over select(2); this starts none
    // but fusermount3.
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("the number of descriptors stays limited: {error}");
    }
}

impl Daemon {
    /// Starts serving; there are no devices yet.
    pub fn start(options: &DaemonOptions) -> Result<Daemon, DaemonError> {
        let lock = options.dir.take()?;
        allow_descriptors();
        let mapper = UserHost::start(&options.host, Registry::with_builtins()?)?;
        let failed = |what: String| move |why| DaemonError::Serve { what, why };
        let mut nbd = Vec::new();
        let socket = options.dir.nbd_socket();
        let what = format!("NBD on {}", socket.display());
        nbd.push(nbd::Server::bind_unix(&socket).map_err(failed(what))?);
        if let Some(address) = options.tcp {
            let what = format!("NBD on {address}");
            let server = nbd::Server::bind_tcp(address, options.reach).map_err(failed(what))?;
            nbd.push(match &options.tls {
                Some(tls) => server.with_tls(tls.clone()),
                None => server,
            });
        }
        for server in &nbd {
            server.serve(mapper.clone()).map_err(failed("NBD".into()))?;
        }
        let mountpoint = options.mountpoint.as_deref();
        let create = |path: &PathBuf| {
            File::create(path).map_err(|why| DaemonError::Record { path: path.clone(), why })
        };
        let record = options.record.as_ref().map(create).transpose()?;
        let mount = mountpoint.map(|at| Mount::new(at, mapper.clone(), record)).transpose()?;
        // Last, so that whoever finds it finds all the rest too.
        let socket = options.dir.control_socket();
        let what = format!("control on {}", socket.display());
        let control = control::Server::start(&socket, mapper.clone()).map_err(failed(what))?;
        Ok(Daemon { mapper, control, mount, nbd, _lock: lock })
    }

    /// The device mapper.
    pub fn mapper(&self) -> &Arc<Mapper> {
        &self.mapper
    }

    /// Where NBD is served on TCP.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.nbd.iter().find_map(nbd::Server::tcp_address)
    }

    /// Stops: unmounts, lets requests end, and flushes every device.
    ///
    /// What suspended devices hold back is let go through the tables they have. Returns which
    /// devices were not flushed, and why.
    pub fn stop(mut self) -> Vec<(String, IoError)> {
        self.control.stop();
        let devices = self.mapper.list().unwrap_or_default();
        for device in &devices {
            if device.state() == State::Suspended {
                // Both fail only for devices that are gone.
                let _ = device.clear();
                let _ = device.resume().map(|change| self.mapper.host().wait(&change));
            }
        }
        if let Some(mount) = self.mount.take() {
            mount.unmount();
        }
        for server in &self.nbd {
            server.shutdown();
        }
        self.control.exports().clear();
        let flush = |device: &MappedDevice<UserHost>| match device.open() {
            Ok(open) if device.state() == State::Active => BlockIo::new(open).flush(),
            _ => Ok(()),
        };
        let failed = devices.iter().map(|device| (device.name().to_string(), flush(device)));
        failed.filter_map(|(name, flushed)| Some((name, flushed.err()?))).collect()
    }
}
