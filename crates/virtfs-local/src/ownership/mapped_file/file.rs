//! One metadata file: read, made, and changed in place, so that all its hard links see the change,
//! and that a server which is killed at any point leaves the old values or the new ones.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, openat2, unlinkat};
use rustix::fs::{FlockOperation, Mode, OFlags, ResolveFlags, Statx, flock, ftruncate, openat};
use rustix::io::{self, pread, pwrite};
use rustix::path::Arg;
use virtfs_vfs::{Cx, Errno, FileKind};

use super::format;
use crate::call::{call, errno, raw};
use crate::inode::{LOOK, look};
use crate::ownership::mapped::Values;
use crate::tree::Tree;

/// Finds a metadata file by `O_PATH`, with its attributes. `path` is at most a folder and a name:
/// no symbolic link is passed. `None` if there is none, or something else than a regular file:
/// nothing else is ever opened.
pub(super) fn find(
    cx: &Cx<'_>,
    tree: &Tree,
    dir: BorrowedFd<'_>,
    path: &[u8],
) -> Result<Option<(OwnedFd, Statx)>, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let open = || openat2(dir, path, flags, Mode::empty(), resolve);
    let fd = match raw(cx, || tree.with_room(open)) {
        Ok(fd) => fd,
        Err(
            io::Errno::NOENT
            | io::Errno::NOTDIR
            | io::Errno::LOOP
            | io::Errno::ACCESS
            | io::Errno::NAMETOOLONG,
        ) => return Ok(None),
        Err(error) => return Err(errno(error)),
    };
    let stat = call(cx, || look(fd.as_fd(), LOOK))?;
    let regular = FileKind::from_mode(stat.stx_mode.into()) == Some(FileKind::Regular);
    Ok(regular.then_some((fd, stat)))
}

/// Reads a metadata file that was found, for the file with this inode number. One that the
/// server may not read has none.
pub(super) fn read(
    cx: &Cx<'_>,
    tree: &Tree,
    found: BorrowedFd<'_>,
    of: u64,
) -> Result<Text, Errno> {
    let reopen = || tree.proc.reopen(found, OFlags::RDONLY | OFlags::NONBLOCK);
    match raw(cx, || tree.with_room(reopen)) {
        Ok(file) => text(cx, file.as_fd(), of),
        Err(io::Errno::ACCESS) => Ok(Text::Own(Values::default())),
        Err(error) => Err(errno(error)),
    }
}

/// What a metadata file says of a file.
pub(super) enum Text {
    /// The usual.
    Own(Values),
    /// The values are another file's, which this one has replaced in a rename that was not brought
    /// to its end; these are its own.
    Successor(Values),
}

impl Text {
    pub(super) fn values(self) -> Values {
        match self {
            Self::Own(values) | Self::Successor(values) => values,
        }
    }
}

/// Reads an open metadata file, for the file with this inode number.
pub(super) fn text(cx: &Cx<'_>, file: BorrowedFd<'_>, of: u64) -> Result<Text, Errno> {
    let text = content(cx, file)?;
    Ok(match format::parse_successor(&text, of) {
        Some(values) => Text::Successor(values),
        None => Text::Own(format::parse(&text)),
    })
}

/// Opens a metadata file that was found, to change it.
pub(super) fn open(cx: &Cx<'_>, tree: &Tree, found: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let reopen = || tree.proc.reopen(found, OFlags::RDWR | OFlags::NONBLOCK);
    raw(cx, || tree.with_room(reopen)).map_err(errno)
}

/// Makes an empty metadata file, open for reading and writing; `EEXIST` if there is something.
pub(super) fn make(
    cx: &Cx<'_>,
    tree: &Tree,
    folder: BorrowedFd<'_>,
    name: impl Arg + Copy,
) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::EXCL
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    raw(cx, || tree.with_room(|| openat(folder, name, flags, mode)))
}

/// Makes a metadata file with these values, in place of whatever a file that is gone has left.
/// `ours` tells whether the name still is that of the file they belong to: if not, somebody else's
/// metadata is there.
pub(super) fn make_fresh(
    cx: &Cx<'_>,
    tree: &Tree,
    folder: BorrowedFd<'_>,
    name: &[u8],
    values: &Values,
    ours: impl Fn() -> Result<bool, Errno>,
) -> Result<(), Errno> {
    let file = loop {
        match make(cx, tree, folder, name) {
            Err(io::Errno::EXIST) if !ours()? => return Ok(()),
            Err(io::Errno::EXIST) => call(cx, || unlinkat(folder, name, AtFlags::empty()))?,
            result => break result.map_err(errno)?,
        }
    };
    let written = write(cx, file.as_fd(), 0, values);
    if written.is_err() {
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
    written
}

/// What came of a change.
pub(super) enum Changed {
    /// These are the values now.
    To(Values),
    /// The metadata file lost its last name before it could be locked.
    Unlinked,
    /// None: a rename was not brought to its end, and the file gets metadata of its own first.
    Successor,
}

/// Changes an open metadata file in place, for the file with this inode number.
pub(super) fn change(
    cx: &Cx<'_>,
    file: BorrowedFd<'_>,
    of: u64,
    may_be_unlinked: bool,
    change: impl FnOnce(&mut Values),
) -> Result<Changed, Errno> {
    let stat = hold(cx, file)?;
    if stat.stx_nlink == 0 && !may_be_unlinked {
        return Ok(Changed::Unlinked);
    }
    let old = match text(cx, file, of)? {
        Text::Own(values) => values,
        Text::Successor(_) => return Ok(Changed::Successor),
    };
    let mut new = old;
    change(&mut new);
    if new != old {
        write(cx, file, stat.stx_size, &new)?;
    }
    Ok(Changed::To(new))
}

/// Waits until no other server changes an open metadata file, or folder; until it is closed. Gives
/// its attributes.
pub(super) fn hold(cx: &Cx<'_>, file: BorrowedFd<'_>) -> Result<Statx, Errno> {
    match raw(cx, || flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Err(io::Errno::WOULDBLOCK) => {
            cx.about_to_block();
            call(cx, || flock(file, FlockOperation::LockExclusive))?;
        }
        result => result.map_err(errno)?,
    }
    call(cx, || look(file, LOOK))
}

/// The beginning of a metadata file, in one call: no more is ever looked at.
fn content(cx: &Cx<'_>, file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0; format::MAX];
    let length = call(cx, || pread(file, &mut *text, 0))?;
    text.truncate(length);
    Ok(text)
}

/// Writes values over a text of `old` bytes: in one call all of the new text, and empty lines
/// over what is left of the old one; only then is the rest cut off. Readers pass over empty lines,
/// so there is no moment at which a text is mixed of both.
fn write(cx: &Cx<'_>, file: BorrowedFd<'_>, old: u64, values: &Values) -> Result<(), Errno> {
    let mut text = format::text(values).into_bytes();
    let length = text.len();
    let padded = usize::try_from(old).unwrap_or(format::MAX).min(format::MAX);
    if padded > length {
        text.resize(padded, b'\n');
    }
    // A call for nothing would be one more place to be killed at.
    if !text.is_empty() {
        let written = call(cx, || pwrite(file, &text, 0))?;
        if written < text.len() {
            return Err(Errno::ENOSPC);
        }
    }
    if old > length as u64 {
        call(cx, || ftruncate(file, length as u64))?;
    }
    Ok(())
}
