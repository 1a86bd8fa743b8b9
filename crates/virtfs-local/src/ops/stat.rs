//! Attributes, symbolic links, and the state of the whole file system.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Statx, StatxFlags, StatxTimestamp, fstatvfs, readlinkat};
use virtfs_vfs::{Attr, Cx, Device, Errno, FileKind, Node, Open, StatFs, StatWant, Time};

use crate::LocalFs;
use crate::call::call;
use crate::inode::{Inode, LOOK, look};
use crate::tree::LocalNode;

/// The descriptor that a call is to act on: the fid's open file, else the node's.
pub(crate) enum Subject {
    Open(Arc<OwnedFd>),
    Node(Arc<OwnedFd>),
}

impl Subject {
    pub(crate) fn of(
        fs: &LocalFs,
        cx: &Cx<'_>,
        node: &LocalNode,
        open: Option<&Open>,
    ) -> Result<Self, Errno> {
        let subject = match open {
            Some(open) => Self::Open(fs.opened(open)?.fd(cx)?),
            None => Self::Node(node.fd(cx)?),
        };
        if node.inode.host.remote {
            cx.about_to_block();
        }
        Ok(subject)
    }
}

impl AsFd for Subject {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd) | Self::Node(fd) => fd.as_fd(),
        }
    }
}

/// `Tgetattr`.
pub(crate) fn stat(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    want: StatWant,
) -> Result<Attr, Errno> {
    let node = fs.node(node)?;
    let fd = Subject::of(fs, cx, &node, open)?;
    let mut mask = LOOK;
    mask.set(StatxFlags::BTIME, want.contains(StatWant::BTIME));
    let stat = call(cx, || look(fd.as_fd(), mask))?;
    let mut attr = attr(&node.inode, &stat);
    if !want.contains(StatWant::BTIME) {
        attr.btime = None; // Some file systems tell it unasked.
    }
    if want.contains(StatWant::GENERATION) {
        attr.generation = node.inode.generation(fd.as_fd());
    }
    Ok(attr)
}

fn attr(inode: &Inode, stat: &Statx) -> Attr {
    let born = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Attr {
        qid: inode.qid(stat),
        mode: stat.stx_mode.into(),
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        nlink: stat.stx_nlink.into(),
        rdev: Device {
            major: stat.stx_rdev_major,
            minor: stat.stx_rdev_minor,
        },
        size: stat.stx_size,
        blksize: stat.stx_blksize,
        blocks: stat.stx_blocks,
        atime: time(stat.stx_atime),
        mtime: time(stat.stx_mtime),
        ctime: time(stat.stx_ctime),
        btime: born.then(|| time(stat.stx_btime)),
        generation: None,
    }
}

fn time(time: StatxTimestamp) -> Time {
    Time {
        sec: time.tv_sec,
        nsec: time.tv_nsec,
    }
}

/// `Treadlink`.
pub(crate) fn readlink(fs: &LocalFs, cx: &Cx<'_>, node: &Node) -> Result<Vec<u8>, Errno> {
    let node = fs.node(node)?;
    if node.inode.kind != FileKind::Symlink {
        return Err(Errno::EINVAL);
    }
    let fd = Subject::of(fs, cx, &node, None)?;
    let text = call(cx, || readlinkat(fd.as_fd(), c"", Vec::new()))?;
    Ok(text.into_bytes())
}

/// `Tstatfs`.
pub(crate) fn statfs(fs: &LocalFs, cx: &Cx<'_>, node: &Node) -> Result<StatFs, Errno> {
    let node = fs.node(node)?;
    let fd = Subject::of(fs, cx, &node, None)?;
    let state = call(cx, || fstatvfs(fd.as_fd()))?;
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(StatFs {
        kind: small(node.inode.host.magic),
        bsize: small(state.f_bsize),
        blocks: state.f_blocks,
        bfree: state.f_bfree,
        bavail: state.f_bavail,
        files: state.f_files,
        ffree: state.f_ffree,
        fsid: state.f_fsid,
        namelen: small(state.f_namemax),
    })
}
