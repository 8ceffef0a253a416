//! Listens for clients and gives each a thread.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::Mapper;

/// A server that listens, and serves once it is told to.
pub struct Server {}

impl Server {
    /// Listens on a unix socket at `path`, for this user alone.
    pub fn bind_unix(path: &Path) -> io::Result<Server> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Listens on a TCP port of this machine; with port 0, on a free one.
    pub fn bind_tcp(address: SocketAddr) -> io::Result<Server> {
        let _ = address;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The address of a TCP server.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        None
    }

    /// Serves the devices of `mapper`, each under its name, from threads of its own.
    pub fn serve(&self, mapper: Arc<Mapper>) -> io::Result<()> {
        let _ = mapper;
        Ok(())
    }

    /// Stops listening, lets clients have their answers, and waits until all are gone.
    pub fn shutdown(&self) {}
}
