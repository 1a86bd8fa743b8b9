//! Attributes, symbolic links, and the state of the whole file system.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{OFlags, Statx, StatxFlags, StatxTimestamp, fstatvfs, readlinkat};
use rustix::io::pread;
use virtfs_vfs::{Attr, Cx, Errno, FileKind, Node, Open, StatFs, StatWant, Time};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::inode::{Inode, LOOK};
use crate::ownership::{File, Owned};
use crate::tree::{LocalNode, Tree};
use crate::xattrs::Holder;

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

    /// For its extended attributes.
    pub(crate) fn holder<'a>(&'a self, tree: &'a Tree) -> Holder<'a> {
        match self {
            Self::Open(fd) => Holder::Open(fd.as_fd()),
            Self::Node(fd) => Holder::Path(&tree.proc, fd.as_fd()),
        }
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
    let fd = &Subject::of(fs, cx, &node, open)?;
    let mut mask = LOOK;
    mask.set(StatxFlags::BTIME, want.contains(StatWant::BTIME));
    let file = File { node: &node, fd };
    let (stat, owned) = fs.model().stat(cx, &file, mask)?;
    let mut attr = attr(&node.inode, &stat, &owned);
    if !want.contains(StatWant::BTIME) {
        attr.btime = None; // Some file systems tell it unasked.
    }
    if want.contains(StatWant::GENERATION) {
        attr.generation = node.inode.generation(fd.as_fd());
    }
    Ok(attr)
}

fn attr(inode: &Inode, stat: &Statx, owned: &Owned) -> Attr {
    let born = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
    Attr {
        qid: inode.qid(stat),
        mode: owned.mode,
        uid: owned.uid,
        gid: owned.gid,
        nlink: stat.stx_nlink.into(),
        rdev: owned.rdev,
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
    if node.inode.kind() != FileKind::Symlink {
        return Err(Errno::EINVAL);
    }
    let fd = Subject::of(fs, cx, &node, None)?;
    if node.inode.host_kind != FileKind::Symlink {
        return stored_text(fs, cx, &fd);
    }
    let text = call(cx, || readlinkat(fd.as_fd(), c"", Vec::new()))?;
    Ok(text.into_bytes())
}

/// The longest text that a message carries.
const TEXT_MAX: usize = 0xffff;

/// The text of a link that is a regular file on the host. QEMU once ended it with a NUL.
fn stored_text(fs: &LocalFs, cx: &Cx<'_>, fd: &Subject) -> Result<Vec<u8>, Errno> {
    cx.about_to_block();
    let tree = &fs.tree;
    let reopen = || tree.proc.reopen(fd.as_fd(), OFlags::RDONLY);
    let file = raw(cx, || tree.with_room(reopen)).map_err(errno)?;
    let mut text = vec![0; 256];
    let mut length = 0;
    loop {
        match call(cx, || {
            pread(
                &file,
                text.get_mut(length..).unwrap_or_default(),
                length as u64,
            )
        })? {
            0 => break,
            got => length += got,
        }
        if length == text.len() {
            if length > TEXT_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            text.resize(length * 4, 0);
        }
    }
    text.truncate(length);
    if text.last() == Some(&0) {
        text.pop();
    }
    match text.contains(&0) {
        true => Err(Errno::EIO),
        false if text.len() > TEXT_MAX => Err(Errno::ENAMETOOLONG),
        false => Ok(text),
    }
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
