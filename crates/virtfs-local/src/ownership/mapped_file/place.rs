//! Where the metadata of a file is: in the folder beside it, under its name.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags, mkdirat, openat, unlinkat};
use rustix::io;
use virtfs_vfs::{Cx, Errno};

use super::reserved::{FOLDER, ROOT};
use crate::call::{call, errno, raw};
use crate::entryname::EntryName;
use crate::inode::{look, look_at_for};
use crate::ownership::File;
use crate::tree::Tree;

/// The place of a file's metadata, whether or not it is there.
pub(super) enum Place {
    /// That of the root.
    Root(Arc<OwnedFd>),
    /// That of an entry: the descriptor of its directory, and its name.
    Entry(Arc<OwnedFd>, EntryName),
    /// None: the file has lost the name by which it was reached.
    Lost,
}

impl Place {
    /// Of a node, with its attributes. The entry is believed only if it still stands for the
    /// node's file.
    pub(super) fn of(
        cx: &Cx<'_>,
        file: &File<'_>,
        want: StatxFlags,
    ) -> Result<(Self, Statx), Errno> {
        let node = file.node;
        let own = || call(cx, || look(file.fd.as_fd(), want));
        if node.is_root() {
            return Ok((Self::Root(node.fd(cx)?), own()?));
        }
        if let Some(entry) = node.entry() {
            let dir = entry.parent.fd(cx)?;
            match raw(cx, || look_at_for(dir.as_fd(), &*entry.name, want)) {
                Ok(stat) if node.inode.is_at(&stat) => {
                    return Ok((Self::Entry(dir, entry.name), stat));
                }
                Ok(_) | Err(io::Errno::NOENT | io::Errno::NOTDIR | io::Errno::STALE) => {}
                Err(error) => return Err(errno(error)),
            }
        }
        Ok((Self::Lost, own()?))
    }

    /// The directory, and the way to the metadata from there.
    pub(super) fn path(&self) -> Option<(BorrowedFd<'_>, Vec<u8>)> {
        match self {
            Self::Root(dir) => Some((dir.as_fd(), ROOT.to_vec())),
            Self::Entry(dir, name) => Some((dir.as_fd(), path(name))),
            Self::Lost => None,
        }
    }

    /// The folder to make the metadata in, made if need be, and the name there.
    pub(super) fn folder(
        &self,
        cx: &Cx<'_>,
        tree: &Tree,
    ) -> Result<Option<(Folder, &[u8])>, Errno> {
        Ok(match self {
            Self::Root(dir) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let open = || openat(dir, c".", flags, Mode::empty());
                let fd = raw(cx, || tree.with_room(open)).map_err(errno)?;
                Some((Folder { fd, fresh: false }, ROOT))
            }
            Self::Entry(dir, name) => Some((make_folder(cx, tree, dir.as_fd())?, &**name)),
            Self::Lost => None,
        })
    }
}

/// The way to an entry's metadata from its directory.
pub(super) fn path(name: &[u8]) -> Vec<u8> {
    [FOLDER, b"/", name].concat()
}

/// The folder of a directory, if it has one.
pub(super) fn folder(
    cx: &Cx<'_>,
    tree: &Tree,
    dir: BorrowedFd<'_>,
) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || openat(dir, FOLDER, flags, Mode::empty());
    match raw(cx, || tree.with_room(open)) {
        Ok(folder) => Ok(Some(folder)),
        Err(io::Errno::NOENT | io::Errno::NOTDIR | io::Errno::LOOP) => Ok(None),
        Err(error) => Err(errno(error)),
    }
}

/// The folder of a directory.
pub(super) struct Folder {
    fd: OwnedFd,
    /// Whether we have just made it.
    fresh: bool,
}

impl Folder {
    /// Removes it again, if it was made for what has failed. `dir` is the directory.
    pub(super) fn undo(&self, dir: BorrowedFd<'_>) {
        if self.fresh {
            let _ = unlinkat(dir, FOLDER, AtFlags::REMOVEDIR);
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The folder of a directory, made if need be. `EIO` if something else is in its place.
pub(super) fn make_folder(cx: &Cx<'_>, tree: &Tree, dir: BorrowedFd<'_>) -> Result<Folder, Errno> {
    let fresh = match folder(cx, tree, dir)? {
        Some(fd) => return Ok(Folder { fd, fresh: false }),
        None => match call(cx, || mkdirat(dir, FOLDER, Mode::from_raw_mode(0o700))) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(error) => return Err(error),
        },
    };
    let fd = folder(cx, tree, dir)?.ok_or(Errno::EIO)?;
    Ok(Folder { fd, fresh })
}
