//! What unit tests begin with.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use dm_core::{MappedDevice, Mode, Registry};

use crate::{Complete, Done, HostOptions, Mapper, UserHost};

/// A device over a table, and the mapper that it is of.
pub(crate) fn device(table: &str) -> (Arc<Mapper>, MappedDevice<UserHost>) {
    let types = Registry::with_builtins().unwrap();
    let mapper = UserHost::start(&HostOptions::default(), types).unwrap();
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    give(&mapper, &device, table);
    (mapper, device)
}

/// Gives it another table.
pub(crate) fn give(mapper: &Mapper, device: &MappedDevice<UserHost>, table: &str) {
    mapper.load(device, table.as_bytes(), Mode::ReadWrite, &mut |_| {}).unwrap();
    mapper.host().wait(&device.resume().unwrap());
}

/// Somebody to be told what has completed, and where to hear of it.
pub(crate) fn told() -> (Arc<dyn Complete>, Receiver<Done>) {
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let then = move |done| sender.lock().unwrap().send(done).unwrap();
    (Arc::new(then), receiver)
}
