//! Kernels and their headers, from Debian's packages. They are unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};

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
}

impl Kernel {
    pub(crate) fn headers(&self) -> PathBuf {
        self.root.join(format!("usr/src/linux-headers-{}", self.release))
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.release))
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
        Some(name) => {
            let Some(known) = KERNELS.iter().find(|known| known.name == name) else {
                let known: Vec<_> = KERNELS.iter().map(|known| known.name).collect();
                let known = known.join(" and ");
                return Err(KernelFailure::UnknownKernel { kernel: name.to_owned(), known }.into());
            };
            (name, known.headers)
        }
    };
    let root = shell::scratch().join("kernel").join(name);
    let marker = root.join("release");
    if let Ok(release) = fs::read_to_string(&marker) {
        return Ok(Kernel { release, root });
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
    let kernel = Kernel { release: release(name, headers)?, root: root.to_owned() };
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

/// The names of the packages that a package depends on.
fn depends(package: &str) -> Result<Vec<String>, Failure> {
    let lines = shell::read(&mut shell::command("apt-cache", &["depends", package]))?;
    let names = lines.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.map(str::to_owned).collect())
}

fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}
