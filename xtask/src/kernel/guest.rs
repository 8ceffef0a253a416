//! A virtual machine for the module: a Debian kernel, and an initramfs of programs from this system.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::kernel::packages::Kernel;
use crate::kernel::{KernelFailure, build};
use crate::setup::{self, Tool, tool};
use crate::shell;

const TOOLS: &[Tool] = &[
    tool("qemu-system-x86_64", "qemu-system-x86", "the machine that the module runs in"),
    tool("busybox", "busybox-static", "the programs of that machine"),
    tool("cpio", "cpio", "its file system"),
    tool("depmod", "kmod", "its modules"),
    tool("xz", "xz-utils", "unpacking modules"),
    tool("make", "make", "building the module"),
    tool("gcc", "gcc", "building the module"),
    tool("eu-readelf", "elfutils", "the library that the kernel's build tools need"),
    tool("dmsetup", "dmsetup", "Linux's own device mapper to compare with"),
    tool("fio", "fio", "verified I/O"),
    tool("mkfs.ext4", "e2fsprogs", "a file system on a mapped device"),
    tool("mkfs.xfs", "xfsprogs", "a file system on a mapped device"),
    tool("bonnie++", "bonnie++", "file systems on a mapped device"),
    tool("blkdiscard", "util-linux", "discards"),
];

/// What of this system goes into the guest, with the libraries that it needs.
const PROGRAMS: &[&str] = &[
    "fio",
    "dmsetup",
    "bonnie++",
    "mke2fs",
    "e2fsck",
    "dumpe2fs",
    "mkfs.xfs",
    "xfs_repair",
    "blkdiscard",
    "lsblk",
    "blockdev",
];

/// Modules of the kernel's own; what these need comes along. Some kernels have some built in.
const MODULES: &[&str] = &[
    "brd",
    "null_blk",
    "loop",
    "dm-mod",
    "dm-flakey",
    "dm-mirror",
    "ext4",
    "xfs",
    "crc32c_generic",
    "crc32c-intel",
    "virtio_pci",
    "virtio_blk",
    "ublk_drv",
];

/// How long the guest's virtio disk is.
const DISK_BYTES: u64 = 12 << 20;

const INIT: &str = "#!/bin/sh
export PATH=/bin DM_DISABLE_UDEV=1
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev; mount -t tmpfs none /tmp
sh /script.sh; echo GUEST-ENDED $?
poweroff -f
";

/// How fast the guest's time goes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Clock {
    /// As outside, on two CPUs.
    Real,
    /// A nanosecond for each instruction, on one CPU: what else runs outside makes no difference.
    Instructions,
}

/// Installs what is missing of the programs that this needs.
pub(crate) fn install() -> Result<(), Failure> {
    setup::packages(TOOLS)
}

/// Runs a script of `dm-proc-shim/kernel/tests` in the guest, with `words` in its environment; it
/// succeeds by saying `ALL-GOOD`. Returns what the guest printed, as a file.
pub(crate) fn run(
    kernel: &Kernel,
    script: &str,
    words: &str,
    clock: Clock,
    seconds: u32,
) -> Result<PathBuf, Failure> {
    let module = build::for_kernel(kernel)?;
    let work = kernel.root.join("guest");
    let image = initramfs(kernel, Some(&module), &[], &work, script)?;
    let log = kernel.root.join(format!("{script}.log"));
    let mut qemu = machine(kernel, &image, words, clock, "3G", seconds);
    add_disk(&mut qemu, &work)?;
    boot(&mut qemu, log)
}

/// A machine with so much memory that runs for so long at most, with `words` in the environment of its
/// first process. Devices may be added.
pub(crate) fn machine(
    kernel: &Kernel,
    image: &Path,
    words: &str,
    clock: Clock,
    memory: &str,
    seconds: u32,
) -> Command {
    let mut qemu = shell::command("timeout", &[&seconds.to_string(), "qemu-system-x86_64"]);
    // Emulated: a /dev/kvm may be there and still not run a stock kernel.
    match clock {
        Clock::Real => qemu.args(["-accel", "tcg,thread=multi", "-smp", "2"]),
        Clock::Instructions => {
            qemu.args(["-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0,sleep=off"])
        }
    };
    qemu.args(["-cpu", "max", "-m", memory]);
    qemu.args(["-display", "none", "-serial", "stdio", "-no-reboot", "-nic", "none"]);
    qemu.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(image);
    // An oops ends the run at once, and so does a task that hangs. Nor is the timer tested at boot,
    // which fails where much else runs outside.
    let command_line =
        format!("console=ttyS0 quiet loglevel=5 no_timer_check panic=-1 oops=panic {words}");
    qemu.args(["-append", &command_line]).stdin(Stdio::null()).stdout(Stdio::piped());
    qemu
}

/// Gives a machine a disk, all zeros: its /dev/vda.
pub(crate) fn add_disk(qemu: &mut Command, work: &Path) -> Result<(), Failure> {
    let path = work.join("disk");
    let file = fs::File::create(&path).map_err(io(&path))?;
    file.set_len(DISK_BYTES).map_err(io(&path))?;
    qemu.arg("-drive").arg(format!("file={},format=raw,if=virtio", path.display()));
    Ok(())
}

