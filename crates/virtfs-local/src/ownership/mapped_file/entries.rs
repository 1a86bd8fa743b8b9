//! Metadata that follows entries: made, linked and removed with the files they belong to (`rename`
//! has the moves).
//!
//! Two files cannot be changed in one step. Whatever is done first is such that a failure, or the
//! end of the server, leaves every file with its own values: metadata without a file does no harm,
//! for whoever makes a file writes its metadata anew.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, OFlags, linkat, unlinkat};
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind};

use super::file::{self, Text};
use super::place::{Folder, Place, folder, make_folder, path};
use super::reserved::FOLDER;
use crate::call::{call, errno, raw};
use crate::inode::{InodeId, LOOK, look, look_at};
use crate::ownership::mapped::{Kept, Values};
use crate::ownership::{File, Spot};
use crate::proc::ProcFd;
use crate::restore::open_path;
use crate::tree::{LocalNode, Tree};

/// The host's part of a request.
pub(super) type Host<'a> = &'a mut dyn FnMut() -> Result<(), Errno>;

/// Stores the values of a file that was just made, whose descriptor is `fd`.
pub(super) fn store(
    cx: &Cx<'_>,
    at: &Spot<'_>,
    fd: BorrowedFd<'_>,
    values: &Values,
) -> Result<(), Errno> {
    let tree = at.dir.tree();
    let folder = make_folder(cx, tree, at.fd)?;
    let ours = || {
        let stat = call(cx, || look(fd, LOOK))?;
        Ok(call(cx, || look_at(at.fd, at.name))
            .is_ok_and(|s| InodeId::of(&s) == InodeId::of(&stat)))
    };
    let stored = file::make_fresh(cx, tree, folder.as_fd(), at.name, values, ours);
    stored.inspect_err(|_| folder.undo(at.fd))
}

/// Removes the metadata of what was removed.
pub(super) fn forget(cx: &Cx<'_>, at: &Spot<'_>) {
    // The file is gone: what cannot be removed is in nobody's way.
    if let Ok(Some(folder)) = folder(cx, at.dir.tree(), at.fd)
        && raw(cx, || look_at(at.fd, at.name)).is_err_and(|e| e == io::Errno::NOENT)
    {
        let _ = raw(cx, || unlinkat(&folder, at.name, AtFlags::empty()));
    }
}

/// `Tlink`: the metadata first, so that the new name never is without.
pub(super) fn link(
    cx: &Cx<'_>,
    file: &File<'_>,
    place: &Place,
    to: &Spot<'_>,
    host: Host<'_>,
) -> Result<(), Errno> {
    let tree = to.dir.tree();
    let kept = match place {
        Place::Lost => file.node.inode.memory.kept(),
        _ => None,
    };
    if let (Place::Lost, None | Some(Kept { file: None, .. })) = (place, &kept) {
        host()?;
        return match kept {
            Some(Kept { values, .. }) => store(cx, to, file.fd.as_fd(), &values),
            None => Ok(()),
        };
    }
    if raw(cx, || look_at(to.fd, to.name)).is_ok() {
        return host(); // It says why not, and nothing was made for it.
    }
    let target = make_folder(cx, tree, to.fd)?;
    let linked = link_with_metadata(cx, place, kept, to, &target, host);
    linked.inspect_err(|_| target.undo(to.fd))
}

fn link_with_metadata(
    cx: &Cx<'_>,
    place: &Place,
    kept: Option<Kept>,
    to: &Spot<'_>,
    target: &Folder,
    host: Host<'_>,
) -> Result<(), Errno> {
    let tree = to.dir.tree();
    let source = match place.folder(cx, tree)? {
        Some((folder, name)) => {
            // Both names share what is stored from now on, so there must be a file to share.
            let made = match file::make(cx, tree, folder.as_fd(), name) {
                Ok(made) => Some(made),
                Err(io::Errno::EXIST) => None,
                Err(error) => return Err(errno(error)),
            };
            Some((folder, name, made))
        }
        None => None,
    };
    let link_metadata = || match (&source, &kept) {
        (Some((folder, name, _)), _) => call(cx, || {
            linkat(folder, *name, target, to.name, AtFlags::empty())
        }),
        (None, Some(Kept { file: Some(it), .. })) => call(cx, || {
            let (proc, follow) = (&*tree.proc, AtFlags::SYMLINK_FOLLOW);
            let from = ProcFd::name(it.as_fd());
            linkat(proc, from.as_c_str(), target, to.name, follow)
        }),
        (None, _) => Ok(()),
    };
    let linked = match link_metadata() {
        // That of a file that is there, or of one that is gone.
        Err(Errno::EEXIST) => match raw(cx, || look_at(to.fd, to.name)) {
            Err(io::Errno::NOENT) => call(cx, || unlinkat(target, to.name, AtFlags::empty()))
                .and_then(|()| link_metadata()),
            Err(error) => Err(errno(error)),
            Ok(_) => Err(Errno::EEXIST),
        },
        result => result,
    };
    let linked = linked.and_then(|()| {
        host().inspect_err(|_| {
            let _ = unlinkat(target, to.name, AtFlags::empty());
        })
    });
    if let (Err(_), Some((folder, name, Some(made)))) = (&linked, &source) {
        // Unless somebody has stored something by now.
        if file::hold(cx, made.as_fd()).is_ok_and(|stat| stat.stx_size == 0) {
            let _ = unlinkat(folder, *name, AtFlags::empty());
        }
        if let Some((dir, _)) = place.path() {
            folder.undo(dir);
        }
    }
    linked
}

