//! Namespaces: a process that has a root directory, processes, network and IPC of its own.
//!
//! Root makes them as it is. Anybody else needs a user namespace around them, in which the server has the
//! privilege to make them. There root's devices, `trusted.*` and handles are out of reach, so root
//! does without.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, waitpid};

use super::idmap::{self, IdMaps};
use super::mounts::{self, Inside, Outside};
use crate::failure::reason;
use crate::serve::export::OpenExport;
use crate::serve::standing::Standing;
use crate::sys;

/// Which namespaces there will be.
#[derive(Clone, Debug)]
pub(super) struct Namespaces {
    /// `None`: the process stays in its user namespace.
    user: Option<IdMaps>,
}

impl Namespaces {
    /// Those that suit a process of this standing.
    pub(super) fn of(standing: &Standing) -> Self {
        let user = (!idmap::are_not_needed(standing)).then(|| IdMaps::of(standing));
        Self { user }
    }

    /// The users and groups of the user namespace that there will be; `None` if there will be none.
    pub(super) fn user(&self) -> Option<&IdMaps> {
        self.user.as_ref()
    }

    /// What users call them.
    pub(super) fn describe(&self) -> &'static str {
        match self.user {
            Some(_) => "user, mount, pid, net, ipc and uts namespaces",
            None => "mount, pid, net, ipc and uts namespaces",
        }
    }

    /// Tries everything in a process that ends then: some hosts refuse what comes late, and nobody comes
    /// back from what went before. Errors say what cannot be had.
    pub(super) fn attempt(&self, exports: &[OpenExport]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("it cannot be tried: {}", reason(&error));
        let (told, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let mut keep: Vec<BorrowedFd<'_>> = exports.iter().map(|e| e.dir.as_fd()).collect();
        keep.push(tell.as_fd());
        let tell_why = |why: String| {
            // It fits into a pipe.
            let _ = rustix::io::write(&tell, why.as_bytes());
            1
        };
        let attempt = || {
            if let Err(why) = self.prepare() {
                return tell_why(why);
            }
            let first = sys::fork(&keep, || match enter(exports) {
                Ok(_) => 0,
                Err(why) => tell_why(why),
            });
            match first.map(|process| waitpid(Some(process), WaitOptions::empty())) {
                Ok(Ok(Some((_, status)))) if status.exit_status() == Some(0) => 0,
                Ok(_) => 1,
                Err(error) => tell_why(format!("no process can be started: {}", reason(&error))),
            }
        };
        let process = sys::fork(&keep, attempt).map_err(failed)?;
        drop(tell);
        let mut why = Vec::new();
        let mut part = [0; 512];
        loop {
            match rustix::io::read(&told, &mut part) {
                Ok(0) => break,
                Ok(length) => why.extend_from_slice(part.get(..length).unwrap_or_default()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
        match waitpid(Some(process), WaitOptions::empty()) {
            Ok(Some((_, status))) if status.exit_status() == Some(0) => Ok(()),
            _ if why.is_empty() => Err("the process that tried died".into()),
            _ => Err(String::from_utf8_lossy(&why).into_owned()),
        }
    }

    /// Has the next process that is forked be the first of a PID namespace. After it this process can
    /// start no threads.
    pub(super) fn prepare(&self) -> Result<(), String> {
        match &self.user {
            Some(maps) => maps.unshare(libc::CLONE_NEWPID),
            None => sys::namespaces::unshare(libc::CLONE_NEWPID)
                .map_err(|error| format!("no PID namespace can be made: {}", reason(&error))),
        }
    }
}

/// Enters the other namespaces, in the process that was forked after [`Namespaces::prepare`].
pub(super) fn enter(exports: &[OpenExport]) -> Result<Inside, String> {
    let outside = exports.iter().map(|export| Outside {
        dir: export.dir.as_fd(),
        readonly: export.readonly,
    });
    mounts::enter(&outside.collect::<Vec<_>>())
}