/// Runs a machine that succeeds by saying `ALL-GOOD`. Returns what it printed, as the file `log`.
pub(crate) fn boot(qemu: &mut Command, log: PathBuf) -> Result<PathBuf, Failure> {
    eprintln!("$ {qemu:?}");
    let start = |source| Failure::Start { command: "qemu-system-x86_64".into(), source };
    let mut child = qemu.spawn().map_err(start)?;
    let mut file = fs::File::create(&log).map_err(io(&log))?;
    let mut good = false;
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).split(b'\n').filter_map(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            writeln!(file, "{line}").map_err(io(&log))?;
            eprintln!("  guest: {line}");
            good |= line == "ALL-GOOD";
        }
    }
    let status = child.wait().map_err(start)?;
    if good && status.success() { Ok(log) } else { Err(KernelFailure::Guest(log).into()) }
}

/// Puts the guest's file system together, with the module if there is one, and more programs; returns
/// the archive.
pub(crate) fn initramfs(
    kernel: &Kernel,
    module: Option<&Path>,
    programs: &[&Path],
    root: &Path,
    script: &str,
) -> Result<PathBuf, Failure> {
    let _ = fs::remove_dir_all(root);
    for folder in ["bin", "etc", "proc", "sys", "dev", "tmp", "mnt", "lib/modules"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).map_err(io(&folder))?;
    }
    let scripts = shell::root().join("dm-proc-shim/kernel/tests");
    copy(&scripts.join(script), &root.join("script.sh"))?;
    if let Some(module) = module {
        copy(module, &root.join("dmrs.ko"))?;
        program(&proc_program()?, root)?;
    }
    copy(Path::new("/etc/mke2fs.conf"), &root.join("etc/mke2fs.conf"))?;
    let init = root.join("init");
    fs::write(&init, INIT).map_err(io(&init))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(io(&init))?;

    let busybox = shell::find("busybox").unwrap_or_default();
    copy(&busybox, &root.join("bin/busybox"))?;
    for applet in shell::read(shell::command(&busybox, &["--list"]).stderr(Stdio::null()))?.lines()
    {
        if applet != "busybox" && !PROGRAMS.contains(&applet) {
            let link = root.join("bin").join(applet);
            symlink("busybox", &link).map_err(io(&link))?;
        }
    }
    for path in programs {
        program(path, root)?;
    }
    for name in PROGRAMS {
        program(&shell::find(name).unwrap_or_default(), root)?;
    }
    modules(kernel, root)?;

    let archive = root.with_extension("cpio");
    let pack = "find . | cpio --quiet -o -H newc > \"$0\"";
    let mut sh = shell::command("sh", &["-c", pack]);
    shell::run(sh.arg(&archive).current_dir(root))?;
    Ok(archive)
}

/// The program that runs the scripts of all surfaces on /proc, and polls its files.
fn proc_program() -> Result<PathBuf, Failure> {
    let mut cargo = shell::cargo(&["build", "--package", "dm-proc-shim", "--example", "proc"]);
    shell::run(cargo.args(["--features", "testing"]))?;
    Ok(shell::target().join("debug/examples/proc"))
}

/// Copies a program, and the libraries that it needs.
fn program(program: &Path, root: &Path) -> Result<(), Failure> {
    copy(program, &root.join("bin").join(program.file_name().unwrap_or_default()))?;
    let libraries = shell::read(shell::command("ldd", &[]).arg(program))?;
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(library.trim_start_matches('/'));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        copy(Path::new(library), &to)?;
    }
    Ok(())
}

/// Copies the modules, and those that they need.
fn modules(kernel: &Kernel, root: &Path) -> Result<(), Failure> {
    let from = kernel.modules();
    // depmod reads compressed modules as well as plain ones, and says which needs which.
    let base = |path: &Path| {
        shell::command("depmod", &["--basedir"]).arg(path).arg(&kernel.release).status()
    };
    base(&kernel.root).map_err(io(&kernel.root))?;
    let list = from.join("modules.dep");
    let dep = fs::read_to_string(&list).map_err(io(&list))?;
    let mut wanted = BTreeSet::new();
    for line in dep.lines() {
        let (module, needs) = line.split_once(':').unwrap_or((line, ""));
        let name = module.rsplit('/').next().unwrap_or_default().split('.').next();
        if name.is_some_and(|name| MODULES.contains(&name)) {
            wanted.insert(module);
            wanted.extend(needs.split_whitespace());
        }
    }
    let to = root.join("lib/modules").join(&kernel.release);
    for module in wanted {
        let place = to.join(module);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(io(folder))?;
        }
        copy(&from.join(module), &place)?;
        if module.ends_with(".xz") {
            shell::run(shell::command("xz", &["--decompress"]).arg(&place))?;
        }
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        copy(&from.join(list), &to.join(list))?;
    }
    base(root).map_err(io(root)).map(|_| ())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map_err(io(from)).map(|_| ())
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}
