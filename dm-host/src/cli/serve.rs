//! `serve` and `mount`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use dm_core::table_text::concise;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use super::args::{Create, Serve, TableSource, TlsMode};
use super::check::show;
use super::create::create;
use super::failure::Failure;
use super::output::print;
use super::source::Source;
use crate::control::{Client, Refusal};
use crate::daemon::{Daemon, DaemonOptions, RuntimeDir};
use crate::nbd::{Reach, ServerTls};
use crate::{Diagnosis, HostOptions};

/// Runs a daemon until a signal ends it.
pub(super) fn run(
    dir: RuntimeDir,
    mountpoint: Option<PathBuf>,
    record: Option<PathBuf>,
    args: &Serve,
) -> Result<(), Failure> {
    super::log::start(args.log);
    let signals = Stop::new()?;
    let options = DaemonOptions {
        dir: dir.clone(),
        mountpoint: mountpoint.clone(),
        record,
        tcp: args.tcp,
        tls: server_tls(args)?,
        reach: reach(args),
        host: HostOptions { engine: args.engine, allow: args.allow.clone() },
    };
    let daemon = Daemon::start(&options)?;
    let served = create_devices(&dir, args).and_then(|()| announce(&daemon, &options));
    if served.is_ok() {
        signals.wait();
    }
    served.and(stop(daemon))
}

/// How TLS is spoken, if it is.
fn server_tls(args: &Serve) -> Result<Option<ServerTls>, Failure> {
    let Some(directory) = args.tls_certificates.as_ref().filter(|_| args.tls != TlsMode::Off)
    else {
        return Ok(None);
    };
    let tls = ServerTls::load(directory, args.tls_verify_peer);
    let tls = tls.map_err(|why| Failure::Said(format!("--tls-certificates: {why}")))?;
    Ok(Some(if args.tls == TlsMode::Allow { tls.optional() } else { tls }))
}

/// Whose connections its TCP address may take: those of other machines only with TLS, unless that is
/// waived.
fn reach(args: &Serve) -> Reach {
    let is_encrypted = args.tls_certificates.is_some() && args.tls == TlsMode::Require;
    if is_encrypted || args.insecure_tcp { Reach::Anywhere } else { Reach::ThisMachine }
}

/// Stops a daemon, and tells what it could not flush.
pub(super) fn stop(daemon: Daemon) -> Result<(), Failure> {
    let unflushed: Vec<String> = daemon
        .stop()
        .into_iter()
        .map(|(name, why)| format!("{name} could not be flushed: {why}"))
        .collect();
    match unflushed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Said(unflushed.join("\n"))),
    }
}

/// The signals that ask this process to stop.
pub(super) struct Stop {
    signals: Signals,
}

impl Stop {
    /// From now on they no longer end it at once.
    pub(super) fn new() -> Result<Stop, Failure> {
        let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]);
        // A write past the longest file that is allowed then fails, and nothing else.
        let fails = signal_hook::flag::register(SIGXFSZ, Arc::default());
        let signals = fails.and(signals);
        let signals =
            signals.map_err(|why| Failure::Said(format!("cannot catch signals: {why}")))?;
        Ok(Stop { signals })
    }

    /// Waits for one. Another then ends the process at once: what it waits for may never come.
    pub(super) fn wait(mut self) {
        let signal = self.signals.forever().next();
        tracing::info!("stopping, on {}", signal.and_then(signal_name).unwrap_or("a signal"));
        std::thread::spawn(move || {
            if self.signals.forever().next().is_some() {
                tracing::warn!("not waiting any more, on another signal");
                std::process::exit(1);
            }
        });
    }
}

fn announce(daemon: &Daemon, options: &DaemonOptions) -> Result<(), Failure> {
    let (control, nbd) = (options.dir.control_socket(), options.dir.nbd_socket());
    let mut text = format!(
        "control socket  {}\nNBD             nbd+unix:///NAME?socket={}\n",
        control.display(),
        nbd.display()
    );
    if let Some(address) = daemon.tcp_address() {
        let scheme = if options.tls.is_some() { "nbds" } else { "nbd" };
        text += &format!("NBD             {scheme}://{address}/NAME\n");
    }
    if let Some(mountpoint) = &options.mountpoint {
        text += &format!("files           {}\n", mountpoint.display());
    }
    print(&(text + "ready\n"))
}

/// Creates the devices that the arguments name, in the order in which they name them.
fn create_devices(dir: &RuntimeDir, args: &Serve) -> Result<(), Failure> {
    let mut client = Client::connect(dir)?;
    for named in &args.table {
        let Some((name, file)) = named.split_once('=') else {
            return Err(Failure::Said(format!("--table: expected NAME=FILE, found `{named}`")));
        };
        create(
            &mut client,
            &Create {
                name: name.into(),
                source: TableSource { table: None, table_file: Some(file.into()) },
                minor: None,
                uuid: None,
                readonly: false,
            },
        )?;
    }
    for device in args.concise.as_deref().map(read_concise).transpose()?.unwrap_or_default() {
        create(&mut client, &device)?;
    }
    Ok(())
}

/// The devices of a boot line; what is wrong with it is shown.
fn read_concise(text: &str) -> Result<Vec<Create>, Failure> {
    let mut refusal = Refusal::default();
    let mut devices = Vec::new();
    for device in concise::parse(text.as_bytes()) {
        match device {
            Ok(device) => devices.push(Create {
                name: device.name().unescaped().to_string(),
                source: TableSource {
                    table: Some(device.lines().flatten().map(|line| format!("{line}\n")).collect()),
                    table_file: None,
                },
                minor: device.minor(),
                uuid: device.uuid().map(|uuid| uuid.unescaped().to_string()),
                readonly: device.mode() == concise::Mode::ReadOnly,
            }),
            Err(error) => {
                refusal.errors += 1;
                refusal.diagnoses.push(Diagnosis {
                    line: error.at.line,
                    column: error.at.column,
                    message: error.reason.to_string(),
                    help: None,
                });
            }
        }
    }
    let source = Source { separators: &[',', ';'], ..Source::new("--concise", text) };
    show(&source, &refusal, true)?;
    Ok(devices)
}