/// `Tunlinkat`, `Tremove`: the file first, so that a failure costs it nothing.
pub(super) fn remove(
    cx: &Cx<'_>,
    what: &Spot<'_>,
    node: Option<&LocalNode>,
    host: Host<'_>,
) -> Result<(), Errno> {
    let keeping = Keeping::of(cx, what, node)?;
    emptying(cx, what, host)?;
    keeping.done();
    if let Ok(Some(folder)) = folder(cx, what.dir.tree(), what.fd) {
        let _ = raw(cx, || unlinkat(&folder, what.name, AtFlags::empty()));
    }
    Ok(())
}

/// The values of a file that is about to lose a name, kept for those who hold it.
pub(super) struct Keeping<'a>(Option<&'a LocalNode>);

impl<'a> Keeping<'a> {
    pub(super) fn of(
        cx: &Cx<'_>,
        at: &Spot<'_>,
        node: Option<&'a LocalNode>,
    ) -> Result<Self, Errno> {
        let tree = at.dir.tree();
        let Some(node) = node else {
            return Ok(Self(None));
        };
        // What is known may be another file, which the host has moved away from here.
        if !raw(cx, || look_at(at.fd, at.name)).is_ok_and(|stat| node.inode.is_at(&stat)) {
            return Ok(Self(None));
        }
        let kept = match file::find(cx, tree, at.fd, &path(at.name))? {
            None => None,
            Some((found, stat)) => {
                let file = match stat.stx_nlink {
                    ..=1 => None,
                    _ => Some(Arc::new(file::open(cx, tree, found.as_fd())?)),
                };
                match file::read(cx, tree, found.as_fd(), node.inode.ino)? {
                    Text::Own(values) => Some(Kept { values, file }),
                    // What others share is not this one's.
                    Text::Successor(values) => Some(Kept { values, file: None }),
                }
            }
        };
        node.inode.memory.keep(kept);
        Ok(Self(Some(node)))
    }

    /// Of a file that had no values.
    pub(super) fn nothing(node: Option<&'a LocalNode>) -> Self {
        if let Some(node) = node {
            node.inode.memory.keep(None);
        }
        Self(node)
    }

    /// The name is gone.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        if let Some(node) = self.0 {
            node.inode.memory.keep(None);
        }
    }
}

/// Does what needs a directory to be empty: once more without its metadata, if that is all there
/// is in it.
pub(super) fn emptying(cx: &Cx<'_>, at: &Spot<'_>, host: Host<'_>) -> Result<(), Errno> {
    match host() {
        Err(Errno::ENOTEMPTY | Errno::EEXIST) if empty(cx, at)? => host(),
        result => result,
    }
}

/// Removes the folder of a directory that has nothing else in it; whether it did.
fn empty(cx: &Cx<'_>, at: &Spot<'_>) -> Result<bool, Errno> {
    let tree = at.dir.tree();
    let victim = match open_path(cx, tree, at.fd, at.name) {
        Ok(fd) => fd,
        Err(error) => return Err(errno(error)),
    };
    let stat = call(cx, || look(victim.as_fd(), LOOK))?;
    if FileKind::from_mode(stat.stx_mode.into()) != Some(FileKind::Directory) {
        return Ok(false);
    }
    // Mostly the metadata went with the files. A folder that is empty says nothing of any file
    // that may be there.
    match raw(cx, || unlinkat(&victim, FOLDER, AtFlags::REMOVEDIR)) {
        Ok(()) => return Ok(true),
        Err(io::Errno::NOTEMPTY | io::Errno::EXIST) => {}
        Err(_) => return Ok(false),
    }
    let mut others = names(cx, tree, victim.as_fd())?;
    if others.any(|name| name.is_none_or(|name| name != FOLDER)) {
        return Ok(false);
    }
    // Left by files that are gone.
    let Some(folder) = folder(cx, tree, victim.as_fd())? else {
        return Ok(false);
    };
    for name in names(cx, tree, folder.as_fd())? {
        let Some(name) = name else { return Ok(false) };
        if raw(cx, || unlinkat(&folder, &*name, AtFlags::empty())).is_err() {
            return Ok(false);
        }
    }
    Ok(raw(cx, || unlinkat(&victim, FOLDER, AtFlags::REMOVEDIR)).is_ok())
}

/// The names in a directory but `.` and `..`; `None` for what cannot be read.
fn names(
    cx: &Cx<'_>,
    tree: &Tree,
    dir: BorrowedFd<'_>,
) -> Result<impl Iterator<Item = Option<Vec<u8>>>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let open = || tree.proc.reopen(dir, flags);
    let open = raw(cx, || tree.with_room(open)).map_err(errno)?;
    let dir = Dir::new(open).map_err(errno)?;
    let name = |entry: io::Result<rustix::fs::DirEntry>| {
        entry.ok().map(|e| e.file_name().to_bytes().to_vec())
    };
    let dots = |name: &Option<Vec<u8>>| !matches!(name.as_deref(), Some(b"." | b".."));
    Ok(dir.map(name).filter(dots))
}
