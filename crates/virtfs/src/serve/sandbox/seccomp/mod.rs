//! seccomp: which system calls each process may make once it is at work.
//!
//! Each process loads its filters while it has one thread, as the last step of its start; what it
//! starts later inherits them, and can only add to them. A call that is not on the list ends the
//! process: nothing that a client sends leads to one. What another C library may try, and does
//! without, is refused by an errno instead.

mod groups;
mod lists;
mod program;
mod refusals;
mod rules;

use std::fs;

use tracing::warn;
use virtfs_local::FileHandles;

use self::program::Program;
use crate::cli::{Address, SeccompMode};
use crate::failure::Failure;
use crate::serve::config::Config;
use crate::serve::users::Access;

/// Said of a process that ended by SIGSYS.
pub(in crate::serve) const DIED: &str = "it made a system call that it never makes: a defect, or an attack \
     (--seccomp log lets it, and has the kernel log which)";

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Role {
    /// Serves clients of byte streams, and looks after the processes of devices.
    Server,
    /// Takes VMMs and starts a process for each, which inherits its filters.
    Acceptor,
    /// Serves one VMM.
    Vmm,
    /// Waits for the end of the worker, and passes signals on to it.
    Supervisor,
    /// Removes sockets at the end.
    Keeper,
}

/// What the configuration makes processes need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Threads take the rights of users (`--access user`).
    as_users: bool,
    /// Files are found again by their handles (`--inode-file-handles`).
    handles: bool,
    /// A client's device node is one of the host too.
    device_nodes: bool,
    /// There are processes of devices, which are told to end.
    devices: bool,
    /// Some socket is, or may be, one of TCP.
    tcp: bool,
}

impl Needs {
    fn of(config: &Config) -> Self {
        let is_unix = |address: &Address| matches!(address, Address::Unix(_));
        let mut exports = config.exports.iter();
        Self {
            as_users: matches!(config.access, Access::User(_)),
            handles: config.file_handles != FileHandles::Never,
            device_nodes: exports.any(|export| !export.ownership.model.is_mapped()),
            devices: !config.devices.is_empty(),
            // Nobody knows yet what was inherited.
            tcp: !config.listen.iter().all(is_unix),
        }
    }
}

/// What is loaded, and what that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Kill,
    Log,
    Off,
    /// The kernel, or this program on this processor, has none.
    Missing,
}

/// The filters of all processes.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Seccomp {
    mode: Mode,
    needs: Needs,
}

impl Seccomp {
    /// By the user's choice; without one calls kill where that can be had. To be called while `/proc`
    /// can be read.
    pub(in crate::serve) fn new(config: &Config) -> Result<Self, Failure> {
        let mode = match (config.seccomp, missing()) {
            (Some(SeccompMode::Off), _) => Mode::Off,
            (Some(SeccompMode::Log), None) => Mode::Log,
            (None | Some(SeccompMode::Kill), None) => Mode::Kill,
            (None, Some(why)) => {
                warn!("no seccomp: {why}");
                Mode::Missing
            }
            (Some(_), Some(why)) => {
                return Err(Failure::new(format!("--seccomp cannot be had: {why}")));
            }
        };
        let needs = Needs::of(config);
        Ok(Self { mode, needs })
    }

    /// What is in force, in a few words.
    pub(in crate::serve) fn describe(&self) -> &'static str {
        match self.mode {
            Mode::Kill => "seccomp kills",
            Mode::Log => "seccomp only logs",
            Mode::Off => "no seccomp (--seccomp off)",
            Mode::Missing => "no seccomp",
        }
    }

    /// Restricts this process, which has one thread, and all that it will start. Errors say why it
    /// is not.
    pub(in crate::serve) fn enter(&self, role: Role) -> Result<(), String> {
        let log = match self.mode {
            Mode::Kill => false,
            Mode::Log => true,
            Mode::Off | Mode::Missing => return Ok(()),
        };
        // In the order in which they are loaded: each must let the next one be.
        for program in Program::all(role, self.needs, log)? {
            program.load()?;
        }
        Ok(())
    }
}

/// Why there is no seccomp here.
fn missing() -> Option<String> {
    if let Err(why) = Program::all(Role::Server, Needs::default(), false) {
        return Some(why);
    }
    // Without the file, loading shows it.
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").ok()?;
    let kills = actions
        .split_ascii_whitespace()
        .any(|action| action == "kill_process");
    (!kills).then(|| "this kernel cannot end a process by it".into())
}
