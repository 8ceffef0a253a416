//! The control socket: what the control filesystem offers, for where there is no FUSE.
//!
//! A client connects to the unix stream socket, sends requests, and reads an answer to each before
//! it sends the next. A request is a line of words, and where the last of them is a number of bytes,
//! that many bytes behind it:
//!
//! | request | answer |
//! |---|---|
//! | `read <path>` | the text of a file: `control`, `targets`, `<name>`, `<name>/table`, ... |
//! | `write <path> <bytes>` | nothing; as if the file were opened, written and closed |
//! | `wait <name> <event>` | the event number, once it is another than `<event>` |
//! | `message <name> <bytes>` | what the target answers to `<sector> <word>...` |
//! | `create <name> <rw or ro> <minor or -> <uuid or -> <bytes>` | nothing; with a table, all or nothing |
//! | `load <name> <rw or ro> <bytes>` | nothing; the table is in the inactive slot |
//! | `check <rw or ro> <bytes>` | the table as a device prints it; there is no error in it |
//! | `switch <name> <bytes>` | nothing; JSON asks for one table in the place of another, see `dmctl move` |
//! | `turn <name>` | a number; from now on only a `switch` that has it is made, and none is under way |
//! | `info [<name>]` | JSON: an array of [`DeviceInfo`] |
//! | `targets` | JSON: an array of [`TargetInfo`] |
//! | `figures [<name>]` | JSON: an array of [`DeviceFigures`](crate::DeviceFigures) |
//! | `metrics` | the same of all devices, as the text that Prometheus reads |
//! | `export <name> <queues> <bytes>` | nothing; the device is served to virtual machines on a socket of that path |
//! | `export-ublk <name> <queues>` | the path of a block device of this kernel that the device now is |
//! | `unexport <bytes>` | nothing; it no longer is, on a socket or a block device of that path |
//!
//! An answer is a line `ok <bytes>` or `error <class> <bytes>`, and that many bytes: the text that
//! was asked for, or why not. The class is `no-entry`, `exists`, `busy`, ... as of an
//! [`Errno`](dm_proc_shim::Errno), `request` for what is no request at all, or `table`: then the text
//! is a [`Refusal`] as JSON.
//!
//! ```text
//! $ printf 'write control 11\ncreate foo\nread foo/state\n' | socat -t 1 - UNIX:control.sock
//! ok 0
//! ok 6
//! empty
//! ```

mod answer;
mod client;
mod info;
mod prometheus;
mod queries;
mod request;
mod serve;
mod server;
mod switch;

pub use answer::{Class, Refusal};
pub use client::{Client, ClientError};
pub use info::{DeviceInfo, TableInfo, TargetInfo};
pub use server::Server;
pub(crate) use switch::{Legs, Proof, Switch};
