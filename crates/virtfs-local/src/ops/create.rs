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
use crate::ops::set::chmod;
use crate::ops::walk::step;
use crate::tree::LocalNode;

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
    let dir_fd = parent(cx, &dir, name)?;
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
            Ok((node, _)) if node.inode.kind == FileKind::Directory => return Err(Errno::EISDIR),
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
pub(crate) fn parent(cx: &Cx<'_>, dir: &LocalNode, name: Name<'_>) -> Result<Arc<OwnedFd>, Errno> {
    if dir.inode.kind != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if !name.is_entry() {
        return Err(Errno::EEXIST);
    }
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
    let mode = Mode::from_raw_mode(mode & 0o7777);
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
    let node = own(fs, cx, fd.as_fd(), FileKind::Regular, mode, gid).and_then(|()| {
        let reopen = || fs.tree.proc.reopen(fd.as_fd(), OFlags::PATH);
        let path = raw(cx, || fs.tree.with_room(reopen)).map_err(errno)?;
        let stat = call(cx, || look(path.as_fd(), LOOK))?;
        Ok((fs.tree.enter(dir, name, path, &stat, moves)?, stat))
    });
    let (node, stat) = match node {
        Ok(made) => made,
        Err(error) => {
            remove_ours(dir_fd, name, fd.as_fd());
            return Err(error);
        }
    };
    let opened = Opened {
        qid: node.inode.qid(&stat),
        blksize: stat.stx_blksize,
        open: Open::new(LocalOpen::new(node.clone(), fd, host_flags(flags))),
    };
    Ok((Node::new(node), opened))
}

/// Gives a file just made to its creator, with the mode that was asked for.
pub(crate) fn own(
    fs: &LocalFs,
    cx: &Cx<'_>,
    fd: BorrowedFd<'_>,
    kind: FileKind,
    mode: u32,
    gid: u32,
) -> Result<(), Errno> {
    fs.model.created(fd, cx.user, gid)?;
    // A change of owner has cleared these bits, and mkdir never sets them.
    let special = mode & 0o6000;
    if special != 0 && kind != FileKind::Symlink {
        let stat = call(cx, || look(fd, LOOK))?;
        chmod(fs, cx, fd, u32::from(stat.stx_mode) & 0o7777 | special)?;
    }
    Ok(())
}

/// Removes what we made, unless the name stands for something else by now. The request has failed
/// already: a failure here changes nothing in the answer.
pub(crate) fn remove_ours(dir: BorrowedFd<'_>, name: &[u8], fd: BorrowedFd<'_>) {
    let Ok(stat) = look(fd, LOOK) else { return };
    if is_at(dir, name, &stat).is_ok_and(|is| is) {
        let directory = FileKind::from_mode(stat.stx_mode.into()) == Some(FileKind::Directory);
        let flags = if directory {
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        let _ = unlinkat(dir, name, flags);
    }
}

fn is_at(dir: BorrowedFd<'_>, name: impl Arg, stat: &Statx) -> io::Result<bool> {
    Ok(InodeId::of(&look_at(dir, name)?) == InodeId::of(stat))
}
