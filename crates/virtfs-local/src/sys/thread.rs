//! What a thread shares with its process.

use rustix::io;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread an umask and a current directory of its own (`CLONE_FS`).
pub(crate) fn unshare_fs() -> io::Result<()> {
    // SAFETY: only CLONE_FILES could take descriptors away from other threads.
    unsafe { unshare_unsafe(UnshareFlags::FS) }
}
