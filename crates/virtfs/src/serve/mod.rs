//! `virtfs serve`: from the configuration to a server that runs, and its end.
//!
//! The order of the start matters: what was inherited is taken over before anything is opened;
//! everything that has a path is opened before the sandbox; the sandbox is entered before the
//! first thread is started, because it belongs to threads.

mod accept;
mod config;
mod descriptors;
mod event;
mod export;
mod hints;
mod interrupter;
mod keeper;
mod listen;
mod sandbox;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};
use virtfs_local::{Containment, LocalFs, Options, SecurityModel};
use virtfs_server::{Export, Limits, Server};

use self::accept::Acceptors;
use self::config::Config;
use self::descriptors::Shares;
use self::event::Event;
use self::export::OpenExport;
use self::interrupter::SignalInterrupter;
use self::keeper::Keeper;
use self::listen::{Kind, Source};
use crate::cli::{Address, ServeArgs};
use crate::failure::{Doing, Failure};
use crate::log;
use crate::signals::{First, Signals};

/// How long the requests that have arrived may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until told to stop, or until the only clients that there can be have hung up.
pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = Config::new(args, rustix::process::geteuid().is_root())?;
    let inherited = listen::inherit(&config)?;
    let signals = Signals::block().doing(|| "signals cannot be set up")?;
    log::start(config.log_level);
    let limit = descriptors::raise_limit(config.rlimit_nofile)?;

    let exports = export::open_all(&config.exports)?;
    let bound = listen::bind(&config, inherited)?;
    // Its drop, at the end of this function, removes the sockets.
    let _keeper = Keeper::start(bound.socket_files)?;

    let landlock = sandbox::enter(config.sandbox, config.model, &exports)?;
    let hints = hints::mount_commands(&bound.sources, &exports, config.msize);
    let server = start_server(
        &config,
        exports,
        Shares::of(limit, config.exports.len()),
        landlock,
    )?;
    announce(&config, &bound.sources, &hints);
    let acceptors =
        Acceptors::start(&server, bound.sources).doing(|| "threads cannot be started")?;
    let first = signals
        .wait_for(acceptors.finished())
        .doing(|| "signals cannot be waited for")?;
    if let First::Signal(_) = first {
        info!("finishing what clients have asked for; a second signal ends it at once");
    }
    acceptors.stop();
    shut_down(server, &signals)
}

fn start_server(
    config: &Config,
    exports: Vec<OpenExport>,
    shares: Shares,
    landlock: bool,
) -> Result<Server, Failure> {
    let model = match config.model {
        SecurityModel::Passthrough => "passthrough",
        SecurityModel::None => "none",
    };
    info!(
        "security model {model}; {} sessions, msize {} at most",
        shares.sessions, config.msize
    );
    let interrupter = SignalInterrupter::new().doing(|| "signals cannot be set up")?;
    let mut builder = Server::builder()
        .limits(limits(config, shares))
        .interrupter(interrupter);
    // Landlock knows the exports together. With two that can be written it would not notice when
    // the host moves a directory from one to the other.
    let landlock = landlock && exports.iter().filter(|export| !export.readonly).count() == 1;
    for export in exports {
        let options = Options {
            model: config.model,
            readonly: export.readonly,
            containment: match landlock && !export.readonly {
                true => Containment::Landlock,
                false => Containment::Verify,
            },
            max_nodes_open: shares.nodes,
            max_files_open: shares.files,
        };
        let name = String::from_utf8_lossy(&export.name).into_owned();
        let fs = LocalFs::new(export.dir, options).doing(|| format!("cannot serve {name}"))?;
        let export = Export::new(export.name, Arc::new(fs)).readonly(export.readonly);
        builder = builder.export(export);
    }
    builder.build().doing(|| "threads cannot be started")
}

/// Files that all clients together may have open: far more than there are descriptors.
const OPEN_FILES: usize = 1 << 18;

fn limits(config: &Config, shares: Shares) -> Limits {
    let mut limits = Limits::default();
    limits.msize = config.msize;
    limits.sessions = shares.sessions;
    // The exports keep to their descriptors by themselves; this bounds memory.
    limits.open_files = OPEN_FILES;
    limits.request_bytes = limits.request_bytes.max(4 * config.msize as usize);
    limits
}

/// Tells where clients connect (standard error) and how to mount it (standard output, unless
/// that is a connection). Programs read this, so it does not depend on the log's level.
fn announce(config: &Config, sources: &[Source], hints: &str) {
    let mut addresses = String::new();
    for source in sources {
        addresses += match source.kind {
            Kind::Listener { .. } => "listening on ",
            Kind::Socket(_) | Kind::Pair(..) => "serving one session on ",
        };
        addresses += &source.name;
        addresses += "\n";
    }
    // With nobody to tell, serving is still right.
    if config.listen.contains(&Address::Stdio) {
        warn!("standard output is a 9P connection: the mount commands are told here");
        let _ = io::stderr().write_all(hints.as_bytes());
    } else {
        let mut stdout = io::stdout().lock();
        let _ = stdout
            .write_all(hints.as_bytes())
            .and_then(|()| stdout.flush());
    }
    let _ = io::stderr().write_all(addresses.as_bytes());
}

/// Answers what has arrived, and ends all sessions. A signal ends the process at once.
fn shut_down(server: Server, signals: &Signals) -> Result<(), Failure> {
    let ended = Arc::new(Event::new().doing(|| "the end cannot be waited for")?);
    let told = ended.clone();
    let drain = move || {
        if !server.shut_down(PATIENCE) {
            warn!("the host keeps some requests: they are left behind");
        }
        told.tell();
    };
    std::thread::Builder::new()
        .name("drain".into())
        .spawn(drain)
        .doing(|| "threads cannot be started")?;
    match signals.wait_for(&ended) {
        Ok(First::Signal(signal)) => std::process::exit(128 + signal),
        Ok(First::Event) => debug!("all sessions have ended"),
        Err(error) => return Err(error).doing(|| "signals cannot be waited for"),
    }
    Ok(())
}
