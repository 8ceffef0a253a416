//! Addresses of NBD exports, as the NBD project's `uri.md` has them.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use dm_core::OpenError;
use rustix::net::sockopt;

/// `nbd://HOST[:PORT]/EXPORT`, or `nbd+unix:///EXPORT?socket=PATH`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    place: Place,
    pub(super) export: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix { socket: PathBuf },
}

/// The port that is registered for NBD.
const PORT: u16 = 10809;

/// After how long a server that does not answer any more is given up, so that it is looked for anew.
const SILENCE: Duration = Duration::from_secs(30);

const EXPECTED: &str = "nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH";

impl Address {
    /// Whether that is what a name wants to be.
    pub(crate) fn is_one(name: &str) -> bool {
        name.starts_with("nbd://") || name.starts_with("nbd+unix://")
    }

    pub(crate) fn parse(name: &str) -> Result<Address, OpenError> {
        Address::parts(name).ok_or(OpenError::BadName { expected: EXPECTED })
    }

    fn parts(name: &str) -> Option<Address> {
        if let Some(rest) = name.strip_prefix("nbd+unix:///") {
            let (export, query) = rest.split_once('?')?;
            let socket = PathBuf::from(decoded(query.strip_prefix("socket=")?)?);
            let place = Place::Unix { socket };
            return Some(Address { place, export: decoded(export)? });
        }
        let rest = name.strip_prefix("nbd://")?;
        let (authority, export) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            // A colon within brackets is part of an IPv6 address.
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_one = !host.is_empty() && !export.contains('?');
        let place = Place::Tcp { host: host.into(), port };
        is_one.then_some(Address { place, export: decoded(export)? })
    }

    /// Connects to the server.
    pub(super) fn connect(&self) -> io::Result<OwnedFd> {
        match &self.place {
            Place::Unix { socket } => UnixStream::connect(socket).map(OwnedFd::from),
            Place::Tcp { host, port } => {
                let socket = OwnedFd::from(TcpStream::connect((host.as_str(), *port))?);
                sockopt::set_tcp_nodelay(&socket, true)?;
                sockopt::set_socket_keepalive(&socket, true)?;
                sockopt::set_tcp_keepidle(&socket, SILENCE / 2)?;
                sockopt::set_tcp_user_timeout(&socket, SILENCE.as_millis() as u32)?;
                Ok(socket)
            }
        }
    }
}

/// Text with its `%XX` replaced.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let digits = str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port, export: &str| {
            let place = Place::Tcp { host: host.into(), port };
            Some(Address { place, export: export.into() })
        };
        let unix = |socket: &str, export: &str| {
            let place = Place::Unix { socket: socket.into() };
            Some(Address { place, export: export.into() })
        };
        let cases = [
            ("nbd://host", tcp("host", 10809, "")),
            ("nbd://host:1/a/b", tcp("host", 1, "a/b")),
            ("nbd://[::1]/disk", tcp("::1", 10809, "disk")),
            ("nbd://[::1]:7/a%20b", tcp("::1", 7, "a b")),
            ("nbd+unix:///?socket=/a/b", unix("/a/b", "")),
            ("nbd+unix:///x?socket=a%3fb", unix("a?b", "x")),
            ("nbd://", None),
            ("nbd://host:port/x", None),
            ("nbd://host/x?y", None),
            ("nbd+unix:///x", None),
            ("nbd+unix://host/x?socket=a", None),
            ("nbd://host/%zz", None),
            ("nbds://host/x", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Address::parse(name).ok(), expected, "{name}");
        }
    }
}
