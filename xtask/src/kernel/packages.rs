//! Kernels and their headers, from Debian's packages. They are unpacked, not installed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::apt::{PrivateApt, file, remove};
use crate::failure::Failure;
use crate::kernel::KernelFailure;
use crate::{setup, shell};

/// A kernel of Debian's, by the package that always depends on its latest headers.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    headers: &'static str,
}

pub(crate) const KERNELS: &[Known] = &[
    Known { name: "6.1", headers: DEBIANS_OWN },
    Known { name: "6.12", headers: "linux-headers-6.12-cloud-amd64" },
];

/// The package of the release of Debian that this runs on, for whatever kernel it has.
const DEBIANS_OWN: &str = "linux-headers-cloud-amd64";

/// A kernel that is unpacked.
pub(crate) struct Kernel {
    /// For instance `6.1.0-56-cloud-amd64`.
    pub(crate) release: String,
    /// What would be `/`, had it been installed.
    pub(crate) root: PathBuf,
    /// Whether the programs that build modules for it are in there as well: those of this system are
    /// too old.
    pub(crate) has_tools: bool,
}

/// The newest kernel that Debian has for a stable release, and that release, whose compiler builds
/// modules for it.
const NEWEST: &str = "newest";
const SUITES: &[&str] = &["trixie", "trixie-backports"];

impl Kernel {
    pub(crate) fn headers(&self) -> PathBuf {
        self.root.join(format!("usr/src/linux-headers-{}", self.release))
    }

    pub(crate) fn image(&self) -> PathBuf {
        let inside = self.modules().join("vmlinuz");
        // Where it was before 7.x.
        let boot = self.root.join(format!("boot/vmlinuz-{}", self.release));
        if inside.is_file() { inside } else { boot }
    }

    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }
}

/// Finds a kernel that was unpacked before, or downloads it, about 60 MB: the one of that name, or else
/// Debian's own.
pub(crate) fn provide(name: Option<&str>) -> Result<Kernel, Failure> {
    let (name, headers) = match name {
        None => ("own", DEBIANS_OWN),
        Some(NEWEST) => (NEWEST, DEBIANS_OWN),
        Some(name) => {
            let Some(known) = KERNELS.iter().find(|known| known.name == name) else {
                let known: Vec<_> = KERNELS.iter().map(|known| known.name).collect();
                let known = format!("{} and {NEWEST}", known.join(", "));
                return Err(KernelFailure::UnknownKernel { kernel: name.to_owned(), known }.into());
            };
            (name, known.headers)
        }
    };
    let root = shell::scratch().join("kernel").join(name);
    let marker = root.join("release");
    if let Ok(release) = fs::read_to_string(&marker) {
        return Ok(Kernel { release, root, has_tools: name == NEWEST });
    }
    if name == NEWEST {
        let kernel = newest(root)?;
        fs::write(&marker, &kernel.release).map_err(file(&marker))?;
        return Ok(kernel);
    }
    // The lists of packages may be missing, or older than the archive.
    let kernel = download(name, headers, &root).or_else(|failure| {
        eprintln!("kernel: {failure}; trying again with new lists of packages");
        setup::update()?;
        download(name, headers, &root)
    })?;
    fs::write(&marker, &kernel.release).map_err(file(&marker))?;
    Ok(kernel)
}

fn download(name: &str, headers: &str, root: &Path) -> Result<Kernel, Failure> {
    let release = release(name, headers)?;
    let kernel = Kernel { release, root: root.to_owned(), has_tools: false };
    unpack(&kernel)?;
    Ok(kernel)
}

/// The release whose headers the package depends on.
fn release(name: &str, headers: &str) -> Result<String, Failure> {
    let depends = depends(headers)?;
    let wanted = if name == "own" { String::new() } else { format!("{name}.") };
    let mut releases = depends.iter().filter_map(|package| package.strip_prefix("linux-headers-"));
    let release = releases.find(|release| release.starts_with(&wanted));
    release.map(str::to_owned).ok_or_else(|| {
        let (package, kernel) = (headers.to_owned(), name.to_owned());
        KernelFailure::NotOffered { package, kernel }.into()
    })
}

