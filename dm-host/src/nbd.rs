//! An NBD server: mapped devices for clients of the network block device protocol.

mod server;

pub use server::Server;
