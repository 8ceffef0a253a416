//! What can be asked of `dmctl`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueHint};

use crate::EngineChoice;

/// Maps block devices without the kernel.
///
/// A daemon (`dmctl serve`, or `dmctl mount DIR`) holds the devices; the other verbs talk to it.
/// `dmctl quickstart` shows all of it in one go.
#[derive(Debug, Parser)]
#[command(name = "dmctl", version, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Args {
    /// Where the daemon keeps its sockets [default: $XDG_RUNTIME_DIR/dmctl, else /tmp/dmctl-UID]
    #[arg(long, global = true, env = "DMCTL_DIR", value_hint = ValueHint::DirPath)]
    #[arg(hide_env = true)]
    pub(super) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the daemon: devices, a control socket, and NBD
    Serve(Serve),
    /// Run the daemon, with the control filesystem mounted on a directory
    Mount(Mount),
    /// Show all of it: make two disks, map them, draw, write, read and serve
    Quickstart(Quickstart),
    /// Look for errors in a table, and change nothing
    Check(Check),
    /// Create a device
    Create(Create),
    /// Load a table into a device's inactive slot, to wait for `resume`
    Load(Load),
    /// Drop the inactive tables of devices
    Clear(Names),
    /// Hold back requests to devices
    Suspend(Names),
    /// Bind the inactive tables of devices, and let requests go on
    Resume(Names),
    /// Remove devices
    Remove(Names),
    /// Give a device another name
    Rename(Rename),
    /// Print the tables of devices
    Table(Table),
    /// Print the state of each target
    Status(Report),
    /// Show what is asked of devices, again and again
    Top(Top),
    /// Print the figures of all devices, as Prometheus reads them
    Metrics,
    /// Print what there is to know about devices
    Info(Report),
    /// List the devices
    Ls(Ls),
    /// List the target types that tables may name
    Targets(Targets),
    /// Print what devices lie on
    Deps(Report),
    /// Serve a device to virtual machines, as a vhost-user-blk disk, or make it a block device
    Export(Export),
    /// End what `export` began
    Unexport(Unexport),
    /// Send a message to a target
    Message(Message),
    /// Wait until something happens to a device
    Wait(Wait),
    /// Move lines of a device to another disk, while it is in use
    Move(Move),
    /// Draw a table: which sectors lie where
    Draw(Draw),
    /// Print a script that completes dmctl's words in a shell
    Completions(Completions),
}

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    /// Devices to create at once: `NAME,UUID,MINOR,ro|rw,LINE[,LINE...][;NAME,...]`, as in Linux's
    /// dm-mod.create=
    #[arg(long, value_name = "DEVICES")]
    pub(super) concise: Option<String>,
    /// A device to create at once, of the table in a file; may be given again
    #[arg(long, value_name = "NAME=FILE")]
    pub(super) table: Vec<String>,
    /// What reads and writes the disks: auto, io_uring or threads
    #[arg(long, value_name = "ENGINE", default_value_t)]
    pub(super) engine: EngineChoice,
    /// A directory whose files tables may name, and nothing else; may be given again
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) allow: Vec<PathBuf>,
    /// How much to tell on the standard error: error, warn, info or debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log: tracing::level_filters::LevelFilter,
    /// Serve NBD on a TCP address of this machine too, such as 127.0.0.1:10809
    #[arg(long, value_name = "ADDRESS")]
    pub(super) tcp: Option<std::net::SocketAddr>,
    /// Speak TLS there, as who server-cert.pem and server-key.pem in a directory say
    #[arg(long, value_name = "DIR", requires = "tcp", value_hint = ValueHint::DirPath)]
    pub(super) tls_certificates: Option<PathBuf>,
    /// Whether clients there must use TLS, or may
    #[arg(long, value_name = "MODE", requires = "tls_certificates", default_value = "require")]
    pub(super) tls: TlsMode,
    /// Refuse clients there without a certificate that an authority in ca-cert.pem, in the same
    /// directory, has signed
    #[arg(long, requires = "tls_certificates")]
    pub(super) tls_verify_peer: bool,
    /// Let that address be one that other machines can reach, without TLS: what they say is not
    /// encrypted, and nobody asks who they are
    #[arg(long, requires = "tcp")]
    pub(super) insecure_tcp: bool,
}

/// What a server makes of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum TlsMode {
    /// There is none
    Off,
    /// Clients may use it
    Allow,
    /// Clients must use it
    Require,
}

