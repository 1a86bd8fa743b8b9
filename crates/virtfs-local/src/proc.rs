//! `/proc/self/fd`, held: the way from an `O_PATH` descriptor to an open file, and to the calls
//! that take a path only.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io;
use rustix::path::DecInt;
use rustix::process::{Pid, getpid};

use crate::sync::lock;

/// The held directory.
#[derive(Debug)]
pub(crate) struct ProcFd {
    dir: OwnedFd,
    process: Pid,
}

/// One for the whole process, so that a file system made after the sandbox closed needs no path.
static SHARED: Mutex<Option<Arc<ProcFd>>> = Mutex::new(None);

/// The procfs to use; without one, that at `/proc`.
static PROC: OnceLock<OwnedFd> = OnceLock::new();

/// From now on this process and those that it forks use this procfs, given by its root directory, and
/// not that at `/proc`. To be called once, before anything is served. It must show the processes of the
/// caller's PID namespace.
pub fn use_proc(root: OwnedFd) {
    // The first one stays: descriptors of it may be in use.
    let _ = PROC.set(root);
}

/// The procfs of [`use_proc`], which a forked process must keep open.
pub fn proc_in_use() -> Option<BorrowedFd<'static>> {
    PROC.get().map(AsFd::as_fd)
}

impl ProcFd {
    /// That of this process, opened by the first who asks. A forked child gets its own.
    pub(crate) fn get() -> io::Result<Arc<Self>> {
        let process = getpid();
        let mut shared = lock(&SHARED);
        if let Some(held) = shared.as_ref().filter(|held| held.process == process) {
            return Ok(held.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = match proc_in_use() {
            Some(root) => openat(root, c"self/fd", flags, Mode::empty())?,
            None => openat(CWD, c"/proc/self/fd", flags, Mode::empty())?,
        };
        let held = Arc::new(Self { dir, process });
        *shared = Some(held.clone());
        Ok(held)
    }

    /// The name of a descriptor in this directory.
    pub(crate) fn name(fd: BorrowedFd<'_>) -> DecInt {
        DecInt::from_fd(fd)
    }

    /// Opens what a descriptor stands for once more. To be called for regular files and
    /// directories only, unless the flags say `O_PATH`.
    pub(crate) fn reopen(&self, fd: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        openat(&self.dir, Self::name(fd), flags, Mode::empty())
    }

    /// Where the kernel says that a descriptor lies. For a look only: it may move at once.
    pub(crate) fn path_of(&self, fd: BorrowedFd<'_>) -> io::Result<CString> {
        readlinkat(&self.dir, Self::name(fd), Vec::new())
    }

    /// Whether the kernel knows in which directory a descriptor's file lies. It need not, of one
    /// that was opened by its handle.
    pub(crate) fn knows_a_way_to(&self, fd: BorrowedFd<'_>) -> bool {
        self.path_of(fd).is_ok_and(|path| path.as_bytes() != b"/")
    }

    /// The process whose descriptors these are.
    pub(crate) fn process(&self) -> Pid {
        self.process
    }
}

impl AsFd for ProcFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
