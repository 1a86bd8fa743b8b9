//! `mapped-xattr`: owner, mode and device are extended attributes of the host's file, in QEMU's
//! format. Everything but directories is a regular file on the host.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{Statx, StatxFlags, XattrFlags};
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind};

use super::mapped::{
    CAPABILITY_KEPT, Extent, Mapping, Memory, Stamp, Values, is_device, without_setid,
};
use super::{Acls, Change, File, Met, New, Owned, Ownership, XattrRules};
use crate::call::{call, errno};
use crate::inode::look;
use crate::options::Options;
use crate::xattrs::Holder;

pub(crate) const UID: &CStr = c"user.virtfs.uid";
pub(crate) const GID: &CStr = c"user.virtfs.gid";
pub(crate) const MODE: &CStr = c"user.virtfs.mode";
pub(crate) const RDEV: &CStr = c"user.virtfs.rdev";

#[derive(Debug)]
pub(crate) struct MappedXattr {
    mapping: Mapping,
    xattrs: XattrRules,
}

impl MappedXattr {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            mapping: Mapping::new(options),
            xattrs: XattrRules {
                served: options.xattr,
                acls: Acls::Kept,
                owns_mapped: true,
                keeps_privileged: true,
            },
        }
    }

    /// What is stored of a file whose attributes are `stat`; from memory where nothing can have
    /// changed since.
    fn values(&self, cx: &Cx<'_>, file: &File<'_>, stat: &Statx) -> Result<Values, Errno> {
        let inode = &file.node.inode;
        if !can_hold(inode.host_kind) {
            return Ok(Values::default());
        }
        let memory = &inode.memory;
        let stamp = Stamp::of(stat).filter(|_| !inode.host.remote);
        let changes = memory.changes();
        let known = match stamp.and_then(|stamp| memory.seen(stamp)) {
            Some((values, Extent::All)) => return Ok(values),
            Some((values, Extent::Mode)) => Some(values.mode),
            None => None,
        };
        let values = read(cx, &file.holder(), inode.host_kind, known)?;
        memory.saw(inode.host_kind, &values, changes, stamp);
        Ok(values)
    }

    /// Takes away what was found to be there. `memory.changing()` is held.
    fn drop_from(&self, cx: &Cx<'_>, file: &File<'_>) -> Result<(), Errno> {
        let (holder, inode) = (file.holder(), &file.node.inode);
        if inode.memory.may_have_capability() {
            match holder.remove(cx, CAPABILITY_KEPT) {
                Ok(()) | Err(io::Errno::NODATA) => inode.memory.lost_capability(),
                Err(error) => return Err(errno(error)),
            }
        }
        let mode = number(cx, &holder, MODE)?;
        let less = mode.and_then(without_setid);
        if let Some(mode) = less {
            set(cx, &holder, MODE, mode)?;
        }
        let mode = less.or(mode).unwrap_or(inode.kind().mode_bits());
        inode.memory.changed(inode.host_kind, Some(mode));
        Ok(())
    }
}

impl Ownership for MappedXattr {
    fn check(&self, cx: &Cx<'_>, root: &Holder<'_>) -> io::Result<()> {
        match root.get(cx, MODE, &mut [0; 8]) {
            Err(io::Errno::OPNOTSUPP) => Err(io::Errno::OPNOTSUPP),
            _ => Ok(()),
        }
    }

    fn xattrs(&self) -> &XattrRules {
        &self.xattrs
    }

    fn keeps_kinds(&self) -> bool {
        false
    }

    fn host_mode(&self, kind: FileKind, _mode: u32) -> u32 {
        self.mapping.host_mode(kind)
    }

    fn created(&self, cx: &Cx<'_>, new: &New<'_>) -> Result<(), Errno> {
        let holder = &new.file;
        if let Some(uid) = new.uid {
            set(cx, holder, UID, uid)?;
        }
        if let Some(gid) = new.gid {
            set(cx, holder, GID, gid)?;
        }
        if let Some(device) = new.device {
            let value = device.to_wire().to_le_bytes();
            call(cx, || holder.set(cx, RDEV, &value, XattrFlags::empty()))?;
        }
        // Last, so that nothing stands for another kind that is not whole.
        set(cx, holder, MODE, new.kind.mode_bits() | new.mode & 0o7777)
    }

    fn made(&self, kind: FileKind, mode: u32) -> Memory {
        Memory::made(kind, mode)
    }

