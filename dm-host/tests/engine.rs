//! One suite for every engine: reads, writes, zeros and flushes against a plain array of bytes.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dm_core::{
    BioFlags, Host, IoError, LoadDeviceError, MappedDevice, Mode, Open, OpenError, Registry,
    Sector, Sectors,
};
use dm_host::{
    BlockIo, Buffer, Done, EngineChoice, HostOptions, Mapper, UserBio, UserHost, Zeroing,
};

fn start(engine: EngineChoice) -> Arc<Mapper> {
    UserHost::start(
        &HostOptions { engine, ..Default::default() },
        Registry::with_builtins().unwrap(),
    )
    .unwrap()
}

/// io_uring where the system has it, and threads.
const ENGINES: [EngineChoice; 2] = [EngineChoice::Auto, EngineChoice::Threads];

fn load(mapper: &Mapper, device: &MappedDevice<UserHost>, table: &str) {
    let mut errors = String::new();
    let tell = &mut |error: dm_core::LoadError<'_>| errors += &format!("{error}\n");
    let loaded = mapper.load(device, table.as_bytes(), Mode::ReadWrite, tell);
    assert_eq!(loaded, Ok(()), "{errors}");
    mapper.host().wait(&device.resume().unwrap());
}

fn open(mapper: &Mapper, table: &str) -> Open<UserHost> {
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    load(mapper, &device, table);
    device.open().unwrap()
}

fn file(folder: &Path, name: &str, sectors: u64) -> String {
    let path = folder.join(name);
    File::create(&path).unwrap().set_len(sectors * 512).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A generator of numbers (xorshift), the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Does `count` random things to bytes `from..to` of the device, and to a model of them.
fn agree_with_model(io: &BlockIo, (from, to): (u64, u64), count: u32, seed: u64) {
    let mut random = Random(seed);
    let mut model = vec![0; (to - from) as usize];
    io.write_at(&model, from, BioFlags::empty()).unwrap();
    for step in 0..count {
        let start = random.below(to - from);
        let longest = if random.below(8) == 0 { to - from - start } else { 5000 };
        let length = (1 + random.below(longest)).min(to - from - start);
        // Now in whole sectors, now at any byte.
        let unit = [512, 1][random.below(2) as usize];
        let start = start / unit * unit;
        let length = (length / unit * unit).max(unit).min(to - from - start);
        let part = start as usize..(start + length) as usize;
        let (offset, length) = (from + start, length as usize);
        match random.below(10) {
            0..4 => {
                let mut found = vec![0xee; length];
                assert_eq!(io.read_at(&mut found, offset), Ok(length));
                assert!(found == model[part], "step {step}: {length} bytes at {offset}");
            }
            kind @ 4..8 => {
                let data: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                let flags = if kind == 4 { BioFlags::FUA } else { BioFlags::empty() };
                assert_eq!(io.write_at(&data, offset, flags), Ok(length));
                model[part].copy_from_slice(&data);
            }
            8 => {
                let zeroing = [Zeroing::empty(), Zeroing::ALLOCATED][random.below(2) as usize];
                io.write_zeroes(offset, length as u64, zeroing).unwrap();
                model[part].fill(0);
            }
            _ => io.flush().unwrap(),
        }
    }
    let mut found = vec![0xee; model.len()];
    assert_eq!(io.read_at(&mut found, from), Ok(model.len()));
    assert!(found == model, "at the end");
}

#[test]
fn every_engine_agrees_with_a_plain_array() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let mapper = start(engine);
        let (a, b) = (file(folder.path(), "a", 3000), file(folder.path(), "b", 3000));
        let table = format!(
            "0 1000 linear {a} 17\n1000 1800 striped 3 8 {a} 1100 {b} 0 mem:1M 7\n\
             2800 200 linear direct:{b} 2000"
        );
        let io = BlockIo::new(open(&mapper, &table));
        assert_eq!(io.len(), 3000 * 512);
        // In parallel, and next to one another in blocks of no device.
        let quarter = io.len() / 4;
        std::thread::scope(|scope| {
            for n in 0..4 {
                let io = &io;
                let range = (n * quarter, (n + 1) * quarter);
                scope.spawn(move || agree_with_model(io, range, 300, 0x5eed + n));
            }
        });
    }
}

