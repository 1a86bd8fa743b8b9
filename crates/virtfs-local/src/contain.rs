//! Changes stay inside the export, though the host, or another export of this process, may move a
//! directory out of it while a client stands there.
//!
//! The kernel's `..` is not contained, so what counts is the chain of entries: a directory is
//! inside if it still is where its entry says, and its parent is inside, up to the root.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, StatxFlags, statx};
use virtfs_vfs::{Cx, Errno};

use crate::access;
use crate::call::call;
use crate::inode::look_at;
use crate::options::Containment;
use crate::tree::{Entry, LocalNode};

/// How often any export of this process moved a directory, plus one.
static MOVES: AtomicU64 = AtomicU64::new(1);

/// The count of moves; to be asked before a look-up whose result is to count as checked.
pub(crate) fn moves() -> u64 {
    MOVES.load(Ordering::Acquire)
}

/// Tells that a directory may have been moved to another one.
pub(crate) fn moved() {
    MOVES.fetch_add(1, Ordering::AcqRel);
}

/// To be asked before a change in a directory, or a step up from it: `ESTALE` if it is known to
/// be outside.
pub(crate) fn check(cx: &Cx<'_>, dir: &LocalNode) -> Result<(), Errno> {
    if dir.is_root() {
        return Ok(());
    }
    if dir.tree().containment == Containment::Mount
        && let Some(known) = is_below_mount(cx, dir)?
    {
        return match known {
            true => Ok(()),
            false => Err(Errno::ESTALE),
        };
    }
    let moves = moves();
    let checked = dir.inode.dir.as_ref().map(|dir| &dir.checked);
    if dir.tree().containment == Containment::Landlock
        && checked.is_some_and(|at| at.load(Ordering::Acquire) == moves)
    {
        return Ok(());
    }
    match chain(cx, dir) {
        Err(Errno::ESTALE) if lies_below_root(cx, dir) => return Ok(()),
        result => result?,
    }
    if let Some(checked) = checked {
        checked.store(moves, Ordering::Release);
    }
    Ok(())
}

/// To be asked when the kernel refused a change in these directories: under Landlock that may
/// mean that one of them is outside.
pub(crate) fn explain(cx: &Cx<'_>, dirs: &[&LocalNode], error: Errno) -> Errno {
    let outside =
        |dir: &&LocalNode| !dir.is_root() && chain(cx, dir).is_err() && !lies_below_root(cx, dir);
    let doubtful = matches!(error, Errno::EACCES | Errno::EXDEV);
    match dirs.first() {
        Some(dir)
            if dir.tree().containment == Containment::Landlock
                && doubtful
                && dirs.iter().any(outside) =>
        {
            Errno::ESTALE
        }
        _ => error,
    }
}

/// Whether the kernel has a `..` for a directory, which it has not above the root of a mount. `None` if
/// the user may not ask.
fn is_below_mount(cx: &Cx<'_>, dir: &LocalNode) -> Result<Option<bool>, Errno> {
    let fd = dir.fd(cx)?;
    if dir.inode.host.remote {
        cx.about_to_block();
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    match call(cx, || statx(fd.as_fd(), c"..", flags, StatxFlags::TYPE)) {
        Ok(_) => Ok(Some(true)),
        Err(Errno::ENOENT) => Ok(Some(false)),
        Err(Errno::EACCES) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entry of a node, if the node still is there: `ENOENT` if the name is gone, `ESTALE` if it
/// stands for another file.
pub(crate) fn current_entry(cx: &Cx<'_>, node: &LocalNode) -> Result<Entry, Errno> {
    if node.is_root() {
        return Err(Errno::EBUSY);
    }
    let entry = node.entry().ok_or(Errno::ENOENT)?;
    // Numbers say nothing unless a descriptor keeps them.
    let _held = node.fd(cx)?;
    let dir = entry.parent.fd(cx)?;
    if node.inode.host.remote || entry.parent.inode.host.remote {
        cx.about_to_block();
    }
    let stat = call(cx, || look_at(dir.as_fd(), &*entry.name))?;
    if node.inode.is_at(&stat) {
        Ok(entry)
    } else {
        Err(Errno::ESTALE)
    }
}

/// Follows the entries up to the root: `ESTALE` if one is not what it was, `ENOENT` if the
/// directory's own is gone, as the kernel says of a removed one. Who stands in the directory need
/// not be permitted all of the way.
pub(crate) fn chain(cx: &Cx<'_>, dir: &LocalNode) -> Result<(), Errno> {
    access::or_as_server(|| climb(cx, dir))
}

fn climb(cx: &Cx<'_>, dir: &LocalNode) -> Result<(), Errno> {
    let mut above: Option<Arc<LocalNode>> = None;
    loop {
        let node = above.as_deref().unwrap_or(dir);
        if node.is_root() {
            return Ok(());
        }
        let entry = current_entry(cx, node);
        above = Some(match above {
            None => entry?.parent,
            Some(_) => entry.map_err(stale)?.parent,
        });
    }
}

/// Whether the kernel says that a directory lies below the root, though not where its entry says:
/// the host may have renamed it, or one above it, inside the export. No for paths that are longer
/// than the kernel tells (4,096 bytes).
fn lies_below_root(cx: &Cx<'_>, dir: &LocalNode) -> bool {
    let mut root = dir.entry().map(|entry| entry.parent);
    while let Some(node) = root.take_if(|node| !node.is_root()) {
        root = node.entry().map(|entry| entry.parent);
    }
    let path = |node: &LocalNode| {
        let fd = node.fd(cx).ok()?;
        node.tree().proc.path_of(fd.as_fd()).ok()
    };
    let (Some(root), Some(dir)) = (root.and_then(|root| path(&root)), path(dir)) else {
        return false;
    };
    let below = dir.as_bytes().strip_prefix(root.as_bytes());
    below.is_some_and(|rest| root.as_bytes().ends_with(b"/") || rest.starts_with(b"/"))
}

/// The error of a node whose own entry is gone.
pub(crate) fn stale(error: Errno) -> Errno {
    match error {
        Errno::ENOENT => Errno::ESTALE,
        other => other,
    }
}
