//! Clients: those that verify, and those that come and go.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use super::ground::finish;
use super::random::Random;
use super::volume::{SECTORS, VOLUMES, Volume};
use super::{Soak, SoakFailure, file};
use crate::failure::Failure;
use crate::io::{enter, read_request};
use crate::shell;

/// Megabytes a second and volume, so that there is room for all else that happens.
const RATE: &str = "--rate=12m";

/// Has fio write everywhere at random, and verify it twice: then, and after it has come again.
pub(super) fn verify(soak: &Soak, volume: &Volume, random: &mut Random) -> Result<(), Failure> {
    let seed = random.below(1 << 30);
    for again in [false, true] {
        if again && soak.is_over() {
            break;
        }
        let mut fio = shell::command("fio", &["--name=verify", "--ioengine=nbd", "--minimal"]);
        fio.current_dir(&soak.ground.folder)
            .arg(format!("--uri={}", soak.ground.uri(volume.name())));
        fio.args(["--rw=randwrite", "--bsrange=512-64k", "--blockalign=512", "--iodepth=16", RATE]);
        fio.args(["--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"]);
        fio.arg(format!("--size={}", SECTORS * 512)).arg(format!("--randseed={seed}"));
        if again {
            fio.arg("--verify_only=1");
        }
        let (said, status) = finish(&mut fio)?;
        let verified = verified(&said).filter(|_| status.success());
        let volume = volume.name();
        soak.counts.verified.add(verified.ok_or(SoakFailure::Verify { volume, said })?);
        soak.counts.passes.add(1);
    }
    Ok(())
}

/// How many bytes fio has read back without an error, from its terse output, version 3.
fn verified(said: &str) -> Option<u64> {
    let fields = said.lines().find_map(|line| line.strip_prefix("3;"));
    let fields: Vec<&str> = fields?.split(';').collect();
    let kilobytes: u64 = fields.get(4)?.parse().ok()?;
    (fields.get(3) == Some(&"0") && kilobytes > 0).then_some(kilobytes * 1024)
}

/// A client that is not there for long, and not always polite.
pub(super) fn visit(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let (socket, volume) = (soak.ground.nbd_socket(), VOLUMES[random.below(5) as usize].name());
    let manner = random.below(4);
    let visit = || match manner {
        // In the midst of the greeting.
        0 => UnixStream::connect(&socket)?.write_all(&[0; 3]),
        // With replies under way.
        1 => {
            let mut stream = enter(&socket, volume)?;
            (0..8).try_for_each(|_| stream.write_all(&read_request(1 << 20)))
        }
        // Without a word.
        2 => {
            let mut stream = enter(&socket, volume)?;
            stream.write_all(&read_request(65536))?;
            stream.read_exact(&mut [0; 16])
        }
        _ => {
            let mut stream = enter(&socket, volume)?;
            stream.write_all(&read_request(4096))?;
            stream.read_exact(&mut [0; 16 + 4096])?;
            let mut goodbye = read_request(0);
            goodbye[7] = 2;
            stream.write_all(&goodbye)?;
            stream.read_to_end(&mut Vec::new()).map(drop)
        }
    };
    visit().map_err(file(&socket))?;
    soak.counts.visits.add(1);
    random.sleep(Duration::from_millis(100));
    Ok(())
}

/// Exports a volume to a virtual machine that comes, says nothing that makes sense, and goes.
pub(super) fn export(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let volume = VOLUMES[random.below(5) as usize].name();
    let socket = soak.ground.folder.join("vhost.sock");
    let path = socket.display().to_string();
    let queues = (1 + random.below(4)).to_string();
    soak.ground.ask(&["export", volume, "--vhost-user", &path, "--queues", &queues])?;
    let mut monitor = UnixStream::connect(&socket).map_err(file(&socket))?;
    if random.is_one_in(2) {
        // The daemon may have hung up on it.
        let _ = monitor.write_all(&[0xff; 32]);
    }
    random.sleep(Duration::from_millis(500));
    if random.is_one_in(2) {
        drop(monitor);
    }
    soak.ground.ask(&["unexport", &path])?;
    soak.counts.exports.add(1);
    Ok(())
}

/// A device that is not there for long.
pub(super) fn create_and_remove(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let ground = &soak.ground;
    ground.ask(&["create", "scratch", "--table", "0 2048 linear mem:1M 0\n2048 8 zero"])?;
    ground.exchange("scratch", "0 8 error\n8 1024 striped 2 8 mem:1M 0 mem:1M 0\n", false)?;
    let refused = ["load", "scratch", "--table", "0 8 linear nobody 0"];
    if finish(ground.dmctl(&refused).stderr(Stdio::null()))?.1.success() {
        let what = "a table over a device that is not there was loaded".to_owned();
        return Err(SoakFailure::Unexpected(what).into());
    }
    ground.ask(&["rename", "scratch", "scratch2"])?;
    ground.ask(&["remove", "scratch2"])?;
    soak.counts.devices.add(1);
    random.sleep(Duration::from_millis(500));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::verified;

    #[test]
    fn what_was_read_back_counts_unless_something_went_wrong() {
        assert_eq!(verified("3;fio-3.33;verify;0;0;32768;100"), Some(32768 * 1024));
        assert_eq!(verified("3;fio-3.33;verify;0;84;32768;100"), None);
        assert_eq!(verified("fio: bad option"), None);
    }
}
