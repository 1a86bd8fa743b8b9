//! A rename over a file takes two steps: the file, then its metadata. In between, the metadata of
//! the file that was replaced say what those of its successor are, so that a server which is
//! killed there leaves each file with its own values. (To QEMU the successor then has the values
//! of its predecessor: it knows one metadata file for a name, whatever file that stands for.)

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, OFlags, ftruncate, renameat, unlinkat};
use rustix::io::pwrite;
use virtfs_vfs::{Cx, Errno};

use super::reserved::ROOT;
use super::{file, format};
use crate::call::{call, errno, raw};
use crate::ownership::mapped::Values;
use crate::tree::Tree;

/// What was added to a metadata file. It is taken back unless [`Announced::done`].
pub(super) struct Announced<'a> {
    file: OwnedFd,
    /// The size that it had, in bytes.
    before: Option<u64>,
    /// Where the metadata file was made, if it was not there.
    made: Option<(BorrowedFd<'a>, &'a [u8])>,
    /// Whether other names share it.
    shared: bool,
}

/// Adds to the metadata under a name what those of the file with this inode number will be. `None`
/// where that cannot be stored: then the rename is not safe from a kill.
pub(super) fn announce<'a>(
    cx: &Cx<'_>,
    tree: &Tree,
    folder: BorrowedFd<'a>,
    name: &'a [u8],
    inode: u64,
    values: &Values,
) -> Option<Announced<'a>> {
    let (file, made) = match file::find(cx, tree, folder, name).ok()? {
        Some((found, _)) => (file::open(cx, tree, found.as_fd()).ok()?, None),
        None => {
            let file = file::make(cx, tree, folder, name).ok()?;
            (file, Some((folder, name)))
        }
    };
    let (before, shared) = (None, false);
    let mut announced = Announced {
        file,
        before,
        made,
        shared,
    };
    let stat = file::hold(cx, announced.file.as_fd()).ok()?;
    let line = format::successor(inode, values);
    let end = usize::try_from(stat.stx_size).ok()?.checked_add(line.len());
    if stat.stx_nlink == 0 || end.is_none_or(|end| end > format::MAX) {
        return None;
    }
    announced.shared = stat.stx_nlink > 1;
    announced.before = Some(stat.stx_size);
    let file = &announced.file;
    let written = raw(cx, || pwrite(file, line.as_bytes(), stat.stx_size));
    (written == Ok(line.len())).then_some(announced)
}

impl Announced<'_> {
    /// The metadata of the successor are where they belong.
    pub(super) fn done(mut self) {
        self.made = None;
        if !self.shared {
            // It is gone, and nobody reads it.
            self.before = None;
        }
    }

    /// The metadata of the successor cannot be brought where they belong: this stands for them.
    pub(super) fn stays(mut self) {
        (self.made, self.before) = (None, None);
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if let Some((folder, name)) = self.made {
            let _ = unlinkat(folder, name, AtFlags::empty());
        } else if let Some(size) = self.before {
            let _ = ftruncate(&self.file, size);
        }
    }
}

/// Brings a rename to its end that was not: gives the file with this inode number a metadata file
/// of its own, in place of that of the file that it has replaced.
pub(super) fn settle(
    cx: &Cx<'_>,
    tree: &Tree,
    folder: BorrowedFd<'_>,
    name: &[u8],
    inode: u64,
) -> Result<(), Errno> {
    let reopen = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        tree.proc.reopen(folder, flags)
    };
    let alone = raw(cx, || tree.with_room(reopen)).map_err(errno)?;
    file::hold(cx, alone.as_fd())?;
    let Some((found, _)) = file::find(cx, tree, folder, name)? else {
        return Ok(());
    };
    let found = file::open(cx, tree, found.as_fd())?;
    let file::Text::Successor(values) = file::text(cx, found.as_fd(), inode)? else {
        return Ok(()); // Somebody else was quicker.
    };
    // No file's metadata are under this name: whoever left any there was killed.
    file::make_fresh(cx, tree, folder, ROOT, &values, || Ok(true))?;
    call(cx, || renameat(folder, ROOT, folder, name))
}
