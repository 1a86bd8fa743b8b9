//! `mapped-file`: owner, mode and device are in a text file beside the host's file, in QEMU's
//! format: those of `D/name` in `D/.virtfs_metadata/name`. Everything but directories is a regular
//! file on the host.

mod entries;
mod file;
pub(crate) mod format;
mod place;
mod rename;
pub(crate) mod reserved;
mod successor;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::fs::{Statx, StatxFlags};
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind};

use self::file::{Changed, Text};
use self::place::Place;
use self::successor::settle;
use super::mapped::{Extent, Kept, Mapping, Memory, Stamp, Values, without_setid};
use super::{Acls, Change, File, Met, New, Owned, Ownership, Spot, XattrRules, chown};
use crate::call::{call, errno};
use crate::inode::LOOK;
use crate::options::Options;
use crate::sync::lock;
use crate::tree::{LocalNode, Tree};

/// How often a metadata file may vanish while it is being opened.
const TRIES: usize = 16;

#[derive(Debug)]
pub(crate) struct MappedFile {
    mapping: Mapping,
    xattrs: XattrRules,
    /// A file and its metadata are two files: whoever moves both holds this, and whoever needs to
    /// see both shares it. Not on file systems where a call may never come back.
    moving: RwLock<()>,
    readonly: bool,
}

