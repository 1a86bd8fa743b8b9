//! Reading, writing and syncing open files.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{fdatasync, fsync};
use virtfs_vfs::{Cx, Errno, FileKind, IoFlags, Open, ReplyBody, RequestBody};

use crate::call::call;
use crate::direct::Wrote;
use crate::hostfs::HostFs;
use crate::opened::LocalOpen;
use crate::ops::stat::Subject;
use crate::options::Writeout;
use crate::ownership::File;
use crate::sys::writeout;
use crate::{LocalFs, thread};

/// `Tread` of a file: what is cached without sleeping, the rest after having said so. Short only
/// at the end of the file.
pub(crate) fn read(
    fs: &LocalFs,
    cx: &Cx<'_>,
    open: &Open,
    offset: u64,
    reply: &mut dyn ReplyBody,
) -> Result<(), Errno> {
    let open = fs.opened(open)?;
    if open.node.inode.kind() == FileKind::Directory {
        return Err(Errno::EISDIR);
    }
    let host = &open.node.inode.host;
    let fd = open.fd(cx)?;
    let room = reply.room();
    place(offset, 0)?; // As the kernel, also for no bytes at all.
    let mut flags = may_hang(host);
    flags.set(IoFlags::NOWAIT, host.nowait());
    while reply.room() > 0 {
        let done = room - reply.room();
        let at = place(offset, done)?;
        if let Some((direct, second)) = open.direct(cx, &fd, (at, reply.room())) {
            let how = (at, may_hang(host));
            match direct.read(cx, &second, how, reply, &fs.tree.bounces) {
                Ok(Some(0)) => break,
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(Errno::EINTR) if !cx.interrupted() => continue,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if !flags.contains(IoFlags::NOWAIT) && !host.in_memory {
            cx.about_to_block();
        }
        match reply.read_from(fd.as_fd(), at, flags) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::EINTR) if !cx.interrupted() => {}
            Err(Errno::EAGAIN) if flags.contains(IoFlags::NOWAIT) => {
                flags.remove(IoFlags::NOWAIT);
            }
            Err(Errno::EOPNOTSUPP) if flags.contains(IoFlags::NOWAIT) => {
                host.nowait_refused();
                flags.remove(IoFlags::NOWAIT);
            }
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `Twrite`.
pub(crate) fn write(
    fs: &LocalFs,
    cx: &Cx<'_>,
    open: &Open,
    offset: u64,
    body: &mut dyn RequestBody,
) -> Result<usize, Errno> {
    fs.writable()?;
    let open = fs.opened(open)?;
    let host = &open.node.inode.host;
    if host.remote {
        cx.about_to_block();
    }
    place(offset, 0)?; // As the kernel, also for no bytes at all.
    let fd = open.fd(cx)?;
    if open.node.inode.memory.has_privileges() && body.remaining() > 0 {
        let (node, fd) = (&open.node, &Subject::Open(fd.clone()));
        fs.model().drop_privileges(cx, &File { node, fd })?;
    }
    let all = body.remaining();
    let mut written = 0;
    while body.remaining() > 0 {
        let (at, how) = (place(offset, written)?, may_hang(host));
        let direct = (!open.appends())
            .then(|| open.direct(cx, &fd, (at, body.remaining())))
            .flatten();
        let wrote = match direct {
            Some((direct, second)) => {
                direct.write(cx, (&second, &fd), (at, how), body, &fs.tree.bounces)
            }
            None => Ok(None),
        };
        let wrote = match wrote {
            Ok(None) => body.write_to(fd.as_fd(), at, how).map(Wrote::Whole),
            Ok(Some(wrote)) => Ok(wrote),
            Err(error) => Err(error),
        };
        match wrote {
            Ok(Wrote::Whole(0)) => break,
            Ok(Wrote::Whole(count)) => written += count,
            Ok(Wrote::Short(count)) => {
                written += count;
                break;
            }
            Err(Errno::EINTR) if !cx.interrupted() => {}
            Err(_) if written > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if written == 0 && all > 0 {
        return Err(Errno::EIO);
    }
    if fs.writeout == Writeout::Immediate {
        begin_writeout(open, fd.as_fd(), offset, written);
    }
    Ok(written)
}

/// The bytes are written as far as the client is concerned: a failure shows at its `Tfsync`.
fn begin_writeout(open: &LocalOpen, fd: BorrowedFd<'_>, offset: u64, length: usize) {
    let (offset, length) = match open.appends() {
        true => (0, 0), // Where the end was, only the kernel knows.
        false => (offset, length as u64),
    };
    let _ = writeout::begin(fd, offset, length);
}

fn may_hang(host: &HostFs) -> IoFlags {
    match host.remote {
        true => IoFlags::MAY_HANG,
        false => IoFlags::empty(),
    }
}

/// `Tfsync`.
pub(crate) fn sync(fs: &LocalFs, cx: &Cx<'_>, open: &Open, data_only: bool) -> Result<(), Errno> {
    thread::prepared()?;
    let open = fs.opened(open)?;
    if open.node.inode.host.remote {
        cx.about_to_block();
    }
    let fd = open.fd(cx)?;
    call(cx, || match data_only {
        true => fdatasync(&fd),
        false => fsync(&fd),
    })
}

/// The offset of a call. What does not fit is refused here: −1 would be the file's own position.
fn place(offset: u64, done: usize) -> Result<u64, Errno> {
    offset
        .checked_add(done as u64)
        .filter(|at| i64::try_from(*at).is_ok())
        .ok_or(Errno::EINVAL)
}
