//! The control filesystem: its files, their words, and who waits for what.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use dm_proc_shim::testing::{
    DEVICE_SECTORS, DataError, DataSurface, Refusal, SCRIPTS, Seeds, Surface, run, run_steps,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FallocateFlags, fallocate};

use crate::control::compare_disks;
use crate::support::{Daemon, Folder, not_tested, sh};

/// A daemon with the control filesystem in `dm`. Where the system mounts nothing for this user, it
/// is checked that `dmctl mount` says so, and the test has nothing else to look at.
pub(crate) fn mount() -> Option<Daemon> {
    mount_with(&[])
}

/// The same, with further arguments.
pub(crate) fn mount_with(args: &[&str]) -> Option<Daemon> {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("dm")).unwrap();
    match Daemon::start(folder, &[&["mount", "dm"], args].concat()) {
        Ok(daemon) => Some(daemon),
        Err(said) => {
            let usable = OpenOptions::new().read(true).write(true).open("/dev/fuse");
            assert!(usable.is_err(), "/dev/fuse can be opened, and yet: {}", said.err);
            let expected = "dmctl: cannot mount the control filesystem on dm: ";
            assert!(said.err.starts_with(expected), "{}", said.err);
            not_tested("the control filesystem, as this user may mount none");
            None
        }
    }
}

struct Files {
    root: PathBuf,
    disks: Vec<String>,
}

impl Surface for Files {
    fn devices(&self) -> Vec<String> {
        self.disks.clone()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let file = OpenOptions::new().write(true).open(self.root.join(path)).map_err(refusal)?;
        (&file).write_all(bytes).map_err(refusal)?;
        close(file).map_err(refusal)
    }

    fn read(&mut self, path: &str) -> Result<String, Refusal> {
        std::fs::read_to_string(self.root.join(path)).map_err(refusal)
    }
}

impl Files {
    /// The device as a file; fails where the range is not all in it, which the system would cut off.
    fn data(&self, name: &str, offset: u64, length: usize) -> Result<File, DataError> {
        let path = self.root.join(name).join("data");
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let is_within = offset + length as u64 <= file.metadata().unwrap().len();
        is_within.then_some(file).ok_or(DataError)
    }
}

impl DataSurface for Files {
    fn read_data(&mut self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; length];
        let read = self.data(name, offset, length)?.read_exact_at(&mut bytes, offset);
        read.map(|()| bytes).map_err(|_| DataError)
    }

    fn write_data(&mut self, name: &str, offset: u64, bytes: &[u8]) -> Result<(), DataError> {
        let file = self.data(name, offset, bytes.len())?;
        file.write_all_at(bytes, offset).map_err(|_| DataError)
    }

    fn zero_data(&mut self, name: &str, offset: u64, length: usize) -> Result<(), DataError> {
        let file = self.data(name, offset, length)?;
        let how = match offset / 512 % 2 {
            0 => FallocateFlags::PUNCH_HOLE,
            _ => FallocateFlags::ZERO_RANGE,
        };
        fallocate(file, how | FallocateFlags::KEEP_SIZE, offset, length as u64)
            .map_err(|_| DataError)
    }
}

fn refusal(error: std::io::Error) -> Refusal {
    let number = error.raw_os_error().unwrap_or_else(|| panic!("{error}"));
    Refusal::from_number(number).unwrap_or_else(|| panic!("{error}"))
}

/// Closes a file, and tells how that went.
fn close(file: File) -> std::io::Result<()> {
    // SAFETY: the descriptor was the file's, which gave it up.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn files_do_what_the_model_says() {
    let Seeds { seeds, steps } = Seeds::of_test(0..8, 200);
    for seed in seeds {
        let Some(daemon) = mount() else { return };
        let disks = ["a", "b", "c"].map(|name| daemon.folder.disk(name, DEVICE_SECTORS));
        let mut files = Files { root: daemon.folder.path("dm"), disks: disks.clone().into() };
        let held = run_steps(seed, steps, &mut files);
        compare_disks(&disks, &held);
    }
}

