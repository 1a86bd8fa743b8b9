//! Changing attributes, by descriptor.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, OFlags, Timespec, Timestamps, ftruncate, utimensat};
use rustix::fs::{UTIME_NOW, UTIME_OMIT};
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind, Node, Open, SetAttr, SetTime};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::inode::LOOK;
use crate::ops::stat::Subject;
use crate::ownership::{Change, File, chown};

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
    let fd = &Subject::of(fs, cx, &node, open)?;
    let file = File { node: &node, fd };
    if changes.mode.is_some() && node.inode.kind() == FileKind::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    // A new size sets the time, for those too who may write the file and own it not.
    let mtime = match changes.mtime {
        Some(SetTime::Now) if changes.size.is_some() => None,
        mtime => mtime,
    };
    let times = Timestamps {
        last_access: time(changes.atime)?,
        last_modification: time(mtime)?,
    };
    let nothing_else = *changes
        == SetAttr {
            ctime: true,
            ..SetAttr::default()
        };
    let id = |id: Option<u32>| id.filter(|id| *id != u32::MAX);
    let (uid, gid) = (id(changes.uid), id(changes.gid));
    let mode = changes.mode.map(|mode| mode & 0o7777);
    // In one step where nothing comes between.
    let now = mode.filter(|_| changes.size.is_none());
    let to = Change {
        uid,
        gid,
        mode: now,
    };
    if to != Change::default() {
        fs.model().set(cx, &file, &to)?;
    } else if changes.uid.is_some() || changes.gid.is_some() || nothing_else {
        call(cx, || chown(fd.as_fd(), None, None))?;
    }
    if let Some(size) = changes.size {
        truncate(fs, cx, &file, size)?;
    }
    if mode != now {
        // Linux sends the mode without setuid bits when it cuts a file, for those too who may write the
        // file and own it not: the host has taken the bits away.
        let (_, owned) = fs.model().stat(cx, &file, LOOK)?;
        if Some(owned.mode & 0o7777) != mode {
            let to = Change {
                mode,
                ..Change::default()
            };
            fs.model().set(cx, &file, &to)?;
        }
    }
    if changes.atime.is_some() || mtime.is_some() {
        call(cx, || {
            utimensat(fd.as_fd(), c"", &times, AtFlags::EMPTY_PATH)
        })?;
    }
    Ok(())
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

fn truncate(fs: &LocalFs, cx: &Cx<'_>, file: &File<'_>, size: u64) -> Result<(), Errno> {
    let File { node, fd } = *file;
    match node.inode.kind() {
        FileKind::Regular => {}
        FileKind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    if i64::try_from(size).is_err() {
        return Err(Errno::EINVAL);
    }
    if node.inode.memory.has_privileges() {
        fs.model().drop_privileges(cx, file)?;
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
