//! Making directories, symbolic links and special files.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, Statx, makedev, mkdirat, mknodat, symlinkat};
use virtfs_vfs::{Cx, Device, Errno, FileKind, Make, Name, Node, OpenFlags, Qid};

use crate::LocalFs;
use crate::call::{call, errno};
use crate::contain;
use crate::inode::{LOOK, look};
use crate::ops::create::{create_new, own, parent, remove_ours};
use crate::qid::qid;
use crate::restore::open_path;

/// `Tmkdir`, `Tsymlink`, `Tmknod`.
pub(crate) fn make(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: &Node,
    name: Name<'_>,
    what: Make<'_>,
    gid: u32,
) -> Result<Qid, Errno> {
    fs.writable()?;
    let dir = fs.node(dir)?;
    let dir_fd = parent(cx, &dir, name)?;
    let (dir_fd, name) = (dir_fd.as_fd(), name.as_bytes());
    let (kind, mode) = match what {
        Make::Directory { mode } => (FileKind::Directory, mode),
        Make::Symlink { .. } => (FileKind::Symlink, 0o777),
        Make::Node { kind, mode, .. } => (kind, mode),
    };
    let made = make_one(fs, cx, dir_fd, name, what);
    let fd = made.map_err(|error| contain::explain(cx, &[&dir], error))?;
    let stat = match own(fs, cx, fd.as_fd(), kind, mode, gid)
        .and_then(|()| call(cx, || look(fd.as_fd(), LOOK)))
    {
        Ok(stat) => stat,
        Err(error) => {
            remove_ours(dir_fd, name, fd.as_fd());
            return Err(error);
        }
    };
    let path = fs.tree.qids.path(dir.inode.host.index, stat.stx_ino);
    Ok(qid(kind, path, &stat))
}

/// Makes it and gives a descriptor of it.
fn make_one(
    fs: &LocalFs,
    cx: &Cx<'_>,
    dir: BorrowedFd<'_>,
    name: &[u8],
    what: Make<'_>,
) -> Result<OwnedFd, Errno> {
    let bits = |mode| Mode::from_raw_mode(mode & 0o7777);
    let kind = match what {
        Make::Directory { mode } => {
            call(cx, || mkdirat(dir, name, bits(mode)))?;
            FileKind::Directory
        }
        Make::Symlink { target } => {
            call(cx, || symlinkat(target, dir, name))?;
            FileKind::Symlink
        }
        Make::Node { kind, mode, device } => {
            let (kind, file_type) = match kind {
                FileKind::Regular => {
                    return create_new(fs, cx, dir, name, OpenFlags::READ, mode);
                }
                FileKind::Fifo => (kind, FileType::Fifo),
                FileKind::Socket => (kind, FileType::Socket),
                FileKind::CharDevice => (kind, FileType::CharacterDevice),
                FileKind::BlockDevice => (kind, FileType::BlockDevice),
                FileKind::Directory | FileKind::Symlink => return Err(Errno::EINVAL),
            };
            let device = number(kind, device)?;
            call(cx, || mknodat(dir, name, file_type, bits(mode), device))?;
            kind
        }
    };
    let fd = open_path(cx, &fs.tree, dir, name).map_err(errno)?;
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    if is_fresh(kind, &stat) {
        Ok(fd)
    } else {
        Err(Errno::ESTALE)
    }
}

/// The device's number for `mknod`, which takes 12 bits of major and 20 of minor.
fn number(kind: FileKind, device: Device) -> Result<u64, Errno> {
    match kind {
        FileKind::CharDevice | FileKind::BlockDevice => {
            if device.major < 1 << 12 && device.minor < 1 << 20 {
                Ok(makedev(device.major, device.minor))
            } else {
                Err(Errno::EINVAL)
            }
        }
        _ => Ok(0),
    }
}

/// Whether this can be what we have just made: somebody may have put another file under the name
/// in between, and one with more names must not be given to our user.
fn is_fresh(kind: FileKind, stat: &Statx) -> bool {
    FileKind::from_mode(stat.stx_mode.into()) == Some(kind)
        && (stat.stx_nlink == 1 || kind == FileKind::Directory)
}
