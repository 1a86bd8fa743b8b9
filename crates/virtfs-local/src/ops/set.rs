//! Changing attributes, by descriptor.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, chmodat, ftruncate, utimensat};
use rustix::fs::{UTIME_NOW, UTIME_OMIT};
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind, Node, Open, SetAttr, SetTime};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::ops::stat::Subject;
use crate::ownership::chown;
use crate::proc::ProcFd;
use crate::sys;
use crate::thread::Fsetid;
use crate::tree::LocalNode;

/// `Tsetattr`: owner, size, mode, times; the first error ends it. A new owner or size takes setuid
/// bits away and a new size sets the time, so what is asked for comes after what it would lose to.
pub(crate) fn set(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    changes: &SetAttr,
) -> Result<(), Errno> {
    fs.writable()?;
    let node = fs.node(node)?;
    let fd = Subject::of(fs, cx, &node, open)?;
    if changes.mode.is_some() && node.inode.kind == FileKind::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    let times = Timestamps {
        last_access: time(changes.atime)?,
        last_modification: time(changes.mtime)?,
    };
    let nothing_else = *changes
        == SetAttr {
            ctime: true,
            ..SetAttr::default()
        };
    if changes.uid.is_some() || changes.gid.is_some() || nothing_else {
        let keep = u32::MAX;
        let (uid, gid) = (changes.uid.unwrap_or(keep), changes.gid.unwrap_or(keep));
        call(cx, || chown(fd.as_fd(), uid, gid))?;
    }
    if let Some(size) = changes.size {
        truncate(fs, cx, &node, &fd, size)?;
    }
    if let Some(mode) = changes.mode {
        chmod(fs, cx, fd.as_fd(), mode & 0o7777)?;
    }
    if changes.atime.is_some() || changes.mtime.is_some() {
        call(cx, || {
            utimensat(fd.as_fd(), c"", &times, AtFlags::EMPTY_PATH)
        })?;
    }
    Ok(())
}

/// Sets the mode of what a descriptor, `O_PATH` or open, stands for.
pub(crate) fn chmod(fs: &LocalFs, cx: &Cx<'_>, fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    static MISSING: AtomicBool = AtomicBool::new(false);
    let _fsetid = Fsetid::raise_for(mode);
    if !MISSING.load(Ordering::Relaxed) {
        match raw(cx, || sys::chmod::chmod(fd, mode)) {
            // Also what a filter that does not know the call may say.
            Err(io::Errno::NOSYS | io::Errno::PERM) => {}
            result => return result.map_err(errno),
        }
    }
    let result = chmod_by_name(fs, cx, fd, mode);
    if result.is_ok() {
        MISSING.store(true, Ordering::Relaxed);
    }
    result
}

/// The way before Linux 6.6.
fn chmod_by_name(fs: &LocalFs, cx: &Cx<'_>, fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let name = ProcFd::name(fd);
    let mode = Mode::from_raw_mode(mode);
    call(cx, || {
        chmodat(&*fs.tree.proc, name.as_c_str(), mode, AtFlags::empty())
    })
}

fn time(time: Option<SetTime>) -> Result<Timespec, Errno> {
    let (tv_sec, tv_nsec) = match time {
        None => (0, UTIME_OMIT),
        Some(SetTime::Now) => (0, UTIME_NOW),
        Some(SetTime::At(time)) if time.nsec < 1_000_000_000 => (time.sec, time.nsec.into()),
        Some(SetTime::At(_)) => return Err(Errno::EINVAL),
    };
    Ok(Timespec { tv_sec, tv_nsec })
}

fn truncate(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &LocalNode,
    fd: &Subject,
    size: u64,
) -> Result<(), Errno> {
    match node.inode.kind {
        FileKind::Regular => {}
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    if i64::try_from(size).is_err() {
        return Err(Errno::EINVAL);
    }
    if let Subject::Open(open) = fd {
        match raw(cx, || ftruncate(open, size)) {
            // Not open for writing: the file may be writable nevertheless.
            Err(io::Errno::INVAL | io::Errno::BADF) => {}
            result => return result.map_err(errno),
        }
    }
    let writable = raw(cx, || {
        let tree = &fs.tree;
        tree.with_room(|| tree.proc.reopen(fd.as_fd(), OFlags::WRONLY))
    })
    .map_err(errno)?;
    call(cx, || ftruncate(&writable, size))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use virtfs_vfs::{Detached, User};

    use super::*;
    use crate::ops::walk::step;

    #[test]
    fn the_way_before_linux_6_6_sets_the_mode_of_the_file_itself() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let fs = LocalFs::open(dir.path(), Default::default()).unwrap();
        let cx = Cx::new(User::NOBODY, &Detached);
        let set = |name: &[u8], mode| {
            let (node, _) = step(&cx, &fs.root, name).unwrap();
            chmod_by_name(&fs, &cx, node.fd(&cx).unwrap().as_fd(), mode)
        };
        set(b"file", 0o601).unwrap();
        assert_eq!(set(b"link", 0o777), Err(Errno::EOPNOTSUPP));
        let mode = std::fs::metadata(dir.path().join("file")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o601);
    }
}
