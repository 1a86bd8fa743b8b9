//! A small process that removes the sockets when the server has ended, however it ended.
//!
//! The server itself cannot: the sandbox keeps it out of the directories that they are in.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::listen::SocketFile;
use super::sandbox;
use super::sandbox::seccomp::{Role, Seccomp};
use crate::failure::{Doing, Failure};
use crate::sys;

/// The process. Dropping it ends it, and waits until the sockets are gone.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The process waits for the end of this pipe.
    alive: Option<OwnedFd>,
    process: Pid,
}

impl Keeper {
    /// Starts it, if there are sockets to remove. The process must have one thread, and have
    /// blocked the signals that end it in order.
    pub(super) fn start(files: Vec<SocketFile>, seccomp: Seccomp) -> Result<Option<Self>, Failure> {
        if files.is_empty() {
            return Ok(None);
        }
        let started = Self::fork(&files, seccomp);
        if started.is_err() {
            files.iter().for_each(SocketFile::remove);
        }
        started
            .map(Some)
            .doing(|| "the process that removes the sockets cannot be started")
    }

    /// Leaves it to the process that this one was forked from, which has it too.
    pub(super) fn leave(mut self) {
        self.alive = None;
        std::mem::forget(self);
    }

    fn fork(files: &[SocketFile], seccomp: Seccomp) -> io::Result<Self> {
        let (ended, alive) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut keep = vec![ended.as_fd()];
        keep.extend(files.iter().map(|file| file.dir().as_fd()));
        let process = sys::fork(&keep, || keep_until(&ended, files, seccomp))?;
        Ok(Self {
            alive: Some(alive),
            process,
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.alive = None;
        let _ = waitpid(Some(self.process), WaitOptions::empty());
    }
}

/// What the process does.
fn keep_until(ended: &OwnedFd, files: &[SocketFile], seccomp: Seccomp) -> u8 {
    // The terminal's signals reach it too, but it must outlive the server.
    let _ = sys::block_signals(&[libc::SIGHUP, libc::SIGQUIT]);
    let _ = rustix::thread::set_name(c"virtfs-sockets");
    sandbox::restrict_to_removal(files.iter().map(|file| file.dir().as_fd()));
    // It reads nothing that anybody else writes: without the filter little is lost.
    let _ = seccomp.enter(Role::Keeper);
    let mut byte = [0; 1];
    while matches!(
        rustix::io::read(ended, &mut byte),
        Ok(1..) | Err(rustix::io::Errno::INTR)
    ) {}
    files.iter().for_each(SocketFile::remove);
    0
}