fn unpack(kernel: &Kernel) -> Result<(), Failure> {
    let headers = format!("linux-headers-{}", kernel.release);
    let mut packages = depends(&headers)?;
    packages.retain(|name| name.ends_with("-common") || name.starts_with("linux-kbuild-"));
    packages.push(format!("linux-image-{}-unsigned", kernel.release));
    packages.push(headers);
    let debs = kernel.root.join("debs");
    let _ = fs::remove_dir_all(&debs);
    fs::create_dir_all(&debs).map_err(file(&debs))?;
    eprintln!("kernel: downloading Linux {}", kernel.release);
    // As root, apt would download as a user who cannot write to this folder.
    let mut download = shell::command(
        "apt-get",
        &["--quiet=2", "--option", "APT::Sandbox::User=root", "download"],
    );
    shell::run(download.args(packages).current_dir(&debs))?;
    for deb in fs::read_dir(&debs).map_err(file(&debs))?.filter_map(Result::ok) {
        let mut unpack = shell::command("dpkg-deb", &["--extract"]);
        shell::run(unpack.arg(deb.path()).arg(&kernel.root))?;
    }
    fs::remove_dir_all(&debs).map_err(file(&debs))?;
    // The headers' Makefile names where they would have been installed.
    let makefile = kernel.headers().join("Makefile");
    let text = fs::read_to_string(&makefile).map_err(file(&makefile))?;
    let source = format!("{}/usr/src/", kernel.root.display());
    fs::write(&makefile, text.replace("/usr/src/", &source)).map_err(file(&makefile))
}

/// Downloads the newest kernel, its headers, and what builds modules for it, about 110 MB.
fn newest(root: PathBuf) -> Result<Kernel, Failure> {
    let work = root.join("apt");
    remove(&root)?;
    let apt = PrivateApt::create(&work, SUITES)?;
    let backports = format!("--target-release={}", SUITES[1]);
    let install = ["--quiet=2", "--yes", "--download-only", "--no-install-recommends", &backports];
    let programs = ["base-files", "coreutils", "dash", "gcc", "grep", "make", "mawk", "sed"];
    apt.run("apt-get", &[&install, &["install", DEBIANS_OWN][..], &programs].concat())?;
    let archives = work.join("cache/archives");
    let mut release = None;
    // base-files has the links that the others' files go through.
    let mut debs: Vec<_> = fs::read_dir(&archives).map_err(file(&archives))?.flatten().collect();
    debs.sort_by_key(|deb| !deb.file_name().to_string_lossy().starts_with("base-files_"));
    for deb in debs {
        let name = deb.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".deb") {
            continue;
        }
        let headers = name.strip_prefix("linux-headers-").and_then(|name| name.split_once('_'));
        let headers =
            headers.filter(|(release, _)| release.starts_with(|c: char| c.is_ascii_digit()));
        if let Some((found, _)) = headers.filter(|(release, _)| !release.ends_with("-common")) {
            release = Some(found.to_owned());
        }
        shell::run(shell::command("dpkg-deb", &["--extract"]).arg(deb.path()).arg(&root))?;
    }
    let release = release.ok_or_else(|| {
        let (package, kernel) = (DEBIANS_OWN.to_owned(), NEWEST.to_owned());
        KernelFailure::NotOffered { package, kernel }
    })?;
    let awk = root.join("usr/bin/awk");
    symlink("mawk", &awk).map_err(file(&awk))?;
    let image = ["binary", "modules"].map(|part| format!("linux-{part}-{release}"));
    apt.run("apt-get", &["--quiet=2", "download", &image[0], &image[1]])?;
    for deb in fs::read_dir(&work).map_err(file(&work))?.flatten() {
        if deb.path().extension().is_some_and(|extension| extension == "deb") {
            shell::run(shell::command("dpkg-deb", &["--extract"]).arg(deb.path()).arg(&root))?;
        }
    }
    remove(&work)?;
    Ok(Kernel { release, root, has_tools: true })
}

/// The names of the packages that a package depends on.
fn depends(package: &str) -> Result<Vec<String>, Failure> {
    let lines = shell::read(&mut shell::command("apt-cache", &["depends", package]))?;
    let names = lines.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.map(str::to_owned).collect())
}