    fn meet(&self, cx: &Cx<'_>, file: &Met<'_>, host: FileKind) -> Result<Memory, Errno> {
        // A directory is one, whatever is stored: its values are read when they are asked for.
        if host != FileKind::Regular {
            return Ok(Memory::new(host, &Values::default(), false));
        }
        let holder = Holder::Path(&file.tree.proc, file.fd);
        let mode = number(cx, &holder, MODE)?;
        let values = Values {
            mode,
            ..Values::default()
        };
        let memory = Memory::new(host, &values, self.xattrs.keeps_capabilities());
        let stamp = Stamp::of(file.stat).filter(|_| !file.remote);
        Ok(memory.having_seen(stamp, values, Extent::Mode))
    }

    fn stat(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        want: StatxFlags,
    ) -> Result<(Statx, Owned), Errno> {
        let stat = call(cx, || look(file.fd.as_fd(), want))?;
        let values = self.values(cx, file, &stat)?;
        let owned = values.owned(&stat, file.node.inode.host_kind, &self.mapping);
        Ok((stat, owned))
    }

    fn set(&self, cx: &Cx<'_>, file: &File<'_>, to: &Change) -> Result<(), Errno> {
        let (holder, inode) = (file.holder(), &file.node.inode);
        let _changing = inode.memory.changing();
        if let Some(uid) = to.uid {
            set(cx, &holder, UID, uid)?;
        }
        if let Some(gid) = to.gid {
            set(cx, &holder, GID, gid)?;
        }
        inode.memory.changed(inode.host_kind, None);
        if to.of_owner() && inode.memory.has_privileges() {
            self.drop_from(cx, file)?;
        }
        if let Some(mode) = to.mode {
            let mode = inode.kind().mode_bits() | mode & 0o7777;
            set(cx, &holder, MODE, mode)?;
            inode.memory.changed(inode.host_kind, Some(mode));
        }
        Ok(())
    }

    fn drop_privileges(&self, cx: &Cx<'_>, file: &File<'_>) -> Result<(), Errno> {
        let _changing = file.node.inode.memory.changing();
        self.drop_from(cx, file)
    }
}

/// Whether Linux keeps `user.*` attributes on such files.
fn can_hold(host: FileKind) -> bool {
    matches!(host, FileKind::Regular | FileKind::Directory)
}

/// Reads what is stored; the mode may be known. A device's number is asked of devices alone.
fn read(
    cx: &Cx<'_>,
    holder: &Holder<'_>,
    host: FileKind,
    mode: Option<Option<u32>>,
) -> Result<Values, Errno> {
    let mut values = Values {
        mode: match mode {
            Some(known) => known,
            None => number(cx, holder, MODE)?,
        },
        uid: number(cx, holder, UID)?,
        gid: number(cx, holder, GID)?,
        rdev: None,
    };
    if is_device(values.kind(host)) {
        values.rdev = match get(cx, holder, RDEV)? {
            Some((value, 8)) => Some(u64::from_le_bytes(value)),
            // The `dev_t` of macOS, which it packs in its own way.
            Some(([a, b, c, d, ..], 4)) => {
                let number = u32::from_le_bytes([a, b, c, d]);
                let (major, minor) = (number >> 24, number & 0xff_ffff);
                Some(virtfs_vfs::Device { major, minor }.to_wire())
            }
            _ => None,
        };
    }
    Ok(values)
}

/// A value of 4 bytes; a mode may have 2, as macOS and FreeBSD write it. Any other length is
/// none: the host's own value stands.
fn number(cx: &Cx<'_>, holder: &Holder<'_>, name: &CStr) -> Result<Option<u32>, Errno> {
    Ok(match get(cx, holder, name)? {
        Some(([a, b, c, d, ..], 4)) => Some(u32::from_le_bytes([a, b, c, d])),
        Some(([a, b, ..], 2)) if name == MODE => Some(u16::from_le_bytes([a, b]).into()),
        _ => None,
    })
}

fn get(cx: &Cx<'_>, holder: &Holder<'_>, name: &CStr) -> Result<Option<([u8; 8], usize)>, Errno> {
    let mut value = [0; 8];
    match holder.get(cx, name, &mut value) {
        Ok(length) => Ok(Some((value, length))),
        // Not there; longer than any that means something; a file system without attributes; a
        // host's file that the server may not read.
        Err(io::Errno::NODATA | io::Errno::RANGE | io::Errno::OPNOTSUPP | io::Errno::ACCESS) => {
            Ok(None)
        }
        Err(error) => Err(errno(error)),
    }
}

fn set(cx: &Cx<'_>, holder: &Holder<'_>, name: &CStr, value: u32) -> Result<(), Errno> {
    let flags = XattrFlags::empty();
    call(cx, || holder.set(cx, name, &value.to_le_bytes(), flags))
}