impl MappedFile {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            mapping: Mapping::new(options),
            xattrs: XattrRules {
                served: options.xattr,
                acls: Acls::Host,
                owns_mapped: false,
                keeps_privileged: true,
            },
            moving: RwLock::default(),
            readonly: options.readonly,
        }
    }

    fn hold(&self, node: &LocalNode) -> Option<RwLockWriteGuard<'_, ()>> {
        let hold = || self.moving.write().unwrap_or_else(PoisonError::into_inner);
        (!node.inode.host.remote).then(hold)
    }

    fn share(&self, node: &LocalNode) -> Option<RwLockReadGuard<'_, ()>> {
        let share = || self.moving.read().unwrap_or_else(PoisonError::into_inner);
        (!node.inode.host.remote).then(share)
    }

    /// Where a file's metadata is, with its attributes, for as long as the guard is held.
    fn locate<G>(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        want: StatxFlags,
        guard: impl Fn() -> G,
    ) -> Result<(G, Place, Statx), Errno> {
        let held = guard();
        let (place, stat) = Place::of(cx, file, want)?;
        if !matches!(place, Place::Lost) || file.node.entry().is_none() {
            return Ok((held, place, stat));
        }
        // A rename of ours may be about to tell where it is. It holds this before the other.
        drop(held);
        drop(lock(&file.node.tree().renaming));
        let held = guard();
        let (place, stat) = Place::of(cx, file, want)?;
        Ok((held, place, stat))
    }

    /// What is stored of a file.
    fn values(&self, cx: &Cx<'_>, file: &File<'_>, place: &Place) -> Result<Values, Errno> {
        let inode = &file.node.inode;
        let (memory, tree) = (&inode.memory, file.node.tree());
        let changes = memory.changes();
        let Some((dir, path)) = place.path() else {
            let kept = memory.kept();
            return match kept {
                Some(Kept { file: Some(it), .. }) => {
                    let _changing = memory.changing();
                    let text = file::text(cx, it.as_fd(), inode.ino)?;
                    Ok(text.values())
                }
                Some(Kept { values, .. }) => Ok(values),
                None => Ok(Values::default()),
            };
        };
        let Some((found, meta)) = file::find(cx, tree, dir, &path)? else {
            memory.saw(inode.host_kind, &Values::default(), changes, None);
            return Ok(Values::default());
        };
        let stamp = Stamp::of(&meta).filter(|_| !inode.host.remote);
        if let Some((values, _)) = stamp.and_then(|stamp| memory.seen(stamp)) {
            return Ok(values);
        }
        let values = {
            let _changing = memory.changing();
            file::read(cx, tree, found.as_fd(), inode.ino)?.values()
        };
        memory.saw(inode.host_kind, &values, changes, stamp);
        Ok(values)
    }

    /// Changes what is stored of a file.
    fn change(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        change: impl Fn(&mut Values),
    ) -> Result<(), Errno> {
        let inode = &file.node.inode;
        let memory = &inode.memory;
        {
            let share = || self.share(file.node);
            let (_share, place, stat) = self.locate(cx, file, LOOK, share)?;
            let _changing = memory.changing();
            let values = match place {
                Place::Lost => Self::change_kept(cx, file, &stat, &change)?,
                _ => Self::change_at(cx, file, &place, &change)?,
            };
            memory.changed(inode.host_kind, values.mode);
        }
        // So that clients see that something has changed.
        call(cx, || chown(file.fd.as_fd(), None, None))
    }

    fn change_at(
        cx: &Cx<'_>,
        file: &File<'_>,
        place: &Place,
        change: &impl Fn(&mut Values),
    ) -> Result<Values, Errno> {
        let tree = file.node.tree();
        for _ in 0..TRIES {
            let (dir, path) = place.path().ok_or(Errno::ESTALE)?;
            let metadata = match file::find(cx, tree, dir, &path)? {
                Some((found, _)) => file::open(cx, tree, found.as_fd())?,
                None => {
                    let Some((folder, name)) = place.folder(cx, tree)? else {
                        return Err(Errno::ESTALE);
                    };
                    match file::make(cx, tree, folder.as_fd(), name) {
                        Err(io::Errno::EXIST) => continue,
                        result => result.map_err(errno)?,
                    }
                }
            };
            let inode = file.node.inode.ino;
            match file::change(cx, metadata.as_fd(), inode, false, change)? {
                Changed::To(values) => return Ok(values),
                Changed::Unlinked => {}
                Changed::Successor => {
                    let Some((folder, name)) = place.folder(cx, tree)? else {
                        return Err(Errno::ESTALE);
                    };
                    settle(cx, tree, folder.as_fd(), name, inode)?;
                }
            }
        }
        // Something is there, and it is no file to write values in.
        Err(Errno::EIO)
    }

    /// Of a file that lost its name.
    fn change_kept(
        cx: &Cx<'_>,
        file: &File<'_>,
        stat: &Statx,
        change: &impl Fn(&mut Values),
    ) -> Result<Values, Errno> {
        let memory = &file.node.inode.memory;
        memory.change_kept(|kept| match kept {
            Some(Kept { file: Some(it), .. }) => {
                // A description of its own, with which the lock goes.
                let open = file::open(cx, file.node.tree(), it.as_fd())?;
                match file::change(cx, open.as_fd(), file.node.inode.ino, true, change)? {
                    Changed::To(values) => Ok(values),
                    Changed::Unlinked | Changed::Successor => Err(Errno::ESTALE),
                }
            }
            Some(Kept { values, .. }) => {
                change(values);
                Ok(*values)
            }
            None if stat.stx_nlink == 0 => {
                let mut values = Values::default();
                change(&mut values);
                *kept = Some(Kept { values, file: None });
                Ok(values)
            }
            // The host has moved it, and its metadata is wherever that may be.
            None => Err(Errno::ESTALE),
        })
    }

    /// Brings a rename to its end of which a file has just been seen, before the file gets more
    /// names. If that is not possible now, it is when its metadata are changed.
    fn settle_at(&self, cx: &Cx<'_>, tree: &Tree, dir: BorrowedFd<'_>, name: &[u8], inode: u64) {
        if !self.readonly
            && let Ok(Some(folder)) = place::folder(cx, tree, dir)
        {
            let _ = settle(cx, tree, folder.as_fd(), name, inode);
        }
    }

    fn drop_capability(&self, cx: &Cx<'_>, file: &File<'_>) -> Result<(), Errno> {
        let memory = &file.node.inode.memory;
        if !memory.may_have_capability() {
            return Ok(());
        }
        match file.holder().remove(cx, super::mapped::CAPABILITY_KEPT) {
            Ok(()) | Err(io::Errno::NODATA | io::Errno::OPNOTSUPP) => {
                memory.lost_capability();
                Ok(())
            }
            Err(error) => Err(errno(error)),
        }
    }
}

impl Ownership for MappedFile {
    fn xattrs(&self) -> &XattrRules {
        &self.xattrs
    }

    fn is_reserved(&self, name: &[u8]) -> bool {
        reserved::is_reserved(name)
    }

    fn keeps_kinds(&self) -> bool {
        false
    }