#[test]
fn requests_in_flight_complete_once_each() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let mapper = start(engine);
        let a = file(folder.path(), "a", 1 << 14);
        let open = open(&mapper, &format!("0 16384 striped 2 1 {a} 0 {a} 8192"));
        let completed: Arc<Vec<AtomicUsize>> = Arc::new((0..2000).map(|_| 0.into()).collect());
        let told = completed.clone();
        let then = Arc::new(move |done: Done| {
            assert_eq!(done.result, Ok(()));
            told[done.tag as usize].fetch_add(1, Ordering::SeqCst);
        });
        for tag in 0..2000u64 {
            let at = Sector::new(tag * 8);
            open.submit(match tag % 5 {
                0 => UserBio::read(at, Buffer::zeroed(Sectors::new(8)).unwrap(), tag, then.clone()),
                1 | 2 => {
                    UserBio::write(at, Buffer::zeroed(Sectors::new(7)).unwrap(), tag, then.clone())
                }
                3 => UserBio::discard(at, Sectors::new(3), tag, then.clone()),
                _ => UserBio::flush(tag, then.clone()),
            });
        }
        let device = open.device().clone();
        mapper.host().wait(&device.suspend().unwrap());
        let counts: Vec<usize> = completed.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        assert_eq!(counts, [1; 2000], "{engine}: suspended, so each has completed");
    }
}

#[test]
fn a_file_that_became_shorter_gives_errors_where_it_is_missing() {
    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let mapper = start(engine);
        let a = file(folder.path(), "a", 64);
        let io = BlockIo::new(open(&mapper, &format!("0 64 linear {a} 0")));
        OpenOptions::new().write(true).open(&a).unwrap().set_len(32 * 512 + 100).unwrap();
        let mut bytes = vec![0; 8 * 512];
        assert_eq!(io.read_at(&mut bytes, 24 * 512), Ok(bytes.len()));
        assert_eq!(io.read_at(&mut bytes, 28 * 512), Err(IoError::Failed));
        assert_eq!(io.read_at(&mut bytes, 40 * 512), Err(IoError::Failed));
        assert_eq!(io.read_at(&mut bytes, 64 * 512), Ok(0), "past the end of the device");
    }
}

#[test]
fn no_room_for_a_write_is_no_space() {
    // A limit on where files may be written does what a full disk would.
    let Some(path) = std::env::var_os("DM_TEST_FILE") else {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "a", 2048);
        let script =
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact no_room_for_a_write_is_no_space";
        let test = std::env::current_exe().unwrap();
        let mut limited = Command::new("bash");
        limited.args(["-c", script]).arg(test).env("DM_TEST_FILE", path);
        let output = limited.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    };
    for engine in ENGINES {
        let mapper = start(engine);
        let table = format!("0 2048 linear {} 0", path.to_str().unwrap());
        let io = BlockIo::new(open(&mapper, &table));
        assert_eq!(io.write_at(&[1; 512], 0, BioFlags::empty()), Ok(512));
        assert_eq!(io.write_at(&[1; 512], 1 << 19, BioFlags::empty()), Err(IoError::NoSpace));
        let device = io.open().device().clone();
        drop(io);
        mapper.host().wait(&mapper.remove(&device).unwrap());
    }
}

#[test]
fn zeros_and_discards_give_back_room() {
    use std::os::unix::fs::MetadataExt;

    for engine in ENGINES {
        let folder = tempfile::tempdir().unwrap();
        let mapper = start(engine);
        let a = file(folder.path(), "a", 2048);
        let io = BlockIo::new(open(&mapper, &format!("0 2048 linear {a} 0")));
        let blocks = || std::fs::metadata(&a).unwrap().blocks();
        let fill = || {
            io.write_at(&[7; 1 << 20], 0, BioFlags::FUA).unwrap();
            assert!(blocks() >= 2048);
        };
        fill();
        io.discard(0, 1 << 20).unwrap();
        assert!(blocks() < 64, "discarded");
        fill();
        io.write_zeroes(0, 1 << 20, Zeroing::empty()).unwrap();
        assert!(blocks() < 64, "zeroed");
        fill();
        io.write_zeroes(0, 1 << 20, Zeroing::ALLOCATED | Zeroing::FAST).unwrap();
        assert!(blocks() >= 2048, "zeroed in place");
        let mut bytes = vec![1; 1 << 20];
        io.read_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
        assert_eq!(std::fs::metadata(&a).unwrap().len(), 1 << 20, "as long as before");
    }
}

#[test]
fn a_disk_in_memory_lasts_while_it_is_open_and_goes_by_its_words() {
    let mapper = start(EngineChoice::Auto);
    let host = mapper.host();
    let first = mapper.create("first".parse().unwrap(), Default::default()).unwrap();
    load(&mapper, &first, "0 2048 linear mem:1M 0\n2048 2048 linear mem:b:1M 0");
    let io = BlockIo::new(first.open().unwrap());
    io.write_at(b"one", 0, BioFlags::empty()).unwrap();
    let second = mapper.create("second".parse().unwrap(), Default::default()).unwrap();
    load(&mapper, &second, "0 2048 linear mem:b:1M 0\n2048 2048 linear mem:1M 0");
    let through_second = BlockIo::new(second.open().unwrap());
    let read = |io: &BlockIo, offset| {
        let mut bytes = [0; 3];
        io.read_at(&mut bytes, offset).unwrap();
        bytes
    };
    assert_eq!(read(&through_second, 1 << 20), *b"one");
    assert_eq!(read(&through_second, 0), [0; 3]);
    drop((io, through_second));
    for device in [first, second] {
        host.wait(&mapper.remove(&device).unwrap());
    }
    let again = mapper.create("again".parse().unwrap(), Default::default()).unwrap();
    load(&mapper, &again, "0 2048 linear mem:1M 0");
    assert_eq!(read(&BlockIo::new(again.open().unwrap()), 0), [0; 3], "gone when it was closed");
}

