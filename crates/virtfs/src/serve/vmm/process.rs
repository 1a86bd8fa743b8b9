//! Processes that serve VMMs: they end when the one that started them does, and tell how they ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal, waitpid,
};
use rustix::stdio;

use crate::serve::event::happens;
use crate::{log, sys};

/// How long a process may take to die.
const DEATH: Duration = Duration::from_secs(2);

/// A process that was started here.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// Can be read when it has ended.
    ended: OwnedFd,
}

/// How a process ended; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::serve) enum Ending {
    /// As it should.
    Well,
    /// It could not go on, or not even begin. Where it could, it has told why.
    Failed,
    /// By a signal.
    Killed(i32),
    /// Well, but for processes of its own that sleep in calls that the host does not end.
    LeftSome,
}

/// The status that says [`Ending::LeftSome`].
pub(super) const LEFT_SOME: i32 = 3;

impl Process {
    /// Starts a process that serves the device `tag`: its status is what `run` returns. It keeps the
    /// standard streams and these descriptors. To be called while this process has one thread.
    pub(super) fn start(
        tag: &str,
        keep: &[BorrowedFd<'_>],
        run: impl FnOnce() -> u8,
    ) -> io::Result<Self> {
        let parent = getpid();
        let mut keep = keep.to_vec();
        keep.extend([stdio::stdin(), stdio::stdout(), stdio::stderr()]);
        let pid = sys::fork(&keep, || {
            // Nobody would be left to end it.
            if set_parent_process_death_signal(Some(Signal::KILL)).is_err()
                || getppid() != Some(parent)
            {
                return 1;
            }
            name_thread(tag);
            log::label(tag.into());
            run()
        })?;
        let ended = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            // What cannot be watched must not go on.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        })?;
        Ok(Self { pid, ended })
    }

    /// Asks it to finish what it does.
    pub(super) fn ask_to_end(&self) {
        // If it has ended, it need not be asked.
        let _ = pidfd_send_signal(&self.ended, Signal::TERM);
    }

    /// Ends it, unless it ends by itself in time. Whether it has ended: one that sleeps in a call of
    /// the host may not even die.
    pub(super) fn end_within(&self, patience: Duration) -> bool {
        happens(&self.ended, patience) || {
            let _ = pidfd_send_signal(&self.ended, Signal::KILL);
            happens(&self.ended, DEATH)
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        happens(&self.ended, Duration::ZERO)
    }

    /// Waits until it has ended. To be called once.
    pub(super) fn wait(&self) -> Ending {
        let status = loop {
            match waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => break status,
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Ending::Failed,
            }
        };
        match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => Ending::Well,
            (Some(LEFT_SOME), _) => Ending::LeftSome,
            (_, Some(signal)) => Ending::Killed(signal),
            _ => Ending::Failed,
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

/// `virtfs-TAG`, as far as the kernel has room for it.
fn name_thread(tag: &str) {
    let mut name = format!("virtfs-{tag}").into_bytes();
    name.truncate(15);
    if let Ok(name) = std::ffi::CString::new(name) {
        let _ = rustix::thread::set_name(&name);
    }
}
