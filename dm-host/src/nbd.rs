//! An NBD server: mapped devices for clients of the network block device protocol.
//!
//! It speaks the fixed newstyle of the protocol with structured replies, and offers every mapped
//! device that has a table as an export of the device's name; a single device also goes by the
//! empty name. Any number of clients may use an export at once. A device that a client uses is open.

mod connection;
mod export;
mod handshake;
mod inbound;
mod outbound;
pub(crate) mod protocol;
mod reply;
mod request;
mod server;
mod transmission;
mod waiting;

pub use crate::tls::{CertificatesError, ServerTls};
pub use server::{Reach, Server};
