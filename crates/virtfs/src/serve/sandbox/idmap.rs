//! Which users and groups exist in the sandbox's user namespace.
//!
//! All that exist outside, under their own numbers, where the privileges suffice for such a map; else the
//! user's own two numbers.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, getegid, waitpid};
use rustix::thread::CapabilitySet;

use crate::failure::reason;
use crate::serve::config::Config;
use crate::serve::standing::{Namespace, Ranges, Standing};
use crate::serve::users::Access;
use crate::sys;

/// The numbers that there will be. They are the same inside and outside.
#[derive(Clone, Debug)]
pub(super) struct IdMaps {
    pub(super) ids: Namespace,
    /// The map has more than a process may write for itself.
    whole: bool,
}

impl IdMaps {
    /// As many as a process of this standing may have.
    pub(super) fn of(standing: &Standing) -> Self {
        let may = |capabilities| standing.capabilities.contains(capabilities);
        if !may(CapabilitySet::SETUID | CapabilitySet::SETGID) {
            let own = |id| Ranges::of(&[(id, 1)]);
            return Self {
                ids: Namespace {
                    users: own(standing.user),
                    groups: own(getegid().as_raw()),
                },
                whole: false,
            };
        }
        let mut ids = match &standing.namespace {
            Some(namespace) => namespace.clone(),
            None => Namespace {
                users: Ranges::all(),
                groups: Ranges::all(),
            },
        };
        // Since Linux 5.12 it takes this to have root inside, and groups go with users.
        if !may(CapabilitySet::SETFCAP) {
            ids.users = ids.users.without_zero();
        }
        Self { ids, whole: true }
    }

    /// Whether nobody but the user will be there.
    pub(super) fn is_one_user(&self) -> bool {
        !self.whole
    }

    /// Which of these capabilities are of no use inside, because they are about what lies outside.
    pub(super) fn lost(&self, capabilities: CapabilitySet) -> CapabilitySet {
        match self.whole {
            true => {
                let of_the_host = CapabilitySet::MKNOD
                    | CapabilitySet::DAC_READ_SEARCH
                    | CapabilitySet::SYS_ADMIN;
                capabilities & of_the_host
            }
            false => capabilities,
        }
    }

    /// That the users whom the server must tell apart are there.
    pub(super) fn suits(&self, config: &Config) -> Result<(), String> {
        let lacks = |uid: &u32| !self.ids.users.contains(*uid);
        let whom = |what: &str, uid: u32| {
            Err(format!(
                "{what}, and user {uid} would not exist in the user namespace"
            ))
        };
        if let Some(uid) = config.peers.users().iter().copied().find(|uid| lacks(uid)) {
            return whom("--peer-uid names other users", uid);
        }
        if let Access::User(policy) = &config.access {
            if !self.whole {
                return Err(
                    "--access user acts as users that would not exist in the user \
                            namespace"
                        .into(),
                );
            }
            if policy.has_root() && lacks(&0) {
                return whom("--access user lets clients act as root", 0);
            }
        }
        Ok(())
    }

    /// Makes the user namespace, and these other namespaces in it, and gives it its numbers.
    pub(super) fn unshare(&self, others: i32) -> Result<(), String> {
        let failed = |errno: Errno| reason(&errno.into());
        // The kernel keeps the files of those who may not be looked into from themselves too.
        let dumpable = rustix::process::DumpableBehavior::Dumpable;
        let _ = rustix::process::set_dumpable_behavior(dumpable);
        let dir = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = openat(CWD, c"/proc/self", dir, Mode::empty()).map_err(failed)?;
        let writer = match self.whole {
            true => Some(Writer::start(self, &own).map_err(|error| reason(&error))?),
            false => None,
        };
        sys::namespaces::unshare(libc::CLONE_NEWUSER | others).map_err(refusal)?;
        match writer {
            Some(writer) => writer.end(),
            None => self.write_to(&own),
        }
        .map_err(|errno| format!("a user namespace gets no users: {}", failed(errno)))
    }

    fn write_to(&self, process: &OwnedFd) -> Result<(), Errno> {
        let write_file = |name: &str, text: &str| {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = openat(process, name, flags, Mode::empty())?;
            // All in one call, or the kernel takes none of it.
            match write(&file, text.as_bytes())? {
                all if all == text.len() => Ok(()),
                _ => Err(Errno::INVAL),
            }
        };
        if !self.whole {
            // Else who is kept out of files by a group could leave it.
            write_file("setgroups", "deny")?;
        }
        write_file("uid_map", &self.ids.users.identity_map())?;
        write_file("gid_map", &self.ids.groups.identity_map())
    }
}

/// Why there is no user namespace.
fn refusal(error: io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EUSERS) => {
            "this host's limit of user namespaces is reached (user.max_user_namespaces)".into()
        }
        Some(libc::EPERM) => "this host lets the user make no user namespace".into(),
        Some(libc::EINVAL) => "this kernel has no user namespaces".into(),
        _ => format!("no user namespace can be made: {}", reason(&error)),
    }
}

/// A process outside the namespace, which has the privileges for its map.
struct Writer {
    go: OwnedFd,
    process: rustix::process::Pid,
}

impl Writer {
    fn start(maps: &IdMaps, whose: &OwnedFd) -> io::Result<Self> {
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC)?;
        let process = sys::fork(&[wait.as_fd(), whose.as_fd()], || {
            // It ends without a byte.
            let mut byte = [0];
            while matches!(rustix::io::read(&wait, &mut byte), Err(Errno::INTR)) {}
            match maps.write_to(whose) {
                Ok(()) => 0,
                Err(errno) => u8::try_from(errno.raw_os_error()).unwrap_or(u8::MAX),
            }
        })?;
        Ok(Self { go, process })
    }

    fn end(self) -> Result<(), Errno> {
        drop(self.go);
        match waitpid(Some(self.process), WaitOptions::empty())? {
            Some((_, status)) => match status.exit_status() {
                Some(0) => Ok(()),
                Some(errno) => Err(Errno::from_raw_os_error(errno)),
                None => Err(Errno::CHILD),
            },
            None => Err(Errno::CHILD),
        }
    }
}

/// Whether this process may make namespaces without a user namespace: root, as a rule.
pub(super) fn are_not_needed(standing: &Standing) -> bool {
    standing.capabilities.contains(CapabilitySet::SYS_ADMIN)
}
