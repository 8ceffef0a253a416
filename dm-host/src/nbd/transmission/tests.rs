use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::nbd::export::MappedExports;
use crate::nbd::handshake::Exports;
use crate::testing::{device, told};

#[test]
fn what_is_for_others_is_carried_on_while_the_client_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
    let (mapper, device) = device(&format!("0 2048 linear {} 0", path.display()));

    let (client, server) = UnixStream::pair().unwrap();
    let (then, done) = told();
    let thread = std::thread::spawn(move || {
        let export = MappedExports(mapper.clone()).open("disk").unwrap();
        let agreed = Agreed { export, structured: false };
        let transmission = Transmission::new(server.as_fd(), mapper.host(), agreed, &[]).unwrap();
        // A request of somebody else, which this thread has been left with: a flush waits for its ring.
        device.open().unwrap().submit(UserBio::flush(0, then));
        transmission.run()
    });
    assert_eq!(done.recv().unwrap().result, Ok(()));
    drop(client);
    assert!(thread.join().unwrap().is_ok());
}