#[test]
fn names_that_do_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let mapper = start(EngineChoice::Auto);
    let host = mapper.host();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    file(folder.path(), "busy", 8);
    let other = start(EngineChoice::Threads);
    let busy = other.host().open(&path("busy"), Mode::ReadWrite).unwrap();
    let fifo = Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(fifo.success());
    std::os::unix::fs::symlink(path("loop"), path("loop")).unwrap();
    let cases = [
        (path("none"), OpenError::NotFound),
        (path("busy/none"), OpenError::NotFound),
        ("4095:1048575".into(), OpenError::NotFound),
        (folder.path().to_str().unwrap().into(), OpenError::NotADevice),
        (path("fifo"), OpenError::NotADevice),
        ("/dev/null".into(), OpenError::NotADevice),
        (path("busy"), OpenError::Busy),
        (path("loop"), OpenError::Other("too many symbolic links")),
        ("x".repeat(5000), OpenError::Other("the name is too long")),
    ];
    for (name, error) in cases {
        assert_eq!(host.open(&name, Mode::ReadWrite).err(), Some(error), "{name}");
    }
    let bad = host.open("mem:7", Mode::ReadWrite).err();
    assert!(matches!(bad, Some(OpenError::BadName { .. })), "{bad:?}");
    drop(busy);
    let read = host.open(&path("busy"), Mode::ReadOnly).unwrap();
    assert!(other.host().open(&path("busy"), Mode::ReadOnly).is_ok(), "readers share");
    assert!(other.host().open(&path("busy"), Mode::ReadWrite).is_err(), "writers do not");
    assert!(host.open(&path("busy"), Mode::ReadWrite).is_ok(), "its only reader may write");
    drop(read);
}

#[test]
fn names_are_printed_so_that_they_open_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let mapper = start(EngineChoice::Auto);
    let a = file(folder.path(), "a b", 64);
    let word = a.replace(' ', "\\ ");
    let table = format!("0 8 linear {word} 0\n8 8 linear file:{word} 8\n16 8 linear mem:x:4K 0");
    let open = open(&mapper, &table);
    let mut printed = String::new();
    open.device().table().unwrap().write_table(&mut printed).unwrap();
    let expected = format!("0 8 linear {word} 0\n8 8 linear {word} 8\n16 8 linear mem:x:4K 0\n");
    assert_eq!(printed, expected);
    let direct = mapper.create("direct".parse().unwrap(), Default::default()).unwrap();
    let mut errors = String::new();
    let tell = &mut |error: dm_core::LoadError<'_>| errors += &error.to_string();
    let table = format!("0 64 linear direct:{word} 0");
    match mapper.load(&direct, table.as_bytes(), Mode::ReadWrite, tell) {
        Ok(()) => {
            let mut printed = String::new();
            direct.inactive_table().unwrap().write_table(&mut printed).unwrap();
            assert_eq!(printed, format!("{table}\n"));
        }
        Err(refused) => {
            assert!(matches!(refused, LoadDeviceError::Refused(_)), "{refused}");
            assert!(errors.contains("direct I/O") || errors.contains("logical block"), "{errors}");
        }
    }
}

#[test]
fn events_wake_those_who_wait() {
    let mapper = start(EngineChoice::Auto);
    let device = mapper.create("disk".parse().unwrap(), Default::default()).unwrap();
    let host = mapper.host();
    let seen = device.events();
    assert_eq!(host.wait_event(&device, seen, Some(Duration::from_millis(1))), None);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| host.wait_event(&device, seen, None));
        load(&mapper, &device, "0 8 zero");
        assert!(waiter.join().unwrap().is_some_and(|events| events > seen));
    });
}

