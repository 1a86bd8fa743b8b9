//! A root directory with nothing but the exports, each a mount of its own, and a procfs.
//!
//! The kernel keeps what is below a mount's root from getting above it by `..`, even when the host moves
//! it away. The mounts follow the host's: what it mounts below an export later is seen.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, mkdirat, openat, readlink, statx};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use crate::failure::reason;
use crate::sys::namespaces::{MountChange, mount_setattr, unshare};

/// A directory to serve, as it was opened outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outside<'e> {
    pub(super) dir: BorrowedFd<'e>,
    pub(super) readonly: bool,
}

/// What a process has whose root directory is the new one.
#[derive(Debug)]
pub(super) struct Inside {
    /// The same directories, in the same order.
    pub(super) dirs: Vec<OwnedFd>,
    /// The root of a procfs that is mounted nowhere, and shows only the processes of the namespace.
    pub(super) proc: OwnedFd,
}

/// Nothing there is run, no device opened.
const HARMLESS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Enters new namespaces of mounts, network, IPC and host name, and leaves the old root behind. The
/// process is the first of its PID namespace and has one thread. Errors say what cannot be had.
pub(super) fn enter(exports: &[Outside<'_>]) -> Result<Inside, String> {
    // Whoever has the privilege takes what is open, by no path. In a new mount namespace the kernel
    // refuses that.
    let sources: Result<Vec<_>, _> = exports.iter().map(Source::find).collect();
    let sources = sources.map_err(|errno| in_words("the way to an export is not known", errno))?;
    unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS)
        .map_err(|error| format!("no namespaces can be made: {}", reason(&error)))?;
    let follow = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", follow).map_err(|errno| in_words("mounts cannot be kept apart", errno))?;
    let proc = proc().map_err(|errno| in_words("no procfs can be mounted", errno))?;
    let root = new_root().map_err(|errno| in_words("no tmpfs can be mounted", errno))?;
    for (number, (source, export)) in sources.into_iter().zip(exports).enumerate() {
        attach(source, export, &root, number)?;
    }
    leave_the_old_root(&root).map_err(|errno| in_words("the root cannot be changed", errno))?;
    let reopened = |(number, export): (usize, &Outside<'_>)| {
        let dir = openat(&root, number.to_string(), DIRECTORY, Mode::empty())?;
        same(dir.as_fd(), export.dir)?;
        Ok(dir)
    };
    let dirs: Result<Vec<_>, Errno> = exports.iter().enumerate().map(reopened).collect();
    let dirs = dirs.map_err(|errno| in_words("an export is not found in the new root", errno))?;
    let readonly = MountChange {
        set: MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(),
        ..MountChange::default()
    };
    mount_setattr(root.as_fd(), readonly)
        .map_err(|error| format!("the new root stays writable: {}", reason(&error)))?;
    Ok(Inside { dirs, proc })
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a mount of an export is made from.
enum Source {
    /// It has been made.
    Clone(OwnedFd),
    /// The path of the export.
    Path(CString),
}

impl Source {
    fn find(export: &Outside<'_>) -> Result<Self, Errno> {
        match clone(export.dir) {
            Ok(mount) => Ok(Self::Clone(mount)),
            Err(_) => {
                let number = rustix::path::DecInt::from_fd(export.dir);
                let link = format!("/proc/self/fd/{}", number.as_str());
                readlink(link, Vec::new()).map(Self::Path)
            }
        }
    }
}

/// A mount of a directory and what is mounted below, which hangs nowhere.
fn clone(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(dir, c"", flags)
}

/// Mounts an export in its place.
fn attach(
    source: Source,
    export: &Outside<'_>,
    root: &OwnedFd,
    number: usize,
) -> Result<(), String> {
    let mount = match source {
        Source::Clone(mount) => mount,
        Source::Path(path) => {
            let name = path.to_string_lossy();
            let failed = |errno| in_words(&format!("{name} cannot be mounted again"), errno);
            let dir = openat(CWD, &*path, DIRECTORY, Mode::empty()).map_err(failed)?;
            same(dir.as_fd(), export.dir)
                .map_err(|_| format!("{name} is not the directory that was opened"))?;
            clone(dir.as_fd()).map_err(failed)?
        }
    };
    let mut set = HARMLESS;
    set.set(MountAttrFlags::MOUNT_ATTR_RDONLY, export.readonly);
    let change = MountChange {
        set: set.bits().into(),
        propagation: MountPropagationFlags::DOWNSTREAM.bits().into(),
        recursive: true,
    };
    mount_setattr(mount.as_fd(), change)
        .map_err(|error| format!("a mount cannot be restricted: {}", reason(&error)))?;
    let name = number.to_string();
    mkdirat(root, &name, Mode::from_raw_mode(0o755))
        .and_then(|()| {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(&mount, c"", root, &name, flags)
        })
        .map_err(|errno| in_words("an export cannot be mounted", errno))
}

/// A procfs of this PID namespace.
fn proc() -> Result<OwnedFd, Errno> {
    let fs = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // Without them, more of this namespace's processes can be seen, and numbers of the kernel's.
    let _ = fsconfig_set_string(fs.as_fd(), "subset", "pid");
    let _ = fsconfig_set_string(fs.as_fd(), "hidepid", "invisible");
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, HARMLESS)
}

/// An empty file system, mounted over the root.
fn new_root() -> Result<OwnedFd, Errno> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(fs.as_fd(), "mode", "0755")?;
    fsconfig_create(fs.as_fd())?;
    let root = fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, HARMLESS)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&root, c"", CWD, c"/", flags)?;
    Ok(root)
}

fn leave_the_old_root(new: &OwnedFd) -> Result<(), Errno> {
    fchdir(new)?;
    // The old one lies over the new one now, and so "." is what it is.
    pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)?;
    chdir(c"/")
}

/// Whether two descriptors stand for the same directory: `ESTALE` if not.
fn same(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> Result<(), Errno> {
    let identity = |fd| {
        let stat = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::INO)?;
        Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
    };
    match identity(one)? == identity(other)? {
        true => Ok(()),
        false => Err(Errno::STALE),
    }
}

fn in_words(what: &str, errno: Errno) -> String {
    format!("{what}: {}", reason(&io::Error::from(errno)))
}