#[derive(Debug, clap::Args)]
pub(super) struct Mount {
    /// Where the control filesystem goes; an empty directory
    #[arg(value_hint = ValueHint::DirPath)]
    pub(super) mountpoint: PathBuf,
    /// A file for each request to the files `data`: NAME, what is asked, the sector, how many;
    /// complete when the daemon has ended
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) record: Option<PathBuf>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

#[derive(Debug, clap::Args)]
pub(super) struct Quickstart {
    /// Do not wait at the end: clean up, and exit
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The file with the table, or - for the standard input
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    pub(super) file: PathBuf,
    /// Check it for a device that is only read
    #[arg(long, short)]
    pub(super) readonly: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct TableSource {
    /// The table itself; lines end with a line feed
    #[arg(long, value_name = "TEXT", conflicts_with = "table_file")]
    pub(super) table: Option<String>,
    /// The file with the table, or - for the standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) table_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The name of the device
    pub(super) name: String,
    #[command(flatten)]
    pub(super) source: TableSource,
    /// Its number [default: the lowest that is free]
    #[arg(long, short)]
    pub(super) minor: Option<u32>,
    /// An identifier that stays when the name changes
    #[arg(long, short)]
    pub(super) uuid: Option<String>,
    /// Refuse to write
    #[arg(long, short)]
    pub(super) readonly: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Load {
    /// The name of the device
    pub(super) name: String,
    #[command(flatten)]
    pub(super) source: TableSource,
    /// Refuse to write, once the table is bound
    #[arg(long, short)]
    pub(super) readonly: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Names {
    /// The names of the devices
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The name of the device
    pub(super) name: String,
    /// The socket that a monitor such as QEMU connects to; it is made
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    #[arg(required_unless_present = "ublk", conflicts_with = "ublk")]
    pub(super) vhost_user: Option<PathBuf>,
    /// Make it a block device of this kernel, and print its path; for root, where there is ublk_drv
    #[arg(long)]
    pub(super) ublk: bool,
    /// How many queues the disk has, and so threads that serve it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(super) queues: u16,
}

#[derive(Debug, clap::Args)]
pub(super) struct Unexport {
    /// The socket, or the block device
    #[arg(value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(super) path: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Rename {
    /// The name of the device
    pub(super) name: String,
    /// The name that it shall have
    pub(super) new: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// The names of the devices [default: all]
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Top {
    /// The names of the devices [default: all]
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// How many seconds lie between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(super) interval: Duration,
    /// How often to look [default: until interrupted]
    #[arg(long)]
    pub(super) count: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Table {
    #[command(flatten)]
    pub(super) report: Report,
    /// Print the tables that wait for `resume`
    #[arg(long)]
    pub(super) inactive: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Ls {
    /// Show each device with the devices that it lies on
    #[arg(long)]
    pub(super) tree: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Targets {
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Message {
    /// The name of the device
    pub(super) name: String,
    /// A sector of the line whose target the message is for
    pub(super) sector: u64,
    /// The words of the message
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) words: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    /// The name of the device
    pub(super) name: String,
    /// Wait until the event number is past this one [default: the one it has now]
    pub(super) event: Option<u64>,
    /// Give up after so many seconds, and exit with 1
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) timeout: Option<Duration>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Move {
    /// The name of the device
    pub(super) name: String,
    /// Where its sectors go, one line behind the other: a device, and the first sector there
    /// [default: 0]
    #[arg(long, value_name = "DEVICE[:SECTOR]")]
    #[arg(required_unless_present_any = ["resume", "abort"], conflicts_with_all = ["resume", "abort"])]
    pub(super) to: Option<String>,
    /// Move these lines of the table, counted from 1 [default: all that are linear]
    #[arg(long, value_name = "A[-B][,...]", conflicts_with_all = ["from", "resume", "abort"])]
    pub(super) lines: Option<String>,
    /// Move the lines that lie on this device
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["resume", "abort"])]
    pub(super) from: Option<String>,
    /// Copy at most so many megabytes a second; 0 for no limit
    #[arg(long, value_name = "MB/s")]
    pub(super) limit: Option<u64>,
    /// Where the move is recorded [default: where the daemon has its sockets, which is often lost
    /// when the machine starts anew]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) state: Option<PathBuf>,
    /// Go on with a move that was ended before it was over
    #[arg(long, conflicts_with = "abort")]
    pub(super) resume: bool,
    /// Give up a move that was ended before it was over; lines that were moved stay where they are
    #[arg(long)]
    pub(super) abort: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Draw {
    /// A file with a table, - for the standard input, or else the name of a device
    #[arg(value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
    pub(super) what: PathBuf,
    /// Draw as SVG, to the standard output or a file
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) svg: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Output {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        super::Args::command().debug_assert();
    }
}