#[test]
fn name_and_files_are_free_once_a_removal_was_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mapper = start(EngineChoice::Auto);
    // That it is locked no more would not do: children of other tests have it, too, before they exec.
    let is_open = |path: &str| {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let mut files = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        files.any(|file| file == Path::new(path))
    };
    let ignore = Arc::new(|_: Done| ());
    for n in 0..50 {
        let a = file(folder.path(), &n.to_string(), 2048);
        let open = open(&mapper, &format!("0 2048 linear {a} 0"));
        for tag in 0..20 {
            open.submit(UserBio::flush(tag, ignore.clone()));
        }
        let device = open.device().clone();
        assert!(is_open(&a));
        drop(open);
        mapper.host().wait(&mapper.remove(&device).unwrap());
        assert!(mapper.list().unwrap().is_empty() && mapper.find("disk").is_none());
        assert!(!is_open(&a), "its file is closed");
    }
}

/// Runs where io_uring_setup fails; see `threads_take_over_where_io_uring_is_refused`.
#[test]
#[ignore = "the test below runs it, with io_uring refused"]
fn with_io_uring_refused() {
    let refused = UserHost::start(
        &HostOptions { engine: EngineChoice::IoUring, ..Default::default() },
        Registry::with_builtins().unwrap(),
    );
    assert!(refused.is_err(), "the filter works");
    let mapper = start(EngineChoice::Auto);
    assert_eq!(mapper.host().engine(), EngineChoice::Threads);
    let folder = tempfile::tempdir().unwrap();
    let a = file(folder.path(), "a", 1024);
    let io = BlockIo::new(open(&mapper, &format!("0 1024 linear {a} 0")));
    agree_with_model(&io, (0, 1024 * 512), 100, 1);
    let mut found = vec![0; 1024 * 512];
    io.read_at(&mut found, 0).unwrap();
    assert!(std::fs::read(&a).unwrap() == found);
}

#[test]
fn threads_take_over_where_io_uring_is_refused() {
    let refuse = [
        statement(LOAD, NUMBER, 0, 0),
        statement(IF_EQUAL, libc::SYS_io_uring_setup as u32, 0, 1),
        statement(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        statement(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    run_filtered("with_io_uring_refused", refuse);
}

/// Runs where whatever is to last fails; see `flushes_and_forced_writes_reach_every_file`.
#[test]
#[ignore = "the test below runs it, with fdatasync and RWF_DSYNC failing"]
fn with_syncs_failing() {
    let folder = tempfile::tempdir().unwrap();
    let mapper = start(EngineChoice::Threads);
    let a = file(folder.path(), "a", 1024);
    let io = BlockIo::new(open(&mapper, &format!("0 8 zero\n8 8 linear {a} 0")));
    for offset in [8 * 512, 8 * 512 + 1] {
        assert_eq!(io.write_at(&[1; 512], offset, BioFlags::empty()), Ok(512));
        assert_eq!(io.write_at(&[1; 512], offset, BioFlags::FUA), Err(IoError::NoSpace));
    }
    assert_eq!(io.flush(), Err(IoError::NoSpace));
    assert_eq!(io.write_zeroes(8 * 512, 512, Zeroing::empty()), Ok(()));
    let (sender, results) = std::sync::mpsc::channel();
    let then = Arc::new(move |done: Done| sender.send(done.result).unwrap());
    let zeroes = UserBio::write_zeroes(Sector::new(8), Sectors::new(1), 0, then);
    io.open().submit(zeroes.with_flags(BioFlags::FUA));
    assert_eq!(results.recv().unwrap(), Err(IoError::NoSpace));
}

#[test]
fn flushes_and_forced_writes_reach_every_file() {
    let fail = [
        statement(LOAD, NUMBER, 0, 0),
        statement(IF_EQUAL, libc::SYS_fdatasync as u32, 3, 0),
        statement(IF_EQUAL, libc::SYS_pwritev2 as u32, 0, 3),
        statement(LOAD, SIXTH_ARGUMENT, 0, 0),
        statement(IF_EQUAL, libc::RWF_DSYNC as u32, 0, 1),
        statement(RETURN, libc::SECCOMP_RET_ERRNO | libc::ENOSPC as u32, 0, 0),
        statement(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    run_filtered("with_syncs_failing", fail);
}

// What a filter of system calls is made of: seccomp(2), and where it finds the call.
const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ;
const RETURN: u32 = libc::BPF_RET;
const NUMBER: u32 = 0;
const SIXTH_ARGUMENT: u32 = 16 + 5 * 8;

fn statement(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Runs an ignored test of this file in a process whose system calls are filtered.
fn run_filtered<const N: usize>(test: &str, mut filter: [libc::sock_filter; N]) {
    use std::os::unix::process::CommandExt;

    let install = move || {
        let program = libc::sock_fprog { len: N as u16, filter: filter.as_mut_ptr() };
        // SAFETY: both calls concern this process alone; the program lives through the second.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
        };
        if refused { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored"]);
    // SAFETY: between fork and exec it makes two system calls, and touches its own memory only.
    unsafe { child.pre_exec(install) };
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
