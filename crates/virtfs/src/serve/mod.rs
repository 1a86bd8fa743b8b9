//! `virtfs serve`: from the configuration to servers that run, and their end.
//!
//! The order of the start matters: what was inherited is taken over before anything is opened;
//! everything that has a path is opened before the sandbox; where that has namespaces the process splits
//! in two, and the new one, inside, does the rest; the processes of devices are forked in the sandbox,
//! before the first thread is started.

mod accept;
mod clients;
mod config;
mod descriptors;
#[cfg(feature = "escape-hook")]
mod escape;
mod event;
mod export;
mod hints;
mod interrupter;
mod keeper;
mod listen;
mod origin;
mod ownership;
mod peers;
mod plan;
mod sandbox;
mod standing;
mod streams;
mod tagged;
mod unprivileged;
mod users;
mod vmm;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};
use virtfs_server::Server;

use self::accept::Acceptors;
use self::config::Config;
use self::descriptors::Shares;
use self::event::{Event, LastOne};
use self::export::OpenExport;
use self::keeper::Keeper;
use self::listen::{Bound, Kind, Source};
use self::plan::Plan;
use self::sandbox::seccomp::{Role, Seccomp};
use self::sandbox::{Level, Side, Walls};
use self::standing::Standing;
use self::users::KnownUsers;
use self::vmm::{Device, Devices, Ending, Watched};
use crate::cli::{Address, ServeArgs};
use crate::failure::{Doing, Failure};
use crate::log;
use crate::signals::{First, Signals};

/// How long the requests that have arrived may take at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until told to stop, or until the only clients that there can be have hung up.
pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    if args.print_capabilities {
        let text = virtfs_device::vhost_user::capabilities();
        return writeln!(io::stdout(), "{text}").doing(|| "standard output");
    }
    let config = Config::new(args, rustix::process::geteuid().is_root())?;
    let inherited = listen::inherit(&config)?;
    let signals = Signals::block().doing(|| "signals cannot be set up")?;
    log::start(config.log_level);
    #[cfg(feature = "escape-hook")]
    escape::take(&config)?;
    streams::close_to_reading(&config);
    let limit = descriptors::raise_limit(config.rlimit_nofile)?;

    let exports = export::open_all(&config.exports)?;
    let seccomp = Seccomp::new(&config)?;
    let mut bound = listen::bind(&config, inherited)?;
    // Its drop, at the end of this function, removes the sockets.
    let keeper = Keeper::start(std::mem::take(&mut bound.socket_files), seccomp)?;

    let users = KnownUsers::start(&config.access)?;
    let mut served = Served {
        config,
        limit,
        exports,
        bound,
        users,
    };
    // The sandbox hides what it looks at.
    let standing = Standing::look().doing(|| "the user's privileges cannot be seen")?;
    let level = Level::choose(&served.config, &served.exports, standing, seccomp)?;
    match level.split()? {
        None => {
            let walls = level.enter(&mut served.exports, None)?;
            served.serve(&level, walls, &signals)
        }
        Some(Side::Supervisor(worker)) => {
            drop(served);
            worker.supervise(&signals, seccomp)
        }
        Some(Side::Worker(report, signals)) => {
            if let Some(keeper) = keeper {
                keeper.leave();
            }
            let done = level
                .enter(&mut served.exports, Some(&report))
                .and_then(|walls| served.serve(&level, walls, &signals));
            report.end(done)
        }
    }
}

/// All that it takes to serve.
struct Served {
    config: Config,
    /// Of open descriptors.
    limit: u64,
    exports: Vec<OpenExport>,
    bound: Bound,
    users: Option<KnownUsers>,
}