#[test]
fn the_scripts_of_every_surface() {
    let Some(daemon) = mount() else { return };
    let disks = ["a", "b", "c"].map(|name| daemon.folder.disk(name, DEVICE_SECTORS));
    let mut files = Files { root: daemon.folder.path("dm"), disks: disks.into() };
    for (name, script) in SCRIPTS {
        run(script, &mut files).unwrap_or_else(|failure| panic!("{name}.script, {failure}"));
    }
}

#[test]
fn the_proposal_s_session_as_written() {
    let Some(daemon) = mount() else { return };
    let disk = daemon.folder.disk("a.img", 4096);
    let dm = daemon.folder.path("dm");
    let dm = dm.display();
    let said = sh(&format!(
        "cd {dm}
        echo create foo | cat > control
        cat > foo/table <<-END
		begin
		0 1024 linear {disk} 8
		1024 1024 io-err
		end
		END
        cat control foo/table foo/state
        echo hello | dd of=foo/data bs=512 seek=3 conv=notrunc,sync status=none
        dd if=foo/data bs=512 skip=3 count=1 status=none | tr -d '\\0'
        dd if={disk} bs=512 skip=11 count=1 status=none | tr -d '\\0'
        echo remove foo > control
        ls"
    ));
    assert_eq!(
        daemon.folder.masked(&said),
        "foo 0 active 0 1\n0 1024 linear DIR/a.img 8\n1024 1024 error\nactive\n\
         hello\nhello\ncontrol\ntargets\n"
    );
}

#[test]
fn directories_are_devices() {
    let Some(daemon) = mount() else { return };
    let dm = daemon.folder.path("dm");
    let at = |name: &str| dm.join(name);
    let number = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().unwrap();
    std::fs::create_dir(at("foo")).unwrap();
    assert_eq!(number(std::fs::create_dir(at("foo"))), libc::EEXIST);
    assert_eq!(number(std::fs::create_dir(at("a b"))), libc::EINVAL);
    assert_eq!(number(std::fs::create_dir(at("foo/bar"))), libc::EPERM);
    assert_eq!(number(std::fs::create_dir(at(&"x".repeat(128)))), libc::ENAMETOOLONG);
    assert_eq!(number(std::fs::remove_dir(at("control"))), libc::ENOTDIR);
    assert_eq!(number(std::fs::remove_file(at("control"))), libc::EPERM);
    assert_eq!(number(File::create(at("file")).map(drop)), libc::EPERM);
    let mut names: Vec<_> =
        std::fs::read_dir(at("foo")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = ["data", "error", "events", "inactive", "message", "state", "status", "table"];
    assert_eq!(names, expected);

    std::fs::write(at("foo/table"), "0 8 zero\n").unwrap();
    let open = File::open(at("foo/data")).unwrap();
    assert_eq!(number(std::fs::remove_dir(at("foo"))), libc::EBUSY);
    assert_eq!(number(std::fs::rename(at("foo"), at("bar"))), libc::EBUSY);
    drop(open);
    std::fs::rename(at("foo"), at("bar")).unwrap();
    std::fs::create_dir(at("foo")).unwrap();
    assert_eq!(number(std::fs::rename(at("foo"), at("bar"))), libc::EEXIST);
    assert_eq!(
        std::fs::read_to_string(at("control")).unwrap(),
        "bar 0 active 0 2\nfoo 1 empty 0 0\n"
    );
    std::fs::remove_dir(at("bar")).unwrap();
    std::fs::remove_dir(at("foo")).unwrap();
    assert_eq!(std::fs::read_to_string(at("control")).unwrap(), "");
}

#[test]
fn files_that_can_only_be_read_refuse_writers() {
    let Some(daemon) = mount() else { return };
    std::fs::create_dir(daemon.folder.path("dm/foo")).unwrap();
    for name in ["targets", "foo/inactive", "foo/error", "foo/status", "foo/events"] {
        let opened = OpenOptions::new().write(true).open(daemon.folder.path("dm").join(name));
        assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EACCES), "{name}");
    }
    let load = ["load", "foo", "--readonly", "--table", "0 8 zero"];
    daemon.dmctl(load).ok();
    daemon.dmctl(["resume", "foo"]).ok();
    let data = daemon.folder.path("dm/foo/data");
    let opened = OpenOptions::new().write(true).open(&data);
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EROFS));
    assert_eq!(std::fs::read(data).unwrap(), [0; 8 * 512]);
}

