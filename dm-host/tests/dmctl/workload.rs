//! Writers that know what they were told is written, and an image with a file system for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::nbd_client::{BLOCK, NbdClient};
use crate::support::{Folder, sh};

/// Numbers that look random, and are the same each time.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// Sleeps for up to that long.
    pub(crate) fn sleep(&mut self, longest: Duration) {
        let micros = self.below(longest.as_micros() as u64);
        std::thread::sleep(Duration::from_micros(micros));
    }
}

/// How long the image is.
pub(crate) const SECTORS: u64 = 65536;

/// Makes `name` an image with an ext4 on it; returns blocks of a file there, which may hold anything
/// without the file system taking harm.
pub(crate) fn image(folder: &Folder, name: &str) -> Vec<u64> {
    folder.disk(name, SECTORS);
    let script = format!(
        "export PATH=$PATH:/sbin:/usr/sbin
        cd {root}
        mkdir -p tree/more
        head -c 16M /dev/urandom > tree/file
        for n in $(seq 40); do head -c ${{n}}k /dev/urandom > tree/more/$n; done
        mkfs.ext4 -q -F -b {BLOCK} -d tree {name}
        debugfs -R 'blocks /file' {name} 2> /dev/null",
        root = folder.path("").display(),
    );
    let blocks = sh(&script);
    let blocks: Vec<u64> = blocks.split_whitespace().map(|block| block.parse().unwrap()).collect();
    assert_eq!(blocks.len(), 4096);
    blocks.into_iter().step_by(16).collect()
}

/// Checks the file system of an image, and that its files are those that were put there.
pub(crate) fn check_file_system(image: &Path) {
    sh(&format!(
        "export PATH=$PATH:/sbin:/usr/sbin
        cd {folder}
        e2fsck -fn {image} > fsck.log 2>&1 || {{ cat fsck.log; exit 1; }}
        rm -rf back; mkdir back
        debugfs -R 'rdump /more back' {image} 2> /dev/null
        diff -r tree/more back/more",
        folder = image.parent().unwrap().display(),
        image = image.display(),
    ));
}

/// What is known of one block: the number of the last write that was acknowledged, and that of the
/// last one that was sent.
#[derive(Clone, Copy, Debug)]
struct Known {
    block: u64,
    acknowledged: u64,
    sent: u64,
}

/// The blocks of one writer.
pub(crate) struct Blocks(Vec<Known>);

/// What the write of that number puts into a block.
fn stamp(block: u64, number: u64) -> [u8; BLOCK] {
    let mut data = [0; BLOCK];
    for (n, word) in data.chunks_exact_mut(8).enumerate() {
        let value = if n % 2 == 0 { number } else { block ^ n as u64 };
        word.copy_from_slice(&value.to_le_bytes());
    }
    data
}

impl Blocks {
    /// Deals the blocks out to so many writers, after all were written once.
    pub(crate) fn deal(blocks: &[u64], writers: usize, client: &mut NbdClient) -> Vec<Blocks> {
        let known = |&block: &u64| {
            client.write(block, &stamp(block, 1)).unwrap();
            Known { block, acknowledged: 1, sent: 1 }
        };
        let mut all: Vec<Known> = blocks.iter().map(known).collect();
        let each = all.len().div_ceil(writers);
        let mut dealt = Vec::new();
        while !all.is_empty() {
            dealt.push(Blocks(all.split_off(all.len().saturating_sub(each))));
        }
        dealt
    }

    /// Each block holds what was acknowledged last, or something that was sent since.
    pub(crate) fn verify(&mut self, client: &mut NbdClient) {
        for known in &mut self.0 {
            let data = client.read(known.block).unwrap();
            let found = u64::from_le_bytes(data[..8].try_into().unwrap());
            let is_right = (known.acknowledged..=known.sent).contains(&found);
            assert!(is_right, "{known:?}, found write {found}");
            assert!(data == stamp(known.block, found), "{known:?}, found parts of other writes");
            (known.acknowledged, known.sent) = (found, found);
        }
    }
}

/// A thread that writes its blocks, and reads them back, until it is told to stop or cannot go on.
pub(crate) struct Writer {
    thread: JoinHandle<(Blocks, Option<std::io::Error>)>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    done: AtomicU64,
}

impl Writer {
    pub(crate) fn start(socket: PathBuf, mut blocks: Blocks, seed: u64) -> Writer {
        let shared = Arc::new(Shared::default());
        let client = NbdClient::connect(&socket, "foo");
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                let work = || {
                    let (mut client, mut random) = (client?, Random::new(seed));
                    while !shared.stop.load(Ordering::SeqCst) {
                        let known = random.below(blocks.0.len() as u64) as usize;
                        let known = &mut blocks.0[known];
                        if random.below(4) == 0 {
                            let data = client.read(known.block)?;
                            assert!(data == stamp(known.block, known.acknowledged), "{known:?}");
                        } else {
                            known.sent += 1;
                            client.write(known.block, &stamp(known.block, known.sent))?;
                            known.acknowledged = known.sent;
                        }
                        shared.done.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(())
                };
                let ended = work().err();
                (blocks, ended)
            }
        });
        Writer { thread, shared }
    }

    /// Waits until it has done something more.
    pub(crate) fn wait_for_progress(&self) {
        let before = self.shared.done.load(Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(60);
        // Two, since the first may have been under way.
        while self.shared.done.load(Ordering::SeqCst) < before + 2 {
            assert!(Instant::now() < deadline, "requests do not get through");
            assert!(!self.thread.is_finished(), "requests fail");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it; requests of it must not have failed.
    pub(crate) fn stop(self) -> Blocks {
        self.shared.stop.store(true, Ordering::SeqCst);
        let (blocks, error) = self.thread.join().unwrap();
        assert!(error.is_none(), "{error:?}");
        blocks
    }

    /// Waits for it; the daemon was killed.
    pub(crate) fn join(self) -> Blocks {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap().0
    }
}
