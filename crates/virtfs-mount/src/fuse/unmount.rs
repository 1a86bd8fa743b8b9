//! Unmounting, from any thread.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::device::Device;
use super::fusermount;
use super::mount::Way;

/// Unmounts a session's file system. Does nothing once that is gone, and never touches another one
/// that was mounted in the same place.
#[derive(Clone, Debug)]
pub(crate) struct Unmounter {
    mounted: Arc<Mounted>,
}

#[derive(Debug)]
struct Mounted {
    mountpoint: PathBuf,
    way: Way,
    /// The mount's device number, by which it is known again; `None` if it was not to be had.
    dev: Option<(u32, u32)>,
    device: Weak<Device>,
}

impl Unmounter {
    pub(super) fn new(mountpoint: PathBuf, way: Way, device: &Arc<Device>) -> Self {
        let dev = device_number(&mountpoint);
        let device = Arc::downgrade(device);
        Self {
            mounted: Arc::new(Mounted {
                mountpoint,
                way,
                dev,
                device,
            }),
        }
    }

    /// Takes the file system out of the tree at once. The session ends when the last process that
    /// uses it has let go.
    pub(crate) fn detach(&self) -> io::Result<()> {
        if !self.is_in_place() {
            return Ok(());
        }
        let mountpoint = &self.mounted.mountpoint;
        match self.mounted.way {
            Way::Kernel => Ok(unmount(mountpoint, LAZY)?),
            Way::Fusermount(helper) => fusermount::detach(helper, mountpoint),
        }
    }

    /// Takes the file system away: cleanly when nobody uses it, else by force, so that every request
    /// ends (ENOTCONN, ECONNABORTED) and so does the session.
    ///
    /// An ordinary user's force needs `/sys/fs/fuse/connections`. Without it a file system in use is
    /// only [detached](Self::detach), which is an error: it ends with the last process that uses it,
    /// or with this one.
    pub(crate) fn unmount(&self) -> io::Result<()> {
        if self.mounted.way == Way::Kernel && self.is_in_place() {
            let mountpoint = &self.mounted.mountpoint;
            match unmount(mountpoint, UnmountFlags::NOFOLLOW) {
                Err(Errno::BUSY) => match unmount(mountpoint, LAZY | UnmountFlags::FORCE) {
                    // Force is for root of the whole machine.
                    Err(Errno::PERM) => unmount(mountpoint, LAZY)?,
                    other => other?,
                },
                other => other?,
            }
        } else {
            self.detach()?;
        }
        self.abort()
    }

    /// Ends the connection of a mount that is out of the tree and still in use.
    fn abort(&self) -> io::Result<()> {
        let Some((_, minor)) = self.mounted.dev.filter(|_| self.is_alive()) else {
            return Ok(());
        };
        match fs::write(format!("/sys/fs/fuse/connections/{minor}/abort"), "1") {
            Err(error) if self.is_alive() => {
                let at = self.mounted.mountpoint.display();
                let why = format!("{at} is unmounted but in use, and cannot be aborted: {error}");
                Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
            }
            _ => Ok(()),
        }
    }

    fn is_alive(&self) -> bool {
        self.mounted
            .device
            .upgrade()
            .is_some_and(|device| !device.is_dead())
    }

    fn is_in_place(&self) -> bool {
        let dev = self.mounted.dev;
        self.is_alive() && (dev.is_none() || device_number(&self.mounted.mountpoint) == dev)
    }
}

const LAZY: UnmountFlags = UnmountFlags::DETACH.union(UnmountFlags::NOFOLLOW);

/// Asks for nothing that the kernel would have to ask the server.
pub(super) fn device_number(mountpoint: &Path) -> Option<(u32, u32)> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = statx(CWD, mountpoint, flags, StatxFlags::empty()).ok()?;
    Some((stat.stx_dev_major, stat.stx_dev_minor))
}
