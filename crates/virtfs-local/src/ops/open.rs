//! Opening: of regular files and directories only, by their inode.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind, Node, Open, OpenFlags, Opened};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::inode::{LOOK, look};
use crate::opened::LocalOpen;
use crate::ops::stat::Subject;
use crate::ownership::File;
use crate::tree::LocalNode;

/// `Tlopen`.
pub(crate) fn open(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    flags: OpenFlags,
) -> Result<Opened, Errno> {
    open_node(fs, cx, &fs.node(node)?, flags)
}

/// What `flags` need to change the file.
const CHANGING: OpenFlags = OpenFlags::WRITE
    .union(OpenFlags::TRUNCATE)
    .union(OpenFlags::APPEND);

pub(crate) fn open_node(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Arc<LocalNode>,
    flags: OpenFlags,
) -> Result<Opened, Errno> {
    let mut how = host_flags(flags);
    match node.inode.kind() {
        FileKind::Regular if flags.contains(OpenFlags::DIRECTORY) => return Err(Errno::ENOTDIR),
        FileKind::Regular => {}
        FileKind::Directory if flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE) => {
            return Err(Errno::EISDIR);
        }
        FileKind::Directory => how |= OFlags::DIRECTORY,
        FileKind::Symlink => return Err(Errno::ELOOP),
        _ => return Err(Errno::ENXIO),
    }
    if flags.intersects(CHANGING) {
        fs.writable()?;
    }
    if !fs.tree.opens.make_room() {
        return Err(Errno::EMFILE);
    }
    let path = node.fd(cx)?;
    if node.inode.host.remote {
        cx.about_to_block();
    }
    let reopen = |how| {
        raw(cx, || {
            let tree = &fs.tree;
            tree.with_room(|| tree.proc.reopen(path.as_fd(), how))
        })
    };
    let fd = match reopen(how) {
        // Somebody else's file: the access time cannot be left alone.
        Err(io::Errno::PERM) if how.contains(OFlags::NOATIME) => {
            how.remove(OFlags::NOATIME);
            reopen(how)
        }
        result => result,
    }
    .map_err(errno)?;
    if flags.contains(OpenFlags::TRUNCATE) && node.inode.memory.has_privileges() {
        let fd = &Subject::Node(path);
        fs.model().drop_privileges(cx, &File { node, fd })?;
    }
    opened(cx, node.clone(), fd, (how, flags))
}

/// An open file for the server.
fn opened(
    cx: &Cx<'_>,
    node: Arc<LocalNode>,
    fd: OwnedFd,
    how: (OFlags, OpenFlags),
) -> Result<Opened, Errno> {
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    Ok(Opened {
        qid: node.inode.qid(&stat),
        blksize: stat.stx_blksize,
        open: Open::new(LocalOpen::new(cx, node, fd, how)),
    })
}

/// rustix's own flag of this name is `O_SYNC` on Linux.
const DSYNC: OFlags = OFlags::from_bits_retain(libc::O_DSYNC as u32);

/// The flags for the kernel, without what only a create has.
pub(crate) fn host_flags(flags: OpenFlags) -> OFlags {
    let access = match (
        flags.contains(OpenFlags::READ),
        flags.contains(OpenFlags::WRITE),
    ) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    let pairs = [
        (OpenFlags::APPEND, OFlags::APPEND),
        (OpenFlags::TRUNCATE, OFlags::TRUNC),
        (OpenFlags::NOATIME, OFlags::NOATIME),
        (OpenFlags::SYNC, OFlags::SYNC),
        (OpenFlags::DSYNC, DSYNC),
    ];
    pairs
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(access, |all, (_, host)| all | *host)
}