impl Served {
    /// Serves, in the sandbox, until the end.
    fn serve(self, level: &Level, walls: Walls, signals: &Signals) -> Result<(), Failure> {
        let Self {
            config,
            limit,
            exports,
            bound,
            users,
        } = self;
        let seccomp = level.seccomp();
        let plan = |exports| {
            let shares = Shares::of(limit, exports);
            Plan::new(&config, &users, shares, walls, seccomp)
        };
        let all = plan(exports.len());
        info!("{}", all.describe(&exports));
        match config.access.describe() {
            Some(text) => info!("{text}"),
            None => unprivileged::tell(level.standing(), &exports),
        }
        let devices = Device::all(&config, &bound.devices, &exports, plan);
        let processes = Devices::start(&devices)?;
        let announcement = Announcement::new(&config, &bound.sources, &devices, &exports);
        // A device that has ended refuses VMMs.
        drop(bound.devices);

        let over = Arc::new(Event::new().doing(|| "the end cannot be waited for")?);
        let last = LastOne::tells(&over);
        seccomp
            .enter(Role::Server)
            .map_err(|why| Failure::new(format!("seccomp: {why}")))?;
        // From here on there are threads.
        #[cfg(feature = "escape-hook")]
        escape::start(crate::cli::EscapeHook::Server);
        let server = match bound.sources.is_empty() {
            true => None,
            false => Some(all.start(exports)?),
        };
        let devices = processes
            .watch(&last)
            .doing(|| "threads cannot be started")?;
        announcement.tell();
        let acceptors = server
            .as_ref()
            .map(|s| Acceptors::start(s, bound.sources, &config.peers, &last));
        let acceptors = acceptors
            .transpose()
            .doing(|| "threads cannot be started")?;
        drop(last);
        let first = signals
            .wait_for(&over)
            .doing(|| "signals cannot be waited for")?;
        let told = matches!(first, First::Signal(_));
        if told {
            info!("finishing what clients have asked for; a second signal ends it at once");
        }
        if let Some(acceptors) = acceptors {
            acceptors.stop();
        }
        let end = shut_down(server, devices, signals)?;
        if end.stuck {
            return Err(Failure::stuck(STUCK));
        }
        // The processes of devices have told why.
        match end.devices {
            Ending::LeftSome => Err(Failure::stuck("")),
            Ending::Failed | Ending::Killed(_) if !told => Err(Failure::told()),
            _ => Ok(()),
        }
    }
}

/// Told where the end of the process is not the end of its threads.
const STUCK: &str = "\
a thread does not return from a call of the host: all sessions are closed, but the kernel keeps the \
process until that call ends (of a network or FUSE file system, perhaps: its mount may be forced off)";

/// How the end went.
struct End {
    /// A request was left in a call of the host.
    stuck: bool,
    devices: Ending,
}

/// What is told when the program is ready.
struct Announcement {
    /// Standard error: where clients connect.
    addresses: String,
    /// Standard output, unless that is a connection: what to type there.
    hints: String,
    stdout_is_taken: bool,
}

impl Announcement {
    fn new(
        config: &Config,
        sources: &[Source],
        devices: &[Device<'_>],
        exports: &[OpenExport],
    ) -> Self {
        let mut addresses = String::new();
        for source in sources {
            addresses += match source.kind {
                Kind::Listener { .. } => "listening on ",
                Kind::Socket(_) | Kind::Pair(..) => "serving one session on ",
            };
            addresses += &source.name;
            addresses += "\n";
        }
        for device in devices {
            addresses += &device.announcement();
            addresses += "\n";
        }
        let mut hints = hints::vmm_lines(devices, config.msize);
        hints += &hints::mount_commands(sources, exports, config.msize);
        if !hints.is_empty() {
            hints += hints::notes();
        }
        Self {
            addresses,
            hints,
            stdout_is_taken: config.listen.contains(&Address::Stdio),
        }
    }

    /// Programs read this, so it does not depend on the log's level. With nobody to tell, serving
    /// is still right.
    fn tell(self) {
        if self.stdout_is_taken {
            warn!("standard output is a 9P connection: the mount commands are told here");
            let _ = io::stderr().write_all(self.hints.as_bytes());
        } else {
            let mut stdout = io::stdout().lock();
            let _ = stdout
                .write_all(self.hints.as_bytes())
                .and_then(|()| stdout.flush());
        }
        let _ = io::stderr().write_all(self.addresses.as_bytes());
    }
}

/// Answers what has arrived, and ends all sessions and processes. A signal ends everything at once.
fn shut_down(
    server: Option<Server>,
    mut devices: Watched,
    signals: &Signals,
) -> Result<End, Failure> {
    let over = Arc::new(Event::new().doing(|| "the end cannot be waited for")?);
    let told = over.clone();
    devices.stop();
    let drain = move || {
        let stuck = server.is_some_and(|server| !server.shut_down(PATIENCE));
        let devices = devices.wait();
        told.tell();
        End { stuck, devices }
    };
    let drain = std::thread::Builder::new()
        .name("drain".into())
        .spawn(drain)
        .doing(|| "threads cannot be started")?;
    match signals.wait_for(&over) {
        // The caller's sockets are removed nevertheless.
        Ok(First::Signal(signal)) => return Err(Failure::killed(signal)),
        Ok(First::Event) => debug!("all sessions have ended"),
        Err(error) => return Err(error).doing(|| "signals cannot be waited for"),
    }
    let panicked = |_| Failure::new("a thread panicked while sessions were ended");
    drain.join().map_err(panicked)
}
