use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::*;
use crate::tls::{client_config, shake_hands};

type Client = StreamOwned<ClientConnection, UnixStream>;

/// A client, what a relay gives the server, and the relay.
fn connected() -> (Client, UnixStream, Relay) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (outer, peer) = UnixStream::pair().unwrap();
    let server = std::thread::spawn(move || {
        let mut tls = Connection::from(ServerConnection::new(Arc::new(config)).unwrap());
        shake_hands(&mut tls, outer.as_fd(), Instant::now() + LINGER).unwrap();
        Relay::start(tls, outer.into()).unwrap()
    });
    let config = Arc::new(client_config(None, false).unwrap());
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = StreamOwned::new(ClientConnection::new(config, name).unwrap(), peer);
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock).unwrap();
    }
    let (plain, relay) = server.join().unwrap();
    (client, plain.into(), relay)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn what_goes_in_comes_out_both_ways() {
    let (mut client, mut plain, relay) = connected();
    for length in [1, 100, 16 << 10, (16 << 10) + 1, PIECE, 1 << 20] {
        let sent = pattern(length);
        std::thread::scope(|scope| {
            let echo = scope.spawn(|| {
                let mut bytes = vec![0; length];
                plain.read_exact(&mut bytes).unwrap();
                plain.write_all(&bytes).unwrap();
            });
            client.write_all(&sent).unwrap();
            let mut bytes = vec![0; length];
            client.read_exact(&mut bytes).unwrap();
            assert!(bytes == sent, "{length} bytes");
            echo.join().unwrap();
        });
    }
    drop(plain);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "it was told that this is the end");
    relay.wait().unwrap();
}

#[test]
fn a_peer_that_says_goodbye_is_answered_still() {
    let (mut client, mut plain, relay) = connected();
    client.write_all(b"request").unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    client.sock.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    plain.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"request");
    let reply = pattern(1 << 20);
    let writer = std::thread::spawn({
        let reply = reply.clone();
        move || plain.write_all(&reply).unwrap()
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert!(received == reply);
    writer.join().unwrap();
    relay.wait().unwrap();
}

#[test]
fn a_peer_that_vanishes_is_the_end_of_what_can_be_read() {
    let (client, mut plain, relay) = connected();
    drop(client);
    assert_eq!(plain.read(&mut [0]).unwrap(), 0);
    drop(plain);
    // It may have found that nobody takes its goodbye.
    let _ = relay.wait();
}

#[test]
fn a_slow_reader_stops_the_writer_on_both_sides() {
    let (mut client, plain, relay) = connected();
    plain.set_nonblocking(true).unwrap();
    let much = pattern(1 << 20);
    let fill = |write: &mut dyn FnMut(&[u8]) -> io::Result<usize>| {
        let (mut taken, mut refused) = (0, 0);
        while refused < 50 {
            match write(&much) {
                Ok(bytes) => (taken, refused) = (taken + bytes, 0),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            assert!(taken < 8 << 20, "{taken} bytes were taken that nobody reads");
        }
        taken
    };
    let outward = fill(&mut |bytes| (&plain).write(bytes));
    assert!(outward > PIECE);
    client.sock.set_nonblocking(true).unwrap();
    client.conn.set_buffer_limit(Some(1 << 16));
    let inward = fill(&mut |bytes| {
        let taken = client.conn.writer().write(bytes)?;
        while client.conn.wants_write() {
            client.conn.write_tls(&mut client.sock)?;
        }
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    });
    assert!(inward > PIECE);
    drop((plain, client));
    // There was more to be said than anybody took.
    let _ = relay.wait();
}

#[test]
fn what_is_no_tls_ends_it() {
    let (mut client, mut plain, relay) = connected();
    client.sock.write_all(b"IHAVEOPT\0\0\0\x03\0\0\0\0").unwrap();
    assert_eq!(plain.read(&mut [0]).unwrap(), 0);
    assert!(matches!(relay.wait(), Err(TlsError::Refused(_))));
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (client, mut plain, relay) = connected();
    plain.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let much = pattern(1 << 20);
    while plain.write_all(&much).is_ok() {}
    drop(plain);
    assert!(matches!(relay.wait(), Err(TlsError::TooSlow)));
    drop(client);
}
