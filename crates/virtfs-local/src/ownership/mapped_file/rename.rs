//! `Trenameat`, `Trename`: a file and its metadata are moved.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, linkat, renameat, unlinkat};
use rustix::io;
use virtfs_vfs::{Cx, Errno};

use super::entries::{Host, Keeping, emptying};
use super::file;
use super::place::{folder, make_folder};
use super::successor::{Announced, announce};
use crate::call::{call, raw};
use crate::inode::{InodeId, look_at};
use crate::ownership::Spot;
use crate::ownership::mapped::Values;
use crate::tree::LocalNode;

pub(super) fn rename(
    cx: &Cx<'_>,
    from: &Spot<'_>,
    to: &Spot<'_>,
    replaced: Option<&LocalNode>,
    host: Host<'_>,
) -> Result<(), Errno> {
    let tree = from.dir.tree();
    let Ok(source) = raw(cx, || look_at(from.fd, from.name)) else {
        return host(); // It says why not.
    };
    let there = raw(cx, || look_at(to.fd, to.name));
    if there.is_ok_and(|stat| InodeId::of(&stat) == InodeId::of(&source)) {
        return host(); // Two names of one file: the kernel leaves both.
    }
    let source_folder = folder(cx, tree, from.fd)?;
    let source_folder = source_folder.filter(|folder| look_at(folder.as_fd(), from.name).is_ok());
    let Some(source_folder) = source_folder else {
        return without_metadata(cx, source.stx_ino, to, replaced, host);
    };
    let target = make_folder(cx, tree, to.fd)?;
    // Where nothing is replaced, the new name gets its metadata before the file, under both names.
    let before = there.is_err()
        && raw(cx, || {
            let (from, to) = (from.name, to.name);
            linkat(&source_folder, from, &target, to, AtFlags::empty())
        })
        .is_ok();
    let done = if before {
        let keeping = Keeping::nothing(replaced);
        emptying(cx, to, host)
            .inspect(|()| keeping.done())
            .inspect_err(|_| {
                let _ = unlinkat(&target, to.name, AtFlags::empty());
            })
    } else {
        let inode = source.stx_ino;
        let values = match file::find(cx, tree, source_folder.as_fd(), from.name)? {
            Some((found, _)) => file::read(cx, tree, found.as_fd(), inode)?.values(),
            None => Values::default(),
        };
        let done = over(cx, inode, &values, to, target.as_fd(), replaced, host);
        done.and_then(|announced| {
            let moved = call(cx, || renameat(&source_folder, from.name, &target, to.name));
            match (moved, announced) {
                (Ok(()), announced) => announced.map_or((), Announced::done),
                (Err(_), Some(announced)) => announced.stays(),
                (Err(error), None) => return Err(error),
            }
            Ok(())
        })
    };
    if let Err(error) = done {
        target.undo(to.fd);
        return Err(error);
    }
    // Also after a rename of two names of one file, which leaves both.
    let _ = raw(cx, || unlinkat(&source_folder, from.name, AtFlags::empty()));
    Ok(())
}

/// The file alone, in place of another, whose metadata then say what this one's will be.
fn over<'a>(
    cx: &Cx<'_>,
    inode: u64,
    values: &Values,
    to: &Spot<'a>,
    target: BorrowedFd<'a>,
    replaced: Option<&LocalNode>,
    host: Host<'_>,
) -> Result<Option<Announced<'a>>, Errno> {
    let keeping = Keeping::of(cx, to, replaced)?;
    let announced = announce(cx, to.dir.tree(), target, to.name, inode, values);
    emptying(cx, to, host)?;
    keeping.done();
    Ok(announced)
}

/// A file without metadata: what is stored of the one that it replaces is not its own.
fn without_metadata(
    cx: &Cx<'_>,
    inode: u64,
    to: &Spot<'_>,
    replaced: Option<&LocalNode>,
    host: Host<'_>,
) -> Result<(), Errno> {
    let tree = to.dir.tree();
    let target = match folder(cx, tree, to.fd)? {
        Some(folder) => file::find(cx, tree, folder.as_fd(), to.name)?.map(|_| folder),
        None => None,
    };
    let Some(target) = target else {
        let keeping = Keeping::nothing(replaced);
        emptying(cx, to, host)?;
        keeping.done();
        return Ok(());
    };
    let announced = over(
        cx,
        inode,
        &Values::default(),
        to,
        target.as_fd(),
        replaced,
        host,
    )?;
    let gone = raw(cx, || unlinkat(&target, to.name, AtFlags::empty()));
    if let (Some(announced), Ok(()) | Err(io::Errno::NOENT)) = (announced, gone) {
        announced.done();
    }
    Ok(())
}
