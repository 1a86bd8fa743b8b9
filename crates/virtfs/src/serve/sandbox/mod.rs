//! Shutting the process in with what it serves, while it has one thread: what is started later
//! inherits it.
//!
//! [`Level::choose`] finds what can be had, [`Level::split`] makes the process that will be inside, and
//! [`Level::enter`] closes the door behind it.

mod idmap;
mod landlock;
mod limits;
mod mounts;
mod namespaces;
mod parts;
mod privileges;
pub(super) mod seccomp;
mod supervisor;

use std::os::fd::{AsFd, BorrowedFd};

use ::landlock::{AccessFs, BitFlags};
use rustix::thread::CapabilitySet;
use tracing::{info, warn};
use virtfs_local::{FileHandles, SecurityModel};

use self::namespaces::Namespaces;
use self::seccomp::Seccomp;
pub(super) use self::supervisor::{Report, Side};
use super::config::Config;
use super::export::OpenExport;
use super::standing::Standing;
use crate::cli::SandboxMode;
use crate::failure::{Doing, Failure};

/// How the process will be shut in.
#[derive(Debug)]
pub(super) struct Level {
    kind: Kind,
    /// Capabilities that the server keeps, if it has them.
    wanted: CapabilitySet,
    standing: Standing,
    unconnectable_handles: bool,
    seccomp: Seccomp,
}

/// What keeps files that the host moves out of an export from being reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walls {
    /// Landlock is in force.
    pub(super) landlock: bool,
    /// And it refuses what the host has moved out.
    pub(super) landlock_contains: bool,
    /// Each export is the root of a mount of its own.
    pub(super) mounts: bool,
}

#[derive(Debug)]
enum Kind {
    Namespaces(Namespaces),
    Landlock {
        named: bool,
        /// Why not by namespaces; `None`: nobody wanted them.
        no_namespaces: Option<String>,
    },
    /// Not at all.
    Open,
}

impl Level {
    /// What is asked for, as far as it can be had. Namespaces are tried in another process.
    pub(super) fn choose(
        config: &Config,
        exports: &[OpenExport],
        mut standing: Standing,
        seccomp: Seccomp,
    ) -> Result<Self, Failure> {
        let wanted = privileges::wanted(config, exports);
        let kind = match config.sandbox {
            SandboxMode::None => Kind::Open,
            SandboxMode::Landlock => Kind::Landlock {
                named: true,
                no_namespaces: None,
            },
            mode => match find_namespaces(config, exports, &standing, wanted) {
                Ok(namespaces) => Kind::Namespaces(namespaces),
                Err(why) if mode == SandboxMode::Namespace => {
                    return Err(Failure::new(format!(
                        "--sandbox namespace: namespaces cannot be had: {why}"
                    )));
                }
                Err(why) => Kind::Landlock {
                    named: false,
                    no_namespaces: Some(why),
                },
            },
        };
        standing.capabilities &= wanted;
        if let Kind::Namespaces(namespaces) = &kind
            && let Some(user) = namespaces.user()
        {
            standing.capabilities -= user.lost(standing.capabilities);
            standing.namespace = Some(user.ids.clone());
        }
        let handles = config.file_handles != FileHandles::Never;
        Ok(Self {
            kind,
            wanted: standing.capabilities,
            standing,
            unconnectable_handles: handles && !handles_are_connectable(),
            seccomp,
        })
    }

    /// The filters that are loaded later, last of all.
    pub(super) fn seccomp(&self) -> Seccomp {
        self.seccomp
    }

    /// What the server will be on the host.
    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Makes the process that will be inside, if that is another one than this.
    pub(super) fn split(&self) -> Result<Option<Side>, Failure> {
        let Kind::Namespaces(namespaces) = &self.kind else {
            return Ok(None);
        };
        let side = supervisor::split(namespaces);
        side.map(Some)
            .map_err(|why| Failure::new(format!("the sandbox cannot be made: {why}")))
    }

    /// Shuts this process in. The directories of the exports are others after it.
    pub(super) fn enter(
        &self,
        exports: &mut [OpenExport],
        report: Option<&Report>,
    ) -> Result<Walls, Failure> {
        if let Kind::Namespaces(_) = self.kind {
            let inside = namespaces::enter(exports)
                .map_err(|why| Failure::new(format!("the sandbox cannot be made: {why}")))?;
            for (export, dir) in exports.iter_mut().zip(inside.dirs) {
                export.dir = dir;
            }
            virtfs_local::use_proc(inside.proc);
        }
        if !matches!(self.kind, Kind::Open) {
            limits::fix().doing(|| "limits cannot be set")?;
        }
        let kept =
            privileges::drop_all_but(self.wanted).doing(|| "privileges cannot be dropped")?;
        if let Some(report) = report {
            report.die_with_supervisor()?;
        }
        let mut all = exports.iter();
        let whole = all.all(|e| parts::lies_on_a_whole_file_system(e.dir.as_fd()));
        let landlock = match self.kind {
            Kind::Open => None,
            _ => Some(landlock::restrict(rules(exports))),
        };
        self.tell(landlock.as_ref(), kept)?;
        let landlock = matches!(landlock, Some(Ok(_)));
        Ok(Walls {
            landlock,
            landlock_contains: landlock && whole,
            mounts: matches!(self.kind, Kind::Namespaces(_)),
        })
    }