/// Whether a poll for news of the file says that there is some.
fn has_news(file: &File) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN | PollFlags::PRI)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).unwrap() > 0
}

#[test]
fn what_a_daemon_that_died_left_mounted_is_replaced() {
    let Some(daemon) = mount() else { return };
    let (folder, _) = daemon.stop(rustix::process::Signal::KILL);
    let gone = std::fs::metadata(folder.path("dm")).unwrap_err();
    assert_eq!(gone.raw_os_error(), Some(libc::ENOTCONN));
    let daemon = Daemon::start(folder, &["mount", "dm"]).unwrap_or_else(|said| panic!("{said:?}"));
    assert_eq!(std::fs::read_to_string(daemon.folder.path("dm/control")).unwrap(), "");
    // One that is ended properly leaves an empty directory, even one that is in use.
    let open = File::open(daemon.folder.path("dm/control")).unwrap();
    let (folder, status) = daemon.stop(rustix::process::Signal::TERM);
    assert!(status.success());
    assert_eq!(std::fs::read_dir(folder.path("dm")).unwrap().count(), 0);
    drop(open);
}

#[test]
fn poll_wakes_at_each_event() {
    let Some(daemon) = mount() else { return };
    daemon.dmctl(["create", "foo", "--table", "0 8 zero"]).ok();
    daemon.dmctl(["create", "other", "--table", "0 8 zero"]).ok();
    let events = File::open(daemon.folder.path("dm/foo/events")).unwrap();
    let number = || {
        let mut text = [0; 16];
        let length = events.read_at(&mut text, 0).unwrap();
        String::from_utf8(text[..length].into()).unwrap()
    };
    assert!(!has_news(&events));
    daemon.dmctl(["suspend", "other"]).ok();
    assert!(!has_news(&events));

    let waiting = events.try_clone().unwrap();
    // Without a limit: when its time is up, a poll looks once more, and would find what it missed.
    let (tell, told) = std::sync::mpsc::channel();
    let poller = std::thread::spawn(move || {
        let mut polled = [PollFd::from_borrowed_fd(waiting.as_fd(), PollFlags::IN)];
        poll(&mut polled, None).unwrap();
        tell.send(()).unwrap();
    });
    daemon.dmctl(["suspend", "foo"]).ok();
    // A wake-up that is lost ends in a failure, not in a test that never ends.
    told.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    poller.join().unwrap();
    assert!(has_news(&events));
    assert_eq!(number(), "2\n");
    assert!(!has_news(&events));
    daemon.dmctl(["resume", "foo"]).ok();
    assert!(has_news(&events));
    assert_eq!(number(), "3\n");
    daemon.dmctl(["remove", "foo"]).ok();
    assert!(has_news(&events));
}

