//! TLS for NBD, by rustls.
//!
//! A connection is upgraded in the middle of NBD's negotiation. From then on a relay is
//! between the socket and one end of a pair of sockets, and whoever spoke NBD before goes on at the
//! pair's other end, as if nothing were encrypted.

mod certificates;
mod handshake;
mod relay;
mod trust;

pub(crate) use certificates::client_config;
pub use certificates::{CertificatesError, ServerTls};
pub(crate) use handshake::{TlsError, shake_hands};
pub(crate) use relay::Relay;
