//! The NBD server through clients that nobody here wrote, and through one that misbehaves.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dm_core::{BioFlags, MappedDevice, Mode, Registry};
use dm_host::nbd::{Reach, Server};
use dm_host::{BlockIo, EngineChoice, HostOptions, Mapper, UserHost};
use tempfile::TempDir;

/// A server on a unix socket, and the files of its devices.
struct Setup {
    folder: TempDir,
    mapper: Arc<Mapper>,
    server: Server,
}

impl Setup {
    fn new(engine: EngineChoice) -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::with_builtins().unwrap();
        let mapper =
            UserHost::start(&HostOptions { engine, ..Default::default() }, registry).unwrap();
        let server = Server::bind_unix(&folder.path().join("nbd").join("socket")).unwrap();
        server.serve(mapper.clone()).unwrap();
        Setup { folder, mapper, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("nbd/socket")
    }

    fn uri(&self, export: &str) -> String {
        format!("nbd+unix:///{export}?socket={}", self.socket().display())
    }

    /// Makes a file and returns its path, as table lines have it.
    fn file(&self, name: &str, sectors: u64) -> String {
        let path = self.path(name);
        File::create(&path).unwrap().set_len(sectors * 512).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn create(&self, name: &str, table: &str) -> MappedDevice<UserHost> {
        let device = self.mapper.create(name.parse().unwrap(), Default::default()).unwrap();
        self.load(&device, table, Mode::ReadWrite);
        self.mapper.host().wait(&device.resume().unwrap());
        device
    }

    fn load(&self, device: &MappedDevice<UserHost>, table: &str, mode: Mode) {
        let mut errors = String::new();
        let tell = &mut |error: dm_core::LoadError<'_>| errors += &format!("{error}\n");
        let loaded = self.mapper.load(device, table.as_bytes(), mode, tell);
        assert_eq!(loaded, Ok(()), "{errors}");
    }
}

/// Runs a program that must be there and succeed; returns what it printed.
fn run(program: &str, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = attempt(program, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{program} {args:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

fn attempt(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"))
}

/// Has fio write everywhere at random and verify it; returns what it printed.
fn fio_verify(uri: &str, size: &str, more: &[&str]) -> String {
    let uri = format!("--uri={uri}");
    let size = format!("--size={size}");
    let mut args = vec!["--name=verify", "--ioengine=nbd", &uri, "--rw=randwrite", &size];
    args.extend(["--bsrange=512-64k", "--bs_unaligned=0", "--blockalign=512", "--iodepth=16"]);
    args.extend([
        "--verify=crc32c",
        "--verify_fatal=1",
        "--randseed=20011",
        "--norandommap=0",
        "--verify_state_save=0",
    ]);
    args.extend(more);
    let printed = run("fio", &args);
    assert!(printed.contains("err= 0"), "{printed}");
    printed
}

/// Where a table puts a sector: the number of the file, and the sector there.
type Place = (usize, u64);

/// Compares every sector of the device, as `nbdcopy` reads it, with where it must lie.
fn compare_with_files(
    setup: &Setup,
    export: &str,
    files: &[String],
    sectors: u64,
    place: impl Fn(u64) -> Place,
) {
    let copy = setup.path("copy");
    run("nbdcopy", &[&setup.uri(export), copy.to_str().unwrap()]);
    let copy = std::fs::read(copy).unwrap();
    assert_eq!(copy.len() as u64, sectors * 512);
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut written = 0;
    for sector in 0..sectors {
        let (file, at) = place(sector);
        let here = &copy[sector as usize * 512..][..512];
        assert!(*here == files[file][at as usize * 512..][..512], "sector {sector}");
        written += u64::from(here.iter().any(|&byte| byte != 0));
    }
    assert!(written > sectors / 2, "fio wrote {written} of {sectors} sectors");
}

#[test]
fn fio_verifies_a_stripe_of_three_and_its_bytes_lie_where_they_must() {
    for engine in [EngineChoice::Auto, EngineChoice::Threads] {
        let setup = Setup::new(engine);
        let files = ["a", "b", "c"].map(|name| setup.file(name, 16384 + 100));
        let [a, b, c] = &files;
        setup.create("stripe", &format!("0 49152 striped 3 16 {a} 0 {b} 8 {c} 100"));
        fio_verify(&setup.uri("stripe"), "24m", &[]);
        let offsets = [0, 8, 100];
        compare_with_files(&setup, "stripe", &files, 49152, |sector| {
            let (chunk, within) = (sector / 16, sector % 16);
            let file = (chunk % 3) as usize;
            (file, offsets[file] + chunk / 3 * 16 + within)
        });
    }
}

#[test]
fn fio_verifies_sixteen_lines_and_their_bytes_lie_where_they_must() {
    let setup = Setup::new(EngineChoice::Auto);
    let files = ["a", "b", "c", "d"].map(|name| setup.file(name, 20000));
    // Lines of different lengths, in an order of their own on the files.
    let lines: Vec<(u64, usize, u64)> =
        (0..16).map(|n| (1000 + 77 * n, (n * 7 % 4) as usize, (n * 5 % 16) / 4 * 4000)).collect();
    let (mut table, mut start) = (String::new(), 0);
    for (length, file, offset) in &lines {
        table += &format!("{start} {length} linear {} {offset}\n", files[*file]);
        start += length;
    }
    setup.create("lines", &table);
    fio_verify(&setup.uri("lines"), &format!("{}", start * 512 / 4096 * 4096), &[]);
    compare_with_files(&setup, "lines", &files, start, |mut sector| {
        for (length, file, offset) in &lines {
            if sector < *length {
                return (*file, offset + sector);
            }
            sector -= length;
        }
        panic!("past the table");
    });
}

#[test]
fn nothing_is_lost_while_tables_are_swapped_a_thousand_times() {
    let setup = Setup::new(EngineChoice::Auto);
    let files = ["a", "b"].map(|name| setup.file(name, 32768));
    let [a, b] = &files;
    // The same bytes in the same places, by lines that are cut differently.
    let tables = [
        format!("0 32768 striped 2 8 {a} 0 {b} 0"),
        format!("0 16384 striped 2 8 {a} 0 {b} 0\n16384 16384 striped 2 8 {a} 8192 {b} 8192"),
    ];
    let device = setup.create("swap", &tables[0]);
    let over = AtomicBool::new(false);
    let clients = std::thread::scope(|scope| {
        let verify = |seed: &'static str, offset: &'static str| {
            let (uri, over) = (setup.uri("swap"), &over);
            scope.spawn(move || {
                let mut runs = 0;
                while !over.load(Ordering::SeqCst) || runs == 0 {
                    fio_verify(&uri, "8m", &[seed, offset]);
                    runs += 1;
                }
                runs
            })
        };
        let clients = [verify("--randseed=1", "--offset=0"), verify("--randseed=2", "--offset=8m")];
        let host = setup.mapper.host();
        for n in 0..1000 {
            host.wait(&device.suspend().unwrap());
            setup.load(&device, &tables[(n + 1) % 2], Mode::ReadWrite);
            host.wait(&device.resume().unwrap());
        }
        over.store(true, Ordering::SeqCst);
        clients.map(|client| client.join().unwrap())
    });
    assert!(clients.iter().all(|&runs| runs >= 1));
    compare_with_files(&setup, "swap", &files, 32768, |sector| {
        let (chunk, within) = (sector / 8, sector % 8);
        ((chunk % 2) as usize, chunk / 2 * 8 + within)
    });
}

#[test]
fn clients_see_the_exports_as_they_are() {
    let setup = Setup::new(EngineChoice::Auto);
    let a = setup.file("a", 4096);
    setup.create("plain", &format!("0 4096 linear {a} 0"));
    let info = run("nbdinfo", &["--json", &setup.uri("")]);
    for fact in [
        "\"protocol\": \"newstyle-fixed\"",
        "\"structured\": true",
        "\"export-name\": \"plain\"",
        "\"export-size\": 2097152",
        "\"is_read_only\": false",
        "\"can_multi_conn\": true",
        "\"can_fua\": true",
        "\"can_flush\": true",
        "\"can_trim\": true",
        "\"can_zero\": true",
        "\"can_fast_zero\": true",
        "\"can_df\": true",
        "\"block_size_minimum\": 512",
        "\"block_size_preferred\": 4096",
        "\"block_size_maximum\": 33554432",
    ] {
        assert!(info.contains(fact), "{fact} is missing in {info}");
    }
    let device = setup.mapper.create("read".parse().unwrap(), Default::default()).unwrap();
    let mapped = "0 2048 linear mem:1M 0";
    setup.load(&device, mapped, Mode::ReadOnly);
    setup.mapper.host().wait(&device.resume().unwrap());
    setup.mapper.create("empty".parse().unwrap(), Default::default()).unwrap();
    let list = run("nbdinfo", &["--list", "--json", &setup.uri("")]);
    assert!(list.contains("\"plain\"") && list.contains("\"read\""), "{list}");
    let read_only = run("nbdinfo", &["--json", &setup.uri("read")]);
    assert!(read_only.contains("\"is_read_only\": true"), "{read_only}");
    for unknown in ["", "empty", "nothing"] {
        let output = attempt("nbdinfo", &[&setup.uri(unknown)]);
        assert!(!output.status.success(), "`{unknown}`");
    }
    let image = run("qemu-img", &["info", "--output=json", &setup.uri("plain")]);
    assert!(image.contains("\"virtual-size\": 2097152"), "{image}");
}

#[test]
fn copies_are_the_same() {
    let setup = Setup::new(EngineChoice::Auto);
    let [a, b] = ["a", "b"].map(|name| setup.file(name, 1 << 16));
    setup.create("stripe", &format!("0 131072 striped 2 128 {a} 0 {b} 0"));
    let image = setup.path("image");
    let random: Vec<u8> =
        (0..1u32 << 24).flat_map(|n| (n.wrapping_mul(2654435761) >> 7).to_le_bytes()).collect();
    std::fs::write(&image, &random).unwrap();
    let (uri, image) = (setup.uri("stripe"), image.to_str().unwrap());
    run("nbdcopy", &["--connections=4", "--flush", image, &uri]);
    assert!(
        run("qemu-img", &["compare", "-f", "raw", "-F", "raw", image, &uri]).contains("identical")
    );
    run("qemu-img", &["convert", "-n", "-O", "raw", "-f", "raw", image, &uri]);
    let copy = setup.path("copy");
    run("nbdcopy", &["--connections=4", &uri, copy.to_str().unwrap()]);
    assert!(std::fs::read(copy).unwrap() == random);
}

#[test]
fn zeros_discards_flushes_and_forced_writes_through_qemu_io() {
    let setup = Setup::new(EngineChoice::Auto);
    let a = setup.file("a", 4096);
    setup.create("disk", &format!("0 2048 linear {a} 2048\n2048 1024 zero\n3072 8 error"));
    let uri = setup.uri("disk");
    let io = |commands: &[&str]| {
        let mut args = vec!["-f", "raw", uri.as_str()];
        args.extend(commands.iter().flat_map(|command| ["-c", command]));
        run("qemu-io", &args)
    };
    let printed = io(&[
        "write -P 0xaa 0 256k",
        "write -f -P 0xbb 64k 64k",
        "flush",
        "write -z 32k 64k",
        "write -z -u 192k 4k",
        "discard 1M 64k",
        "read -P 0xaa 0 32k",
        "read -P 0 32k 64k",
        "read -P 0xbb 96k 32k",
        "read -P 0 192k 4k",
        "read -P 0 1M 64k",
        "write -P 0xcc 1020k 8k",
        "read -P 0xcc 1020k 4k",
        "read -P 0 1M 4k",
    ]);
    assert!(!printed.contains("failed") && !printed.contains("rror"), "{printed}");
    let bytes = std::fs::read(&a).unwrap();
    assert!(bytes[..1 << 20].iter().all(|&byte| byte == 0), "before the mapped part");
    let half = 1 << 20;
    assert!(bytes[half..half + (32 << 10)].iter().all(|&byte| byte == 0xaa));
    assert!(bytes[half + (96 << 10)..half + (128 << 10)].iter().all(|&byte| byte == 0xbb));
    let failed = attempt("qemu-io", &["-f", "raw", &uri, "-c", "read 1536k 4k"]);
    let printed = String::from_utf8_lossy(&failed.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!((printed + &complaint).contains("Input/output error"), "the error target");
}

/// A client by hand: the handshake of old, then what it is told to send.
fn by_hand(setup: &Setup, export: &str) -> UnixStream {
    let mut client = UnixStream::connect(setup.socket()).unwrap();
    client.read_exact(&mut [0; 18]).unwrap();
    client.write_all(&[0, 0, 0, 3]).unwrap();
    client.write_all(b"IHAVEOPT\0\0\0\x01").unwrap();
    client.write_all(&(export.len() as u32).to_be_bytes()).unwrap();
    client.write_all(export.as_bytes()).unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    client
}

fn request(command: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = vec![0x25, 0x60, 0x95, 0x13, 0, 0];
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// Whether the server has hung up.
fn is_cut_off(client: &mut UnixStream) -> bool {
    client.read_to_end(&mut Vec::new()).is_ok_and(|bytes| bytes == 0)
        || client.write_all(&[0]).is_err()
}

#[test]
fn bad_clients_are_cut_off_and_hurt_nobody() {
    let setup = Setup::new(EngineChoice::Auto);
    let device = setup.create("disk", "0 262144 linear mem:128M 0");
    let mut good = by_hand(&setup, "disk");
    let mut read_4k = |cookie: u8| {
        good.write_all(&request(0, cookie.into(), 4096, 4096)).unwrap();
        let mut reply = vec![0; 16 + 4096];
        good.read_exact(&mut reply).unwrap();
        assert_eq!(reply[..16], [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, cookie]);
    };
    read_4k(1);
    let garbage: Vec<u8> = (0..4096u32).map(|n| (n * 31 % 251) as u8).collect();
    let too_long = request(1, 1, 0, (32 << 20) + 1);
    for bad in [&garbage, &too_long] {
        let mut client = by_hand(&setup, "disk");
        client.write_all(bad).unwrap();
        assert!(is_cut_off(&mut client));
        read_4k(2);
    }
    let mut rude = UnixStream::connect(setup.socket()).unwrap();
    rude.read_exact(&mut [0; 18]).unwrap();
    rude.write_all(&garbage).unwrap();
    assert!(is_cut_off(&mut rude));
    // One that leaves in the middle of its data, and one that never takes its replies.
    let mut leaves = by_hand(&setup, "disk");
    leaves.write_all(&request(1, 1, 0, 4096)).unwrap();
    leaves.write_all(&[7; 100]).unwrap();
    drop(leaves);
    let mut greedy = by_hand(&setup, "disk");
    greedy.set_nonblocking(true).unwrap();
    for cookie in 0..100_000 {
        if greedy.write_all(&request(0, cookie, 0, 32 << 20)).is_err() {
            break;
        }
    }
    read_4k(3);
    assert!(device.open_count() >= 2);
    drop(greedy);
    let io = BlockIo::new(device.open().unwrap());
    let mut bytes = [1; 4096];
    io.read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [0; 4096], "half a write is none");
}

#[test]
fn errors_are_told_and_the_connection_goes_on() {
    let setup = Setup::new(EngineChoice::Auto);
    setup.create("disk", "0 2048 linear mem:1M 0\n2048 8 error");
    let mut client = by_hand(&setup, "disk");
    let size = 2056 * 512;
    let cases: &[(u16, u64, u32, u32)] = &[
        (0, size, 4096, 22),
        (0, 1, 512, 22),
        (0, 2048 * 512, 512, 5),
        (1, size - 512, 1024, 28),
        (1, 2048 * 512, 512, 5),
        (4, size, 512, 28),
        (6, 0, 0, 22),
        (7, 0, 512, 22),
        (99, 0, 512, 22),
        (3, 0, 0, 0),
        (6, 0, 512 * 2048, 0),
    ];
    for (cookie, (command, offset, length, error)) in cases.iter().enumerate() {
        client.write_all(&request(*command, cookie as u64, *offset, *length)).unwrap();
        if *command == 1 {
            client.write_all(&vec![0; *length as usize]).unwrap();
        }
        let mut reply = [0; 16];
        client.read_exact(&mut reply).unwrap();
        let expected = [0x6744_6698_0000_0000 | u64::from(*error), cookie as u64];
        assert_eq!(reply[..8], expected[0].to_be_bytes(), "case {cookie}");
        assert_eq!(reply[8..], expected[1].to_be_bytes(), "case {cookie}");
    }
    client.write_all(&request(2, 0, 0, 0)).unwrap();
    assert!(is_cut_off(&mut client), "at its own wish");
}

#[test]
fn requests_wait_while_the_device_is_suspended_and_shutdown_answers_them() {
    let setup = Setup::new(EngineChoice::Auto);
    let device = setup.create("disk", "0 2048 linear mem:1M 0");
    let mut client = by_hand(&setup, "disk");
    assert_eq!(device.open_count(), 1);
    assert!(setup.mapper.remove(&device).is_err(), "in use");
    setup.mapper.host().wait(&device.suspend().unwrap());
    client.write_all(&request(1, 5, 0, 512)).unwrap();
    client.write_all(&[9; 512]).unwrap();
    client.write_all(&request(3, 6, 0, 0)).unwrap();
    let resumed = {
        let device = device.clone();
        std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            device.resume().map(drop)
        })
    };
    setup.server.shutdown();
    resumed.join().unwrap().unwrap();
    let mut replies = Vec::new();
    client.read_to_end(&mut replies).unwrap();
    assert_eq!(replies.len(), 32, "both answered: {replies:?}");
    assert!(replies.chunks(16).all(|reply| reply[4..8] == [0; 4]));
    assert!(!setup.socket().exists());
    assert_eq!(device.open_count(), 0);
    let mut bytes = [0; 512];
    BlockIo::new(device.open().unwrap()).read_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [9; 512]);
}

#[test]
fn sockets_belong_to_their_user_alone() {
    let setup = Setup::new(EngineChoice::Auto);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&setup.socket()), 0o600);
    assert_eq!(mode(&setup.path("nbd")), 0o700);
    let second = Server::bind_unix(&setup.socket()).err().unwrap();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
    let file = setup.file("file", 1);
    let in_the_way = Server::bind_unix(Path::new(&file)).err().unwrap();
    assert_eq!(in_the_way.kind(), std::io::ErrorKind::AlreadyExists);
    let stale = setup.path("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(Server::bind_unix(&stale).is_ok(), "its server is gone");
    let everywhere = Server::bind_tcp(([0, 0, 0, 0], 0).into(), Reach::default()).err().unwrap();
    assert_eq!(everywhere.kind(), std::io::ErrorKind::AddrNotAvailable);
}

#[test]
fn tcp_on_this_machine() {
    let setup = Setup::new(EngineChoice::Auto);
    let device = setup.create("disk", "0 4096 linear mem:2M 0");
    let server = Server::bind_tcp(([127, 0, 0, 1], 0).into(), Reach::default()).unwrap();
    server.serve(setup.mapper.clone()).unwrap();
    let uri = format!("nbd://{}/disk", server.tcp_address().unwrap());
    fio_verify(&uri, "2m", &[]);
    let io = BlockIo::new(device.open().unwrap());
    io.write_at(&[1; 4096], 0, BioFlags::empty()).unwrap();
    let copy = setup.path("copy");
    run("nbdcopy", &[&uri, copy.to_str().unwrap()]);
    assert_eq!(std::fs::read(copy).unwrap()[..4096], [1; 4096]);
}

#[test]
fn works_without_privilege() {
    let id = run("id", &["-u"]);
    if id.trim() != "0" {
        eprintln!("run by user {id}: every test here is without privilege already");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let test = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    for name in [
        "fio_verifies_sixteen_lines_and_their_bytes_lie_where_they_must",
        "sockets_belong_to_their_user_alone",
    ] {
        let mut args = nobody.to_vec();
        args.extend([test.to_str().unwrap(), "--exact", name]);
        let printed = run("setpriv", &args);
        assert!(printed.contains("1 passed"), "{printed}");
    }
}
