//! From name to name: one call for a file that is known, two for a new one.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind, Name, Node, Qid, Qids};

use crate::LocalFs;
use crate::access;
use crate::call::{call, errno, raw};
use crate::contain;
use crate::inode::{LOOK, look, look_at};
use crate::restore::open_path;
use crate::tree::LocalNode;

/// The root.
pub(crate) fn attach(fs: &LocalFs, cx: &Cx<'_>) -> Result<(Node, Qid), Errno> {
    let qid = qid(cx, &fs.root)?;
    Ok((Node::new(fs.root.clone()), qid))
}

/// Through all names.
pub(crate) fn walk(
    fs: &LocalFs,
    cx: &Cx<'_>,
    start: &Node,
    names: &[Name<'_>],
    qids: &mut Qids,
) -> Result<Node, Errno> {
    let mut node = fs.node(start)?;
    if names.is_empty() {
        return Ok(start.clone());
    }
    let mut inside = false;
    for name in names {
        if node.inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let qid;
        (node, qid) = if name.is_dot() {
            may_pass(cx, &node)?;
            let qid = self::qid(cx, &node)?;
            (node, qid)
        } else if name.is_dotdot() {
            may_pass(cx, &node)?;
            let parent = parent(cx, node, &mut inside)?;
            let qid = self::qid(cx, &parent)?;
            (parent, qid)
        } else {
            fs.usable(*name)?;
            step(cx, &node, name.as_bytes())?
        };
        qids.push(qid);
    }
    Ok(Node::new(node))
}

/// One step down.
pub(crate) fn step(
    cx: &Cx<'_>,
    dir: &Arc<LocalNode>,
    name: &[u8],
) -> Result<(Arc<LocalNode>, Qid), Errno> {
    let tree = dir.tree();
    let moves = contain::moves();
    let dir_fd = dir.fd(cx)?;
    if dir.inode.host.remote {
        cx.about_to_block();
    }
    if let Some(child) = dir.child(name)
        && let Some(_held) = child.inode.held()
    {
        if child.inode.host.remote {
            cx.about_to_block();
        }
        let stat = call(cx, || look_at(dir_fd.as_fd(), name))?;
        if child.inode.is_at(&stat) {
            let qid = child.inode.qid(&stat);
            return Ok((child, qid));
        }
    }
    let fd =
        raw(cx, || open_path(cx, tree, dir_fd.as_fd(), name)).map_err(|error| match error {
            // A magic link or a mount that leads outside; neither is to be seen in an export.
            io::Errno::XDEV => Errno::EACCES,
            error => errno(error),
        })?;
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    let node = tree.enter(cx, dir, name, fd, &stat, moves, None)?;
    let qid = node.inode.qid(&stat);
    Ok((node, qid))
}

/// That the kernel lets a user go through a directory: to what is not looked up in it.
fn may_pass(cx: &Cx<'_>, dir: &LocalNode) -> Result<(), Errno> {
    if cx.credentials().is_none() {
        return Ok(());
    }
    let fd = dir.fd(cx)?;
    call(cx, || look_at(fd.as_fd(), c".")).map(drop)
}

/// One step up, by the entry. The kernel's `..` is never taken: it leads out of the export when
/// the host moves a directory. `inside` tells whether this walk has looked at the way to the root
/// already.
fn parent(cx: &Cx<'_>, node: Arc<LocalNode>, inside: &mut bool) -> Result<Arc<LocalNode>, Errno> {
    if node.is_root() {
        return Ok(node);
    }
    if !*inside {
        contain::chain(cx, &node).map_err(contain::stale)?;
        *inside = true;
    }
    access::or_as_server(|| contain::current_entry(cx, &node))
        .map(|entry| entry.parent)
        .map_err(contain::stale)
}

/// The qid of a node at present.
pub(crate) fn qid(cx: &Cx<'_>, node: &LocalNode) -> Result<Qid, Errno> {
    let fd = node.fd(cx)?;
    if node.inode.host.remote {
        cx.about_to_block();
    }
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    Ok(node.inode.qid(&stat))
}
