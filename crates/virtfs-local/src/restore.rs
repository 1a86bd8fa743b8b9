//! Bringing back descriptors that were closed to save them: by the entry, or by the kernel's
//! handle; the same file or none (`ESTALE`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io;
use rustix::path::Arg;
use virtfs_vfs::{Cx, Errno};

use crate::access;
use crate::call::{errno, raw};
use crate::inode::{Inode, LOOK, look};
use crate::sys::handle;
use crate::tree::{LocalNode, Tree};

/// Opens an entry by `O_PATH`, whatever it is, telling when that may sleep.
pub(crate) fn open_path(
    cx: &Cx<'_>,
    tree: &Tree,
    dir: BorrowedFd<'_>,
    name: &[u8],
) -> io::Result<OwnedFd> {
    name.into_with_c_str(|name| {
        let open = |resolve| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | resolve;
            tree.with_room(|| openat2(dir, name, flags, Mode::empty(), resolve))
        };
        match open(ResolveFlags::CACHED) {
            Err(io::Errno::AGAIN) => {
                cx.about_to_block();
                raw(cx, || open(ResolveFlags::empty()))
            }
            result => result,
        }
    })
}

/// The descriptor of a node that has none. Who has the node has been there: where the way is closed
/// to them by now, the server goes.
pub(crate) fn restore(node: &LocalNode, cx: &Cx<'_>) -> Result<Arc<OwnedFd>, Errno> {
    access::or_as_server(|| find(node, cx))
}

fn find(node: &LocalNode, cx: &Cx<'_>) -> Result<Arc<OwnedFd>, Errno> {
    if node.inode.host.remote {
        cx.about_to_block();
    }
    let entry = node.entry();
    if let Some(entry) = &entry
        && let Some(dir) = entry.parent.inode.held()
        && let Some(fd) = by_name(cx, node, &dir, &entry.name)?
    {
        return Ok(fd);
    }
    if let Some(fd) = by_handle(cx, node)? {
        return Ok(fd);
    }
    // Down from the nearest parent that still has one. Thousands deep is fine.
    let mut above = Vec::new();
    let mut entry = entry.ok_or(Errno::ESTALE)?;
    let mut dir = loop {
        if let Some(fd) = entry.parent.inode.held() {
            break fd;
        }
        let next = entry.parent.entry().ok_or(Errno::ESTALE)?;
        above.push(entry);
        entry = next;
    };
    while let Some(below) = above.pop() {
        dir = again(cx, &below.parent, &dir, &entry.name)?;
        entry = below;
    }
    again(cx, node, &dir, &entry.name)
}

/// One step down: by the entry, or by the handle where the entry leads to another file now.
fn again(cx: &Cx<'_>, node: &LocalNode, dir: &OwnedFd, name: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
    if let Some(fd) = node.inode.held() {
        return Ok(fd);
    }
    if let Some(fd) = by_name(cx, node, dir, name)? {
        return Ok(fd);
    }
    by_handle(cx, node)?.ok_or(Errno::ESTALE)
}

fn by_name(
    cx: &Cx<'_>,
    node: &LocalNode,
    dir: &OwnedFd,
    name: &[u8],
) -> Result<Option<Arc<OwnedFd>>, Errno> {
    match open_path(cx, node.tree(), dir.as_fd(), name) {
        Ok(fd) => adopt(&node.inode, fd),
        Err(io::Errno::NOENT | io::Errno::NOTDIR | io::Errno::STALE) => Ok(None),
        Err(error) => Err(errno(error)),
    }
}

fn by_handle(cx: &Cx<'_>, node: &LocalNode) -> Result<Option<Arc<OwnedFd>>, Errno> {
    let tree = node.tree();
    let Some((root, mount)) = &tree.mount else {
        return Ok(None);
    };
    let Some(trace) = node.inode.trace() else {
        return Ok(node.inode.held());
    };
    let Some((plain, connectable)) = trace.handles() else {
        return Ok(None);
    };
    if !root.same_mount(&node.inode.id()) {
        return Ok(None);
    }
    let open = |handle| match tree.with_room(|| handle::open(mount.as_fd(), handle)) {
        Ok(fd) => Ok(Some(fd)),
        Err(error @ (io::Errno::MFILE | io::Errno::NFILE)) => Err(errno(error)),
        // Mostly ESTALE. ENOMEM too is what Linux says while the number is given to a new file.
        Err(_) => Ok(None),
    };
    if let Some(handle) = &connectable
        && let Some(fd) = open(handle)?
    {
        return adopt(&node.inode, fd);
    }
    // In another directory than the connectable handle's: Landlock lets nothing be done with it
    // unless the kernel knows in which.
    let usable = |fd: &OwnedFd| !tree.shut_in || tree.proc.knows_a_way_to(fd.as_fd());
    let try_it = || match open(&plain)?.filter(usable) {
        Some(fd) => adopt(&node.inode, fd),
        None => Ok(None),
    };
    let Some(fd) = open(&plain)? else {
        return Ok(None);
    };
    if usable(&fd) {
        return adopt(&node.inode, fd);
    }
    // What has no name any more is found nowhere.
    let nowhere = look(fd.as_fd(), LOOK).is_ok_and(|stat| stat.stx_nlink == 0);
    drop(fd);
    if nowhere {
        return Ok(None);
    }
    cx.about_to_block();
    tree.searches.find(cx, mount.as_fd(), &node.inode, try_it)
}

fn adopt(inode: &Arc<Inode>, fd: OwnedFd) -> Result<Option<Arc<OwnedFd>>, Errno> {
    let stat = look(fd.as_fd(), LOOK).map_err(errno)?;
    Ok(inode.adopt(fd, &stat).ok())
}
