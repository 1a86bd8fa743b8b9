//! One file of any kind.

use std::collections::BTreeMap;

use super::budget::{INODE, xattr_cost};
use super::content::{Bytes, PAGE};
use super::directory::Directory;
use super::locks::LockTable;
use super::tree::Ino;
use crate::{Attr, Device, Errno, FileKind, Qid, StatWant, Time};

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) what: What,
    /// Permission bits alone.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// 0 once it is removed: it lives on while it has users.
    pub(super) nlink: u64,
    /// Nodes, open files, locks, and removed entries that lay in it.
    pub(super) users: u64,
    pub(super) version: u32,
    pub(super) generation: u64,
    pub(super) atime: Time,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
    pub(super) btime: Time,
    pub(super) xattrs: BTreeMap<Box<[u8]>, Box<[u8]>>,
    pub(super) locks: LockTable,
}

#[derive(Debug)]
pub(super) enum What {
    Regular(Bytes),
    Directory(Directory),
    Symlink(Box<[u8]>),
    /// A FIFO, a socket or a device.
    Special(FileKind, Device),
}

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

impl Inode {
    pub(super) fn kind(&self) -> FileKind {
        match self.what {
            What::Regular(_) => FileKind::Regular,
            What::Directory(_) => FileKind::Directory,
            What::Symlink(_) => FileKind::Symlink,
            What::Special(kind, _) => kind,
        }
    }

    pub(super) fn qid(&self, ino: Ino) -> Qid {
        Qid {
            kind: Some(self.kind()),
            version: self.version,
            path: ino,
        }
    }

    pub(super) fn attr(&self, ino: Ino, want: StatWant) -> Attr {
        let (size, blocks, rdev) = match &self.what {
            What::Regular(bytes) => (bytes.size(), bytes.pages() * (PAGE as u64 / 512), None),
            What::Directory(_) => (PAGE as u64, 0, None),
            What::Symlink(target) => (target.len() as u64, 0, None),
            What::Special(_, device) => (0, 0, Some(*device)),
        };
        Attr {
            qid: self.qid(ino),
            mode: self.kind().mode_bits() | self.mode,
            uid: self.uid,
            gid: self.gid,
            nlink: self.nlink,
            rdev: rdev.unwrap_or_default(),
            size,
            blksize: PAGE as u32,
            blocks,
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            btime: want.contains(StatWant::BTIME).then_some(self.btime),
            generation: want
                .contains(StatWant::GENERATION)
                .then_some(self.generation),
        }
    }

    pub(super) fn dir(&self) -> Result<&Directory, Errno> {
        match &self.what {
            What::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn dir_mut(&mut self) -> Result<&mut Directory, Errno> {
        match &mut self.what {
            What::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        matches!(self.what, What::Directory(_))
    }

    /// As Linux does when content or owner of a file change: the bits that lend an identity go.
    /// Setgid without group execution means something else and stays.
    pub(super) fn drop_setid(&mut self) {
        if self.is_dir() {
            return;
        }
        self.mode &= !SETUID;
        if self.mode & GROUP_EXECUTE != 0 {
            self.mode &= !SETGID;
        }
    }

    /// What goes back to the budget when it ends.
    pub(super) fn cost(&self) -> u64 {
        let content = match &self.what {
            What::Regular(bytes) => bytes.pages() * PAGE as u64,
            What::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        let xattrs = self.xattrs.iter();
        INODE + content + xattrs.map(|(n, v)| xattr_cost(n, v)).sum::<u64>()
    }
}
