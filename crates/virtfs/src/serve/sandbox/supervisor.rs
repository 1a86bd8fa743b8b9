//! Two processes instead of one: a PID namespace begins with a new process, the *worker*, which does all the
//! work. The first one, the *supervisor*, stays outside: it hands on signals and ends as the worker ends.

use std::ffi::c_int;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, setsid, waitpid,
};
use rustix::stdio;

use super::namespaces::Namespaces;
use super::seccomp::{self, Role, Seccomp};
use super::{landlock, limits, privileges};
use crate::failure::{Doing, Failure};
use crate::serve::event::happens;
use crate::signals::{First, Signals};
use crate::sys;

/// How long the worker may take to end when it has said that it does. Then it is killed.
const DEATH: Duration = Duration::from_secs(2);

/// The status that says that a thread of the worker does not return from a call of the host.
const STUCK: u8 = 3;

/// Which of the two processes this is.
#[derive(Debug)]
pub(in crate::serve) enum Side {
    Supervisor(Worker),
    /// With the signals that are for it.
    Worker(Report, Signals),
}

/// Splits this process, which has one thread.
pub(super) fn split(namespaces: &Namespaces) -> Result<Side, String> {
    let failed = |error: io::Error| {
        let why = crate::failure::reason(&error);
        format!("the server's process cannot be started: {why}")
    };
    let null = openat(
        CWD,
        c"/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| failed(errno.into()))?;
    namespaces.prepare()?;
    let (status, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (signals, hand_on) = pipe_with(flags).map_err(|errno| failed(errno.into()))?;
    match sys::split().map_err(failed)? {
        None => {
            drop((status, hand_on, null));
            // Ctrl-C reaches all of a terminal's processes, and others' signals all of a service's. The
            // second ends the server at once, so the worker takes those alone that are handed on.
            let _ = setsid();
            let _ = rustix::thread::set_name(c"virtfs-worker");
            let signals = Signals::handed_on(signals);
            Ok(Side::Worker(Report { tell }, signals))
        }
        Some(pid) => {
            drop((tell, signals));
            let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| {
                // What cannot be watched must not go on.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                failed(errno.into())
            })?;
            Ok(Side::Supervisor(Worker {
                pid,
                ended,
                status,
                hand_on,
                null,
            }))
        }
    }
}

/// The worker, as the supervisor sees it.
#[derive(Debug)]
pub(in crate::serve) struct Worker {
    pid: Pid,
    /// Can be read when it has ended.
    ended: OwnedFd,
    /// Brings its exit status before it ends: one with a thread that sleeps in the kernel may not be
    /// able to end.
    status: OwnedFd,
    /// Takes the numbers of signals for it.
    hand_on: OwnedFd,
    /// What this process has instead of its standard streams.
    null: OwnedFd,
}

impl Worker {
    /// Does what is left to do for a process that has dropped everything but this, the signals and the
    /// sockets' keeper: hands on signals, and ends as the worker does.
    pub(in crate::serve) fn supervise(
        self,
        signals: &Signals,
        seccomp: Seccomp,
    ) -> Result<(), Failure> {
        // It holds nothing of anybody's: whoever is at the other end sees the worker hang up.
        stdio::dup2_stdin(&self.null)
            .and_then(|()| stdio::dup2_stdout(&self.null))
            .doing(|| "/dev/null")?;
        privileges::drop_all();
        let _ = limits::fix();
        // Not the scopes: the worker is no process of this one's, in Landlock's eyes.
        let _ = landlock::restrict_files();
        let _ = seccomp.enter(Role::Supervisor);
        let status = self
            .wait(signals)
            .doing(|| "the server cannot be waited for")?;
        match status {
            Some(0) => Ok(()),
            Some(status) => Err(Failure::ended(status)),
            None => Err(self.death()),
        }
    }

    /// Its exit status; `None` if it could not tell one.
    fn wait(&self, signals: &Signals) -> io::Result<Option<u8>> {
        let mut told = false;
        loop {
            let event = PollFd::new(&self.status, PollFlags::IN);
            match signals.wait_for_any(&[event])? {
                First::Signal(signal) => {
                    self.hand_on(signal);
                    // The second means at once, whatever state the worker is in.
                    if std::mem::replace(&mut told, true) && !happens(&self.status, DEATH) {
                        let _ = pidfd_send_signal(&self.ended, Signal::KILL);
                        return Ok(Some(u8::try_from(128 + signal).unwrap_or(1)));
                    }
                }
                First::Event => break,
            }
        }
        let mut status = [0; 1];
        let told = loop {
            match rustix::io::read(&self.status, &mut status) {
                Ok(length) => break (length == 1).then_some(status[0]),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        };
        let patience = match told {
            Some(STUCK) => Duration::ZERO,
            _ => DEATH,
        };
        if !happens(&self.ended, patience) {
            let _ = pidfd_send_signal(&self.ended, Signal::KILL);
        }
        Ok(told)
    }

    fn hand_on(&self, signal: c_int) {
        let number = u8::try_from(signal).unwrap_or_default();
        // If it has ended, it needs none.
        let _ = rustix::io::write(&self.hand_on, &[number]);
    }

    /// What became of a worker that told nothing.
    fn death(&self) -> Failure {
        if !happens(&self.ended, DEATH) {
            return Failure::new("the server's process does not end: it is left behind");
        }
        let status = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => status,
            _ => return Failure::new("the server's process has ended, and not told how"),
        };
        match status.terminating_signal() {
            Some(libc::SIGSYS) => Failure::new(format!(
                "the server's process was killed by SIGSYS: {}",
                seccomp::DIED
            )),
            Some(signal) => Failure::new(format!(
                "the server's process was killed by signal {signal}"
            )),
            // It panicked, and has told where.
            None => Failure::told(),
        }
    }
}

/// How the worker tells the supervisor that it ends.
#[derive(Debug)]
pub(in crate::serve) struct Report {
    tell: OwnedFd,
}

impl Report {
    /// From now on this process ends with the supervisor. To be called when its privileges are what
    /// they will be: the kernel forgets it when they change.
    pub(super) fn die_with_supervisor(&self) -> Result<(), Failure> {
        set_parent_process_death_signal(Some(Signal::KILL))
            .doing(|| "the process cannot be bound to its supervisor")?;
        let mut fds = [PollFd::new(&self.tell, PollFlags::empty())];
        let soon = rustix::event::Timespec::default();
        // It may have ended just before; then nobody reads here.
        match poll(&mut fds, Some(&soon)) {
            Ok(0) => Ok(()),
            _ => Err(Failure::told()),
        }
    }

    /// Says how the program ends, and tells the supervisor. The process ends after it.
    pub(in crate::serve) fn end(self, result: Result<(), Failure>) -> Result<(), Failure> {
        let status = match &result {
            Ok(()) => 0,
            Err(failure) => failure.tell(),
        };
        let _ = rustix::io::write(&self.tell, &[status]);
        match status {
            0 => Ok(()),
            status => Err(Failure::ended(status)),
        }
    }
}