#[test]
fn a_suspended_device_holds_back_only_its_own_data() {
    let Some(daemon) = mount() else { return };
    let dm = daemon.folder.path("dm");
    let disk = daemon.folder.disk("a.img", 64);
    for name in ["held", "free"] {
        let table = format!("0 32 linear {disk} {}", if name == "held" { 0 } else { 32 });
        daemon.dmctl(["create", name, "--table", &table]).ok();
    }
    daemon.dmctl(["suspend", "held"]).ok();
    // More of them than a pool would have threads; aligned ones, and others.
    let held = dm.join("held/data");
    let waiting: Vec<_> = (0..64u64)
        .map(|n| {
            let held = File::options().read(true).write(true).open(&held).unwrap();
            std::thread::spawn(move || match n % 4 {
                0 => held.write_all_at(&[7; 512], n / 4 * 512).unwrap(),
                1 => held.write_all_at(&[7; 3], 10_000 + n).unwrap(),
                2 => held.read_exact_at(&mut [0; 512], 0).unwrap(),
                _ => held.sync_all().unwrap(),
            })
        })
        .collect();
    assert_eq!(std::fs::read_to_string(dm.join("held/state")).unwrap(), "suspended\n");
    std::fs::write(dm.join("free/data"), [9; 32 * 512]).unwrap();
    assert_eq!(std::fs::read(dm.join("free/data")).unwrap(), [9; 32 * 512]);
    std::fs::write(dm.join("held/table"), "0 32 zero\n").unwrap();
    assert!(waiting.iter().any(|thread| !thread.is_finished()));
    std::fs::write(dm.join("held/state"), "resume\n").unwrap();
    waiting.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_daemon_that_ends_lets_held_requests_go() {
    let Some(daemon) = mount() else { return };
    let disk = daemon.folder.disk("a.img", 64);
    daemon.dmctl(["create", "foo", "--table", &format!("0 64 linear {disk} 0")]).ok();
    daemon.dmctl(["suspend", "foo"]).ok();
    daemon.dmctl(["load", "foo", "--table", "0 64 error"]).ok();
    let data = File::options().write(true).open(daemon.folder.path("dm/foo/data")).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let held = std::thread::spawn(move || {
        tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        data.write_all_at(&[3; 512], 0).unwrap();
    });
    let stat = PathBuf::from("/proc").join(told.recv().unwrap()).join("stat");
    // Until it sleeps, which it can only do in the write.
    let is_running = || std::fs::read_to_string(&stat).unwrap().contains(") R ");
    while is_running() {
        std::thread::yield_now();
    }
    let (_folder, status) = daemon.stop(rustix::process::Signal::TERM);
    assert!(status.success());
    held.join().unwrap();
    assert_eq!(crate::support::bytes_at(&disk, 0, 512), [3; 512]);
}

#[test]
fn data_is_bytes_at_any_place() {
    let Some(daemon) = mount() else { return };
    let disk = daemon.folder.disk("a.img", 64);
    let table = format!("0 32 linear {disk} 16\n32 8 error\n");
    daemon.dmctl(["create", "foo", "--table", &table]).ok();
    let path = daemon.folder.path("dm/foo/data");
    let number = |error: std::io::Error| error.raw_os_error().unwrap();
    let mut data = File::options().read(true).write(true).truncate(true).open(&path).unwrap();
    assert_eq!(data.metadata().unwrap().len(), 40 * 512);
    data.write_all_at(b"across two sectors", 505).unwrap();
    data.sync_all().unwrap();
    let below = crate::support::bytes_at(&disk, 16 * 512 + 505, 18);
    assert_eq!(below, b"across two sectors");
    assert_eq!(crate::support::bytes_at(&disk, 16 * 512, 505), [0; 505]);
    let mut found = [0; 6];
    data.read_exact_at(&mut found, 512).unwrap();
    assert_eq!(&found, b"two se");

    assert_eq!(number(data.read_at(&mut [0; 512], 32 * 512).unwrap_err()), libc::EIO);
    assert_eq!(number(data.write_at(&[0; 512], 32 * 512).unwrap_err()), libc::EIO);
    assert_eq!(number(data.write_at(&[0; 512], 40 * 512).unwrap_err()), libc::ENOSPC);
    assert_eq!(data.read_at(&mut [0; 512], 40 * 512).unwrap(), 0);
    assert_eq!(number(data.set_len(5).unwrap_err()), libc::EINVAL);
    data.set_len(40 * 512).unwrap();
    let direct = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path).unwrap();
    let mut start = [1; 512];
    // Past the page cache anyway, so that the memory may be anywhere.
    direct.read_exact_at(&mut start, 0).unwrap();
    assert_eq!(start[..505], [0; 505]);
    let mut all = Vec::new();
    assert_eq!(number(data.read_to_end(&mut all).unwrap_err()), libc::EIO);
}

#[test]
fn holes_and_zeros() {
    let Some(daemon) = mount() else { return };
    let disk = daemon.folder.disk("a.img", 256);
    std::fs::write(&disk, [5; 256 * 512]).unwrap();
    daemon.dmctl(["create", "foo", "--table", &format!("0 256 linear {disk} 0")]).ok();
    let path = daemon.folder.path("dm/foo/data");
    sh(&format!(
        "fallocate --punch-hole --keep-size --offset 8192 --length 65536 {0}
         fallocate --zero-range --keep-size --offset 100 --length 1000 {0}",
        path.display()
    ));
    let mut expected = vec![5; 256 * 512];
    expected[8192..8192 + 65536].fill(0);
    expected[100..1100].fill(0);
    assert!(std::fs::read(&path).unwrap() == expected);
    let (_folder, status) = daemon.stop(rustix::process::Signal::TERM);
    assert!(status.success() && std::fs::read(&disk).unwrap() == expected);
}
