//! One client cannot starve another.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::hostile::start;
use crate::nbd_client::{BLOCK, NbdClient, READ, request};
use crate::support::Folder;

const MIB: u32 = 1 << 20;

/// A client with a deep queue of large requests, and one with a small one at a time: how many of
/// either were answered.
fn compete(engine: &str, small: u64) -> (u64, u64) {
    let daemon = start(Folder::new(), &["serve", "--engine", engine]);
    let disk = daemon.folder.disk("a.img", 131_072);
    daemon.dmctl(["create", "foo", "--table", &format!("0 131072 linear {disk} 0")]).ok();
    let (stop, large) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let connect = || NbdClient::connect(&daemon.nbd_socket(), "foo").unwrap();
    let hog = std::thread::spawn({
        let (stop, large, mut client) = (stop.clone(), large.clone(), connect());
        move || {
            let ask = |client: &mut NbdClient, n: u64| {
                client.stream().write_all(&request(READ, (n % 64) << 20, MIB)).unwrap();
            };
            (0..64).for_each(|n| ask(&mut client, n));
            let mut data = vec![0; MIB as usize];
            for n in 64.. {
                assert_eq!(client.reply().unwrap(), 0);
                client.stream().read_exact(&mut data).unwrap();
                large.fetch_add(1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                ask(&mut client, n);
            }
        }
    });
    let mut client = connect();
    while large.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let before = large.load(Ordering::SeqCst);
    for n in 0..small {
        client.write(n, &[n as u8; BLOCK]).unwrap();
        assert_eq!(client.read(n).unwrap(), [n as u8; BLOCK]);
    }
    let large = large.load(Ordering::SeqCst) - before;
    stop.store(true, Ordering::SeqCst);
    hog.join().unwrap();
    (2 * small, large)
}

#[test]
fn small_requests_get_through_beside_a_deep_queue_of_large_ones() {
    for engine in ["auto", "threads"] {
        let (small, large) = compete(engine, 200);
        eprintln!("{engine}: {small} of 4 KiB beside {large} of 1 MiB");
        // One that had to wait for a whole queue each time would see 64 times as many.
        assert!(large < 16 * small, "{engine}: {small} small requests beside {large} large ones");
    }
}
