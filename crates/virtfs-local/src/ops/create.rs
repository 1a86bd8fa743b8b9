//! Creating a regular file and opening it, or opening the one that exists.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, Statx, openat, unlinkat};
use rustix::io;
use rustix::path::Arg;
use virtfs_vfs::{Cx, Errno, FileKind, Name, Node, Open, OpenFlags, Opened};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::contain;
use crate::inode::{InodeId, LOOK, look, look_at};
use crate::opened::LocalOpen;
use crate::ops::open::{host_flags, open_node};
use crate::ops::walk::step;
use crate::ownership::{New, Spot};
use crate::tree::LocalNode;
use crate::xattrs::Holder;

/// How often a file may appear and vanish between two looks.
const TRIES: usize = 16;

/// `Tlcreate`.
pub(crate) fn create(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: &Node,
    name: Name<'_>,
    flags: OpenFlags,
    mode: u32,
    gid: u32,
) -> Result<(Node, Opened), Errno> {
    fs.writable()?;
    if flags.contains(OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    let dir = fs.node(dir)?;
    let dir_fd = parent(fs, cx, &dir, name)?;
    if !fs.tree.opens.make_room() {
        return Err(Errno::EMFILE);
    }
    let name = name.as_bytes();
    for _ in 0..TRIES {
        match create_new(fs, cx, dir_fd.as_fd(), name, flags, mode) {
            Ok(fd) => return new_file(fs, cx, &dir, dir_fd.as_fd(), name, fd, flags, mode, gid),
            Err(Errno::EEXIST) if !flags.contains(OpenFlags::EXCLUSIVE) => {}
            Err(error) => return Err(contain::explain(cx, &[&dir], error)),
        }
        match step(cx, &dir, name) {
            Ok((node, _)) if node.inode.kind() == FileKind::Directory => return Err(Errno::EISDIR),
            Ok((node, _)) => {
                let opened = open_node(fs, cx, &node, flags)
                    .map_err(|error| contain::explain(cx, &[&dir], error))?;
                return Ok((Node::new(node), opened));
            }
            Err(Errno::ENOENT) => {} // Gone again.
            Err(error) => return Err(error),
        }
    }
    Err(Errno::ENOENT)
}

/// The descriptor of a directory in which an entry is to be made.
pub(crate) fn parent(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: &LocalNode,
    name: Name<'_>,
) -> Result<Arc<OwnedFd>, Errno> {
    if dir.inode.kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if !name.is_entry() {
        return Err(Errno::EEXIST);
    }
    fs.usable(name)?;
    contain::check(cx, dir)?;
    let fd = dir.fd(cx)?;
    if dir.inode.host.remote {
        cx.about_to_block();
    }
    Ok(fd)
}

/// Makes a file that did not exist: `EEXIST` for whatever does.
pub(crate) fn create_new(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: BorrowedFd<'_>,
    name: &[u8],
    flags: OpenFlags,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let how = host_flags(flags).difference(OFlags::TRUNC)
        | OFlags::CREATE
        | OFlags::EXCL
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(fs.model().host_mode(FileKind::Regular, mode));
    raw(cx, || fs.tree.with_room(|| openat(dir, name, how, mode))).map_err(errno)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
fn new_file(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: &Arc<LocalNode>,
    dir_fd: BorrowedFd<'_>,
    name: &[u8],
    fd: OwnedFd,
    flags: OpenFlags,
    mode: u32,
    gid: u32,
) -> Result<(Node, Opened), Errno> {
    let moves = contain::moves();
    let new = New {
        at: spot(dir, dir_fd, name),
        file: Holder::Open(fd.as_fd()),
        kind: FileKind::Regular,
        mode,
        uid: id(cx.user.uid),
        gid: id(gid),
        device: None,
    };
    let node = fs.model().created(cx, &new).and_then(|()| {
        let reopen = || fs.tree.proc.reopen(fd.as_fd(), OFlags::PATH);
        let path = raw(cx, || fs.tree.with_room(reopen)).map_err(errno)?;
        let stat = call(cx, || look(path.as_fd(), LOOK))?;
        let made = fs.model().made(FileKind::Regular, mode);
        let node = fs
            .tree
            .enter(cx, dir, name, path, &stat, moves, Some(made))?;
        Ok((node, stat))
    });
    let (node, stat) = match node {
        Ok(made) => made,
        Err(error) => {
            remove_ours(cx, &new.at, fd.as_fd());
            return Err(error);
        }
    };
    let opened = Opened {
        qid: node.inode.qid(&stat),
        blksize: stat.stx_blksize,
        open: Open::new(LocalOpen::new(
            cx,
            node.clone(),
            fd,
            (host_flags(flags), flags),
        )),
    };
    Ok((Node::new(node), opened))
}

/// A place in a directory, for the model.
pub(crate) fn spot<'a>(dir: &'a LocalNode, fd: BorrowedFd<'a>, name: &'a [u8]) -> Spot<'a> {
    Spot { dir, fd, name }
}

/// A user or group, unless there is none.
pub(crate) fn id(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

/// Removes what we made, unless the name stands for something else by now. The request has failed
/// already: a failure here changes nothing in the answer.
pub(crate) fn remove_ours(cx: &Cx<'_>, at: &Spot<'_>, fd: BorrowedFd<'_>) {
    let Ok(stat) = look(fd, LOOK) else { return };
    if is_at(at.fd, at.name, &stat).is_ok_and(|is| is) {
        let directory = FileKind::from_mode(stat.stx_mode.into()) == Some(FileKind::Directory);
        let flags = if directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        if unlinkat(at.fd, at.name, flags).is_ok() {
            at.dir.tree().model.abandoned(cx, at);
        }
    }
}

fn is_at(dir: BorrowedFd<'_>, name: impl Arg, stat: &Statx) -> io::Result<bool> {
    Ok(InodeId::of(&look_at(dir, name)?) == InodeId::of(stat))
}