    /// One line about what is in force.
    fn tell(
        &self,
        landlock: Option<&Result<landlock::Protection, String>>,
        capabilities: CapabilitySet,
    ) -> Result<(), Failure> {
        let opens_handles = capabilities.contains(CapabilitySet::DAC_READ_SEARCH);
        let capabilities = privileges::names(capabilities);
        let seccomp = self.seccomp.describe();
        let landlock = match landlock {
            None => {
                warn!(
                    "no sandbox, because of --sandbox none: a defect could reach any file of the \
                     host; {seccomp}; capabilities: {capabilities}"
                );
                return Ok(());
            }
            Some(landlock) => landlock,
        };
        if landlock.is_ok() && self.unconnectable_handles {
            warn!(
                "--inode-file-handles: under Landlock this kernel (before 6.13) opens no file by a \
                 handle that the host has forgotten: it is looked for by its name instead, or lost \
                 (ESTALE)"
            );
        }
        match (&self.kind, landlock) {
            (Kind::Namespaces(made), landlock) => {
                let landlock = match landlock {
                    Ok(protection) => format!("Landlock ({protection})"),
                    Err(why) => format!("no Landlock: {why}"),
                };
                let namespaces = made.describe();
                info!("sandbox: {namespaces}; {landlock}; {seccomp}; capabilities: {capabilities}");
                if opens_handles && made.user().is_none() {
                    warn!(
                        "--inode-file-handles: whoever takes over the server can open every file \
                         of the exports' file systems by its handle; with --sandbox landlock they \
                         can be neither read nor written"
                    );
                }
            }
            (Kind::Landlock { no_namespaces, .. }, Ok(protection)) => {
                let why = match no_namespaces {
                    Some(why) => format!("; no namespaces: {why}"),
                    None => String::new(),
                };
                info!(
                    "sandbox: Landlock ({protection}); {seccomp}; capabilities: {capabilities}{why}"
                );
            }
            (Kind::Landlock { named: true, .. }, Err(why)) => {
                return Err(Failure::new(format!(
                    "--sandbox landlock: Landlock cannot be had: {why}; Linux 5.19 or newer is \
                     needed, with 'landlock' among its lsm= parameter"
                )));
            }
            (Kind::Landlock { no_namespaces, .. }, Err(why)) => warn!(
                "no sandbox: no namespaces: {}; no Landlock: {why}; a defect could reach any file \
                 of the host; {seccomp}; capabilities: {capabilities}",
                no_namespaces.as_deref().unwrap_or_default()
            ),
            (Kind::Open, _) => {}
        }
        Ok(())
    }
}

/// The namespaces that a process of this standing can have, and with which it can do what it is to do.
fn find_namespaces(
    config: &Config,
    exports: &[OpenExport],
    standing: &Standing,
    wanted: CapabilitySet,
) -> Result<Namespaces, String> {
    let namespaces = Namespaces::of(standing);
    if let Some(user) = namespaces.user() {
        user.suits(config)?;
        let mapped_file = |e: &OpenExport| e.ownership.model == SecurityModel::MappedFile;
        let auto = config.sandbox == SandboxMode::Auto;
        if auto && user.is_one_user() && exports.iter().any(mapped_file) {
            return Err(
                "under --security-model mapped-file ACLs are the host's own, and could name \
                        nobody else in a user namespace"
                    .into(),
            );
        }
        let lost = user.lost(standing.capabilities & wanted);
        if auto && !lost.is_empty() {
            return Err(format!(
                "in a user namespace these capabilities would be of no use: {}",
                privileges::names(lost)
            ));
        }
    }
    namespaces.attempt(exports)?;
    Ok(namespaces)
}

/// Whether the kernel finds the way to a file from its handle: from Linux 6.13 on.
fn handles_are_connectable() -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    let version: (u32, u32) = (next(), next());
    version >= (6, 13)
}

/// Restricts a process that [`Level::enter`] has restricted once more: to some of the exports, and away
/// from the other processes that were.
pub(super) fn narrow(exports: &[OpenExport]) -> Result<(), String> {
    landlock::restrict(rules(exports)).map(|_| ())
}

fn rules(exports: &[OpenExport]) -> impl Iterator<Item = (BorrowedFd<'_>, BitFlags<AccessFs>)> {
    exports.iter().map(|export| {
        let rights = match export.readonly {
            true => landlock::read_rights(),
            false => landlock::write_rights(),
        };
        (export.dir.as_fd(), rights)
    })
}

/// Leaves the process no capability.
pub(super) fn drop_all() {
    privileges::drop_all();
}

/// Leaves the process nothing but the right to remove files in these directories.
pub(super) fn restrict_to_removal<'fd>(dirs: impl Iterator<Item = BorrowedFd<'fd>>) {
    // It talks to nobody: what cannot be dropped does little harm.
    let _ = privileges::drop_all_but(CapabilitySet::DAC_OVERRIDE);
    let _ = landlock::restrict(dirs.map(|dir| (dir, landlock::removal_right())));
}
