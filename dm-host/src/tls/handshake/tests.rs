use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, InvalidMessage};

use super::*;
use crate::tls::client_config;

fn client() -> Connection {
    let config = Arc::new(client_config(None, false).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(config, name).unwrap().into()
}

/// Has a client begin TLS with `peer` for at most that long.
fn begin(time: Duration, peer: impl FnOnce(UnixStream) + Send) -> Result<(), TlsError> {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(time)).unwrap();
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| peer(far));
        let done = shake_hands(&mut client(), near.as_fd(), Instant::now() + time);
        drop(near);
        peer.join().unwrap();
        done
    })
}

const PATIENT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_peer_that_leaves() {
    let leaves = |mut far: UnixStream| far.read_exact(&mut [0; 100]).unwrap();
    assert!(matches!(begin(PATIENT, leaves), Err(TlsError::Left | TlsError::Io(_))));
}

#[test]
fn a_peer_that_speaks_something_else() {
    let speaks = |mut far: UnixStream| {
        far.write_all(b"NBDMAGICIHAVEOPT").unwrap();
        let _ = far.read_to_end(&mut Vec::new());
    };
    let Err(TlsError::Refused(error)) = begin(PATIENT, speaks) else {
        panic!("it was understood");
    };
    assert_eq!(error, Error::InvalidMessage(InvalidMessage::InvalidContentType));
}

#[test]
fn a_peer_that_says_nothing() {
    let keeps_quiet = |mut far: UnixStream| {
        let _ = far.read_to_end(&mut Vec::new());
    };
    assert!(matches!(begin(SHORT, keeps_quiet), Err(TlsError::TooSlow)));
}

#[test]
fn a_peer_that_says_something_all_the_time_but_never_enough() {
    let drips = |mut far: UnixStream| {
        // A record of a handshake, 16 KiB long, of a message that is 60,000 bytes long.
        let mut record = vec![22, 3, 3, 0x40, 0, 2, 0, 0xea, 0x60];
        record.resize(16 << 10, 0);
        for byte in record {
            if far.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    assert!(matches!(begin(SHORT, drips), Err(TlsError::TooSlow)));
}
