//! Builds the module: the Rust half into one object, and that with the C half by the kernel's own
//! build system.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::file;
use crate::failure::Failure;
use crate::kernel::packages::Kernel;
use crate::kernel::{KernelFailure, panics, stack};
use crate::{bare_metal, rust_src, shell};

/// How code must be made to run in the kernel.
///
/// It lies in the upper 2 GiB; a call goes to its target and not through a table of addresses, which
/// the kernel's loader does not make; what returns, or jumps through a register, does so through
/// the kernel's defences against speculation; whatever is called by address says so (IBT).
const RUSTFLAGS: &str = "-Crelocation-model=static -Ccode-model=kernel -Zplt=yes \
     -Zfunction-return=thunk-extern -Zretpoline-external-thunk -Zcf-protection=branch \
     -Cforce-frame-pointers=y";

/// What C calls.
const ENTRY_POINTS: &[&str] = &[
    "init",
    "exit",
    "settle",
    "submit",
    "done",
    "disk_open",
    "disk_release",
    "disk_text",
    "file_open",
    "file_write",
    "file_read",
    "file_changed",
    "thaw",
    "wake",
    "next_below",
    "file_close",
];

/// Builds `dmrs.ko` for a kernel of Debian's; returns where it is.
pub(crate) fn for_kernel(kernel: &Kernel) -> Result<PathBuf, Failure> {
    if !kernel.has_tools {
        return module(&kernel.headers());
    }
    let work = kernel.root.join("build");
    prepare(&work)?;
    // In a mount namespace of its own, with the programs that were downloaded with the kernel; root
    // is not needed where others may have namespaces.
    let script = "mount --rbind /dev \"$0/dev\" && mount --rbind /proc \"$0/proc\" && exec chroot \"$0\" \
                  make --silent CONFIG_DEBUG_INFO_BTF_MODULES= -C \"$1\" M=/build modules";
    let mut unshare =
        shell::command("unshare", &["--map-root-user", "--mount", "sh", "-c", script]);
    unshare.arg(&kernel.root).arg(format!("/usr/src/linux-headers-{}", kernel.release));
    shell::run(&mut unshare)?;
    Ok(work.join("dmrs.ko"))
}

/// Builds `dmrs.ko` for the kernel whose headers are in `headers`; returns where it is.
pub(crate) fn module(headers: &Path) -> Result<PathBuf, Failure> {
    if !headers.join("Makefile").is_file() {
        return Err(KernelFailure::NoHeaders(headers.to_owned()).into());
    }
    let work = shell::scratch().join("kernel").join("build").join(name(headers));
    prepare(&work)?;
    let mut make = shell::command("make", &["--silent", "CONFIG_DEBUG_INFO_BTF_MODULES="]);
    make.arg("-C").arg(headers).arg(format!("M={}", work.display()));
    if let Some(compiler) = compiler(headers) {
        make.arg(format!("CC={compiler}"));
    }
    shell::run(make.arg("modules"))?;
    Ok(work.join("dmrs.ko"))
}

/// Puts the C half and the object of the Rust half into a folder.
fn prepare(work: &Path) -> Result<(), Failure> {
    fs::create_dir_all(work).map_err(file(work))?;
    let sources = shell::root().join("dm-proc-shim/kernel/c");
    for source in fs::read_dir(&sources).map_err(file(&sources))?.filter_map(Result::ok) {
        let to = work.join(source.file_name());
        fs::copy(source.path(), &to).map_err(file(&to))?;
    }
    let object = work.join("dmrs_rs.o");
    rust_half(&object)?;
    panics::check(&object)?;
    stack::check(&object)?;
    // kbuild wants to know how each object was made; this one it need not make.
    let made = work.join(".dmrs_rs.o.cmd");
    fs::write(&made, "").map_err(file(&made))
}

/// Builds the Rust half with a `core` of its own, and links what C can reach of it.
fn rust_half(object: &Path) -> Result<(), Failure> {
    let toolchain = rust_src::Toolchain::find()?;
    let library = match toolchain.source() {
        Some(library) => library,
        None => {
            eprintln!("kernel: the source of `core` is missing, getting it from a Debian package");
            toolchain.fetch_source().map_err(|why| Failure::NoCore {
                why: why.to_string(),
                wanted: toolchain.rustlib().join(rust_src::IN_RUSTLIB),
                release: toolchain.release.clone(),
            })?
        }
    };
    let target_dir = shell::scratch().join("kernel/rust");
    let mut cargo = shell::cargo(&["build", "--release", "--target", bare_metal::TARGET]);
    cargo.args(["-Zbuild-std=core,alloc", "--manifest-path", "dm-proc-shim/kernel/Cargo.toml"]);
    cargo.arg("--target-dir").arg(&target_dir);
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    cargo.env("RUSTFLAGS", RUSTFLAGS);
    shell::run(&mut cargo)?;

    let archive = target_dir.join(bare_metal::TARGET).join("release/libdmrs.a");
    let mut ld = shell::command("ld", &["-r", "--gc-sections", "--whole-archive"]);
    ld.arg(archive).arg("-o").arg(object);
    for entry_point in ENTRY_POINTS {
        ld.args(["-u", &format!("dmrs_rs_{entry_point}")]);
    }
    shell::run(&mut ld)?;
    // What the kernel's loader and tools have no use for.
    let mut objcopy = shell::command("objcopy", &[]);
    for section in [".llvmbc", ".llvmcmd", ".eh_frame", ".rela.eh_frame"] {
        objcopy.args(["--remove-section", section]);
    }
    shell::run(objcopy.arg(object))
}

/// The compiler to use in place of the one that built the kernel, where that is not here.
fn compiler(headers: &Path) -> Option<&'static str> {
    let variables = fs::read_to_string(headers.join(".kernelvariables")).ok()?;
    let line = variables.lines().find(|line| line.starts_with("CC ="))?;
    let wanted = line.rsplit(')').next().unwrap_or_default();
    (!shell::has(wanted)).then_some("gcc")
}

/// Something to call the kernel by: its headers' folder, or the one around `build`.
fn name(headers: &Path) -> String {
    let own = headers.file_name().unwrap_or_default().to_string_lossy();
    let outer = headers.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    if own == "build" { outer.into_owned() } else { own.into_owned() }
}
