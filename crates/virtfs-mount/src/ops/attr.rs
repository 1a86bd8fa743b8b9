//! Attributes of files and of file systems.

use rustix::fs::FileType;
use rustix::io::Errno;
use virtfs_client::{Attributes, GetattrMask, SetAttributes, SetTime as ClientTime, Timespec};

use crate::fail::{Fail, Result};
use crate::fuse::{Attr, SetTime, SetattrIn, Statfs, Time};
use crate::handler::Tree;
use crate::tree::Node;

/// `STATX_BTIME`.
const STATX_BTIME: u32 = 0x800;

const PATH_MAX: usize = 4096;

impl Tree {
    pub(crate) fn getattr(&self, id: u64, fh: Option<u64>) -> Result<Attr> {
        Ok(kernel_attr(&self.attributes(id, fh, GetattrMask::BASIC)?))
    }

    pub(crate) fn statx(
        &self,
        id: u64,
        fh: Option<u64>,
        mask: u32,
    ) -> Result<(Attr, Option<Time>)> {
        let mut wanted = GetattrMask::BASIC;
        wanted.set(GetattrMask::BTIME, mask & STATX_BTIME != 0);
        let attributes = self.attributes(id, fh, wanted)?;
        let btime = attributes.valid.contains(GetattrMask::BTIME);
        Ok((
            kernel_attr(&attributes),
            btime.then(|| time(attributes.btime)),
        ))
    }

    /// What the server says of a node, through the open file if there is one.
    fn attributes(&self, id: u64, fh: Option<u64>, mask: GetattrMask) -> Result<Attributes> {
        let (node, attributes) = match fh.and_then(|fh| self.handles.file(fh)) {
            Some(open) => (open.node.clone(), open.file.getattr(mask)?),
            None => {
                let node = self.node(id)?;
                let attributes = match node.fid().getattr(mask).map_err(Fail::from) {
                    Err(fail) if fail.is_gone() => self.attributes_if_open(&node, mask, fail)?,
                    result => result?,
                };
                (node, attributes)
            }
        };
        sound(&attributes)?;
        node.saw(&attributes);
        Ok(attributes)
    }

    /// For servers that lose a file with its name: an open fid of it may still do.
    fn attributes_if_open(&self, node: &Node, mask: GetattrMask, fail: Fail) -> Result<Attributes> {
        self.nodes.disown(node);
        match self.handles.of_node(node.id) {
            Some(open) => Ok(open.file.getattr(mask)?),
            // A node has no name that could be missing.
            None if fail == Fail(Errno::NOENT) => Err(Errno::STALE.into()),
            None => Err(fail),
        }
    }

    pub(crate) fn setattr(&self, id: u64, set: &SetattrIn) -> Result<Attr> {
        let changes = SetAttributes {
            mode: set.mode.map(|mode| mode & 0o7777),
            uid: set.uid,
            gid: set.gid,
            size: set.size,
            atime: set.atime.map(client_time),
            mtime: set.mtime.map(client_time),
            ctime: set.ctime.is_some(),
        };
        let nothing = changes == SetAttributes::default();
        let open = set.fh.and_then(|fh| self.handles.file(fh));
        match open {
            _ if nothing => {}
            Some(open) => open.file.setattr(&changes)?,
            None => {
                let node = self.node(id)?;
                match node.fid().setattr(&changes).map_err(Fail::from) {
                    Err(fail) if fail.is_gone() => match self.handles.of_node(id) {
                        Some(open) => open.file.setattr(&changes)?,
                        None => return Err(fail),
                    },
                    result => result?,
                }
            }
        }
        self.getattr(id, set.fh)
    }

    pub(crate) fn statfs(&self, id: u64) -> Result<Statfs> {
        let found = self.node(id)?.fid().statfs()?;
        Ok(Statfs {
            blocks: found.blocks,
            bfree: found.bfree,
            bavail: found.bavail,
            files: found.files,
            ffree: found.ffree,
            bsize: found.bsize,
            namelen: found.namelen,
            frsize: found.bsize,
        })
    }

    pub(crate) fn readlink(&self, id: u64) -> Result<Vec<u8>> {
        let target = self.node(id)?.fid().readlink()?;
        // More than the kernel takes.
        if target.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(target)
    }
}

/// Whether the kernel will take these attributes. It refuses others together with the look-up or
/// the open file that they came with, which it never gives back then.
pub(crate) fn sound(attributes: &Attributes) -> Result<()> {
    let unknown = FileType::from_raw_mode(attributes.mode) == FileType::Unknown;
    if unknown || i64::try_from(attributes.size).is_err() {
        return Err(Errno::IO.into());
    }
    Ok(())
}

/// The same, of a file that must be of the type in `mode` (a regular one if there is none).
pub(crate) fn sound_as(attributes: &Attributes, mode: u32) -> Result<()> {
    let kind = |mode| match FileType::from_raw_mode(mode) {
        FileType::Unknown => FileType::RegularFile,
        kind => kind,
    };
    sound(attributes)?;
    if kind(attributes.mode) != kind(mode) {
        return Err(Errno::IO.into());
    }
    Ok(())
}

/// A file's attributes as the kernel takes them.
pub(crate) fn kernel_attr(from: &Attributes) -> Attr {
    Attr {
        ino: ino(from.qid.path),
        size: from.size,
        blocks: from.blocks,
        atime: time(from.atime),
        mtime: time(from.mtime),
        ctime: time(from.ctime),
        mode: from.mode,
        nlink: u32::try_from(from.nlink).unwrap_or(u32::MAX),
        uid: from.uid,
        gid: from.gid,
        // The C library's encoding, whose lower half is the kernel's.
        rdev: from.rdev as u32,
        // Programs allocate this much.
        blksize: from.blksize.clamp(512, 1 << 22) as u32,
    }
}

/// A file's number in stat(2) and readdir(3), where 0 stands for no file.
pub(crate) fn ino(path: u64) -> u64 {
    path.max(1)
}

fn time(from: Timespec) -> Time {
    Time {
        sec: from.sec.cast_signed(),
        nsec: u32::try_from(from.nsec).unwrap_or(0).min(999_999_999),
    }
}

fn client_time(time: SetTime) -> ClientTime {
    match time {
        SetTime::Now => ClientTime::Now,
        SetTime::At(time) => ClientTime::At(Timespec {
            sec: time.sec.cast_unsigned(),
            nsec: time.nsec.into(),
        }),
    }
}
