use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;

use dm_core::{Mode, Registry};
use parking_lot::Mutex;

use super::*;
use crate::HostOptions;
use crate::nbd::export::MappedExports;
use crate::nbd::handshake::Exports;

#[test]
fn what_is_for_others_is_carried_on_while_the_client_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let mapper =
        UserHost::start(&HostOptions::default(), Registry::with_builtins().unwrap()).unwrap();
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    let table = format!("0 2048 linear {} 0", path.display());
    mapper.load(&device, table.as_bytes(), Mode::ReadWrite, &mut |_| {}).unwrap();
    mapper.host().wait(&device.resume().unwrap());

    let (client, server) = UnixStream::pair().unwrap();
    let (sender, done) = channel();
    let thread = std::thread::spawn(move || {
        let export = MappedExports(mapper.clone()).open("disk").unwrap();
        let agreed = Agreed { export, structured: false };
        let transmission = Transmission::new(server.as_fd(), mapper.host(), agreed, &[]).unwrap();
        // A request of somebody else, which this thread has been left with: a flush waits for its ring.
        let sender = Mutex::new(sender);
        let then = std::sync::Arc::new(move |done: Done| sender.lock().send(done.result).unwrap());
        device.open().unwrap().submit(UserBio::flush(0, then));
        transmission.run()
    });
    assert_eq!(done.recv().unwrap(), Ok(()));
    drop(client);
    assert!(thread.join().unwrap().is_ok());
}
