//! Addresses of NBD exports, as the NBD project's `uri.md` has them.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use dm_core::OpenError;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;

/// `nbd://HOST[:PORT]/EXPORT`, or `nbd+unix:///EXPORT?socket=PATH`; with `nbds` the server must use
/// TLS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    place: Place,
    pub(super) export: String,
    pub(super) tls: Option<Tls>,
    /// How long requests wait for a server that is gone, before they fail.
    pub(super) reconnect_delay: Duration,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix { socket: PathBuf },
}

/// With whom TLS is to be spoken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tls {
    /// The directory of the certificates of those to trust, and of this client's.
    pub(super) certificates: Option<PathBuf>,
    /// Whom the server's certificate must be for.
    pub(super) name: ServerName<'static>,
    pub(super) verify_peer: bool,
}

/// The port that is registered for NBD.
const PORT: u16 = 10809;

/// After how long a server that does not answer any more is given up, so that it is looked for anew.
const SILENCE: Duration = Duration::from_secs(30);

const RECONNECT_DELAY: Duration = Duration::from_secs(60);

const EXPECTED: &str = "nbd[s]://HOST[:PORT]/EXPORT or nbd[s]+unix:///EXPORT?socket=PATH, with \
    parameters tls-certificates=DIR, tls-hostname=NAME, tls-verify-peer=0, reconnect-delay=SECONDS";

impl Address {
    /// Whether that is what a name wants to be.
    pub(crate) fn is_one(name: &str) -> bool {
        matches!(name.split_once("://"), Some(("nbd" | "nbds" | "nbd+unix" | "nbds+unix", _)))
    }

    pub(crate) fn parse(name: &str) -> Result<Address, OpenError> {
        Address::parts(name).ok_or(OpenError::BadName { expected: EXPECTED })
    }

    fn parts(name: &str) -> Option<Address> {
        let (scheme, rest) = name.split_once("://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, export) = rest.split_once('/').unwrap_or((rest, ""));
        let mut query = Query::parse(query)?;
        let place = if scheme.ends_with("+unix") {
            Place::Unix { socket: query.socket.take().filter(|_| authority.is_empty())?.into() }
        } else {
            tcp(authority)?
        };
        let tls = if scheme.starts_with("nbds") { Some(query.tls(&place)?) } else { None };
        let reconnect_delay = query.reconnect_delay.take().unwrap_or(RECONNECT_DELAY);
        // What nobody has taken has no meaning here.
        let export = decoded(export).filter(|_| query == Query::default())?;
        Some(Address { place, export, tls, reconnect_delay })
    }

    /// Connects to the server, which may take so long for it.
    pub(super) fn connect(&self, patience: Duration) -> io::Result<OwnedFd> {
        match &self.place {
            Place::Unix { socket } => UnixStream::connect(socket).map(OwnedFd::from),
            Place::Tcp { host, port } => {
                let mut connected = Err(io::ErrorKind::NotFound.into());
                for address in (host.as_str(), *port).to_socket_addrs()? {
                    connected = TcpStream::connect_timeout(&address, patience);
                    if connected.is_ok() {
                        break;
                    }
                }
                let socket = OwnedFd::from(connected?);
                sockopt::set_tcp_nodelay(&socket, true)?;
                sockopt::set_socket_keepalive(&socket, true)?;
                sockopt::set_tcp_keepidle(&socket, SILENCE / 2)?;
                sockopt::set_tcp_user_timeout(&socket, SILENCE.as_millis() as u32)?;
                Ok(socket)
            }
        }
    }
}

fn tcp(authority: &str) -> Option<Place> {
    let (host, port) = match authority.rsplit_once(':') {
        // A colon within brackets is part of an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, PORT),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (!host.is_empty()).then(|| Place::Tcp { host: host.into(), port })
}

/// The parameters behind a `?`.
#[derive(Debug, Default, PartialEq)]
struct Query {
    socket: Option<String>,
    certificates: Option<String>,
    hostname: Option<String>,
    verify_peer: Option<bool>,
    reconnect_delay: Option<Duration>,
}

impl Query {
    fn parse(text: &str) -> Option<Query> {
        let mut query = Query::default();
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=')?;
            let value = decoded(value)?;
            let twice = match key {
                "socket" => query.socket.replace(value).is_some(),
                "tls-certificates" => query.certificates.replace(value).is_some(),
                "tls-hostname" => query.hostname.replace(value).is_some(),
                "tls-verify-peer" => {
                    let verify = matches!(value.as_str(), "1" | "true");
                    let known = verify || matches!(value.as_str(), "0" | "false");
                    query.verify_peer.replace(known.then_some(verify)?).is_some()
                }
                "reconnect-delay" => {
                    let delay = Duration::from_secs(value.parse::<u32>().ok()?.into());
                    query.reconnect_delay.replace(delay).is_some()
                }
                _ => true,
            };
            if twice {
                return None;
            }
        }
        Some(query)
    }

    /// Takes what there is about TLS with a server at that place.
    fn tls(&mut self, place: &Place) -> Option<Tls> {
        let name = match (self.hostname.take(), place) {
            (Some(name), _) => name,
            (None, Place::Tcp { host, .. }) => host.clone(),
            (None, Place::Unix { .. }) => "localhost".into(),
        };
        Some(Tls {
            certificates: self.certificates.take().map(PathBuf::from),
            name: ServerName::try_from(name).ok()?,
            verify_peer: self.verify_peer.take().unwrap_or(true),
        })
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
mod tests;