    fn host_mode(&self, kind: FileKind, _mode: u32) -> u32 {
        self.mapping.host_mode(kind)
    }

    fn created(&self, cx: &Cx<'_>, new: &New<'_>) -> Result<(), Errno> {
        let _hold = self.hold(new.at.dir);
        let values = Values {
            uid: new.uid,
            gid: new.gid,
            mode: Some(new.kind.mode_bits() | new.mode & 0o7777),
            rdev: new.device.map(|device| device.to_wire()),
        };
        entries::store(cx, &new.at, new.file.as_fd(), &values)
    }

    fn abandoned(&self, cx: &Cx<'_>, at: &Spot<'_>) {
        let _hold = self.hold(at.dir);
        entries::forget(cx, at);
    }

    fn made(&self, kind: FileKind, mode: u32) -> Memory {
        Memory::made(kind, mode)
    }

    fn meet(&self, cx: &Cx<'_>, met: &Met<'_>, host: FileKind) -> Result<Memory, Errno> {
        // A directory is one, whatever is stored: its values are read when they are asked for.
        let (FileKind::Regular, Some((dir, name))) = (host, met.at) else {
            return Ok(Memory::new(host, &Values::default(), false));
        };
        let _share = self.share(dir);
        let dir_fd = dir.fd(cx)?;
        let found = file::find(cx, met.tree, dir_fd.as_fd(), &place::path(name))?;
        let (values, stamp) = match found {
            Some((found, stat)) => {
                let inode = met.stat.stx_ino;
                match file::read(cx, met.tree, found.as_fd(), inode)? {
                    Text::Own(values) => (values, Stamp::of(&stat).filter(|_| !met.remote)),
                    Text::Successor(values) => {
                        self.settle_at(cx, met.tree, dir_fd.as_fd(), name, inode);
                        (values, None)
                    }
                }
            }
            None => (Values::default(), None),
        };
        let memory = Memory::new(host, &values, self.xattrs.keeps_capabilities());
        Ok(memory.having_seen(stamp, values, Extent::All))
    }

    fn stat(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        want: StatxFlags,
    ) -> Result<(Statx, Owned), Errno> {
        let (_share, place, stat) = self.locate(cx, file, want, || self.share(file.node))?;
        let values = self.values(cx, file, &place)?;
        let owned = values.owned(&stat, file.node.inode.host_kind, &self.mapping);
        Ok((stat, owned))
    }

    fn set(&self, cx: &Cx<'_>, file: &File<'_>, to: &Change) -> Result<(), Errno> {
        let inode = &file.node.inode;
        let directory = inode.host_kind == FileKind::Directory;
        if to.of_owner() {
            self.drop_capability(cx, file)?;
        }
        self.change(cx, file, |values| {
            values.uid = to.uid.or(values.uid);
            values.gid = to.gid.or(values.gid);
            if let Some(mode) = to.mode {
                let kind = values.kind(inode.host_kind);
                values.mode = Some(kind.mode_bits() | mode & 0o7777);
            } else if !directory {
                values.mode = values.mode.map(|mode| without_setid(mode).unwrap_or(mode));
            }
        })
    }

    fn drop_privileges(&self, cx: &Cx<'_>, file: &File<'_>) -> Result<(), Errno> {
        self.drop_capability(cx, file)?;
        if !file.node.inode.memory.has_privileges() {
            return Ok(());
        }
        self.change(cx, file, |values| {
            values.mode = values.mode.map(|mode| without_setid(mode).unwrap_or(mode));
        })
    }

    fn link(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        to: &Spot<'_>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let (_hold, place, _) = self.locate(cx, file, LOOK, || self.hold(to.dir))?;
        entries::link(cx, file, &place, to, host)
    }

    fn rename(
        &self,
        cx: &Cx<'_>,
        from: &Spot<'_>,
        to: &Spot<'_>,
        replaced: Option<&LocalNode>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let _hold = self.hold(from.dir);
        rename::rename(cx, from, to, replaced, host)
    }

    fn remove(
        &self,
        cx: &Cx<'_>,
        what: &Spot<'_>,
        node: Option<&LocalNode>,
        host: &mut dyn FnMut() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let _hold = self.hold(what.dir);
        entries::remove(cx, what, node, host)
    }
}
