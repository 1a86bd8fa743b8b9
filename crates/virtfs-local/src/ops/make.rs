//! Making directories, symbolic links and special files.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, Statx, makedev, mkdirat, mknodat, symlinkat};
use rustix::io::pwrite;
use virtfs_vfs::{Cx, Device, Errno, FileKind, Make, Name, Node, OpenFlags, Qid};

use crate::LocalFs;
use crate::call::{call, errno};
use crate::contain;
use crate::inode::{LOOK, look};
use crate::ops::create::{create_new, id, parent, remove_ours, spot};
use crate::ops::stat::Subject;
use crate::ownership::{New, Spot};
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
    let dir_fd = parent(fs, cx, &dir, name)?;
    let at = spot(&dir, dir_fd.as_fd(), name.as_bytes());
    let (kind, mode, device) = match what {
        Make::Directory { mode } => (FileKind::Directory, mode, None),
        Make::Symlink { .. } => (FileKind::Symlink, 0o777, None),
        Make::Node { kind, mode, device } => (kind, mode, Some(numbered(kind, device)?)),
    };
    let made = match kind {
        FileKind::Directory | FileKind::Symlink if device.is_some() => Err(Errno::EINVAL),
        FileKind::Directory => real(fs, cx, &at, what),
        FileKind::Regular => empty(fs, cx, &at, mode),
        _ if fs.model().keeps_kinds() => real(fs, cx, &at, what),
        _ => stand_in(fs, cx, &at, what),
    };
    let made = made.map_err(|error| contain::explain(cx, &[&dir], error))?;
    let new = New {
        at,
        file: made.holder(&fs.tree),
        kind,
        mode,
        uid: id(cx.user.uid),
        gid: id(gid),
        device,
    };
    let fd = new.file.as_fd();
    let owned = fs.model().created(cx, &new);
    let stat = match owned.and_then(|()| call(cx, || look(fd, LOOK))) {
        Ok(stat) => stat,
        Err(error) => {
            remove_ours(cx, &at, fd);
            return Err(error);
        }
    };
    let path = fs.tree.qids.path(dir.inode.host.index, stat.stx_ino);
    Ok(qid(kind, path, &stat))
}

/// An empty regular file.
fn empty(fs: &LocalFs, cx: &Cx<'_>, at: &Spot<'_>, mode: u32) -> Result<Subject, Errno> {
    let fd = create_new(fs, cx, at.fd, at.name, OpenFlags::READ, mode)?;
    Ok(Subject::Open(Arc::new(fd)))
}

/// The longest text of a symbolic link that Linux takes, in bytes (`PATH_MAX`, less the NUL).
const TEXT_MAX: usize = 4095;

/// The regular file that stands for a symbolic link or a special file.
fn stand_in(fs: &LocalFs, cx: &Cx<'_>, at: &Spot<'_>, what: Make<'_>) -> Result<Subject, Errno> {
    let text = match what {
        Make::Symlink { target } => target,
        _ => return empty(fs, cx, at, 0),
    };
    match text.len() {
        0 => return Err(Errno::ENOENT),
        1..=TEXT_MAX => {}
        _ => return Err(Errno::ENAMETOOLONG),
    }
    let file = create_new(fs, cx, at.fd, at.name, OpenFlags::WRITE, 0)?;
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match call(cx, || pwrite(&file, rest, written as u64)) {
            Ok(0) => return Err(give_up(cx, at, &file, Errno::ENOSPC)),
            Ok(more) => written += more,
            Err(error) => return Err(give_up(cx, at, &file, error)),
        }
    }
    Ok(Subject::Open(Arc::new(file)))
}

fn give_up(cx: &Cx<'_>, at: &Spot<'_>, file: &OwnedFd, error: Errno) -> Errno {
    remove_ours(cx, at, file.as_fd());
    error
}

/// Makes it of its own kind and gives a descriptor of it.
fn real(fs: &LocalFs, cx: &Cx<'_>, at: &Spot<'_>, what: Make<'_>) -> Result<Subject, Errno> {
    let (dir, name) = (at.fd, at.name);
    let bits = |kind, mode| Mode::from_raw_mode(fs.model().host_mode(kind, mode));
    let kind = match what {
        Make::Directory { mode } => {
            let kind = FileKind::Directory;
            call(cx, || mkdirat(dir, name, bits(kind, mode)))?;
            kind
        }
        Make::Symlink { target } => {
            call(cx, || symlinkat(target, dir, name))?;
            FileKind::Symlink
        }
        Make::Node { kind, mode, device } => {
            let file_type = match kind {
                FileKind::Fifo => FileType::Fifo,
                FileKind::Socket => FileType::Socket,
                FileKind::CharDevice => FileType::CharacterDevice,
                FileKind::BlockDevice => FileType::BlockDevice,
                FileKind::Regular | FileKind::Directory | FileKind::Symlink => {
                    return Err(Errno::EINVAL);
                }
            };
            let Device { major, minor } = numbered(kind, device)?;
            let number = makedev(major, minor);
            call(cx, || {
                mknodat(dir, name, file_type, bits(kind, mode), number)
            })?;
            kind
        }
    };
    let fd = open_path(cx, &fs.tree, dir, name).map_err(errno)?;
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    if is_fresh(kind, &stat) {
        Ok(Subject::Node(Arc::new(fd)))
    } else {
        Err(Errno::ESTALE)
    }
}

/// The number of a device, which has 12 bits of major and 20 of minor; none for anything else.
fn numbered(kind: FileKind, device: Device) -> Result<Device, Errno> {
    match kind {
        FileKind::CharDevice | FileKind::BlockDevice => {
            if device.major < 1 << 12 && device.minor < 1 << 20 {
                Ok(device)
            } else {
                Err(Errno::EINVAL)
            }
        }
        _ => Ok(Device::default()),
    }
}

/// Whether this can be what we have just made: somebody may have put another file under the name
/// in between, and one with more names must not be given to our user.
fn is_fresh(kind: FileKind, stat: &Statx) -> bool {
    FileKind::from_mode(stat.stx_mode.into()) == Some(kind)
        && (stat.stx_nlink == 1 || kind == FileKind::Directory)
}
