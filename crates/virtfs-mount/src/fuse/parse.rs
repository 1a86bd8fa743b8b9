//! Bytes from the kernel become a [`Request`]; whatever is too short or odd is refused, never
//! trusted.

use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::abi;
use super::attr::Time;
use super::init::Agreed;
use super::request::{Forgets, LockIn, LockKind, Op, Request, SetTime, SetattrIn};

/// Why a request is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) unique: u64,
    pub(super) opcode: u32,
    pub(super) errno: Errno,
}

/// The header, if there is a whole one.
pub(super) fn header(bytes: &[u8]) -> Option<abi::InHeader> {
    abi::InHeader::read_from_prefix(bytes)
        .ok()
        .map(|(header, _)| header)
}

/// The request that an `INTERRUPT` is about.
pub(super) fn interrupted(bytes: &[u8]) -> Option<u64> {
    let body = bytes.get(size_of::<abi::InHeader>()..)?;
    abi::InterruptIn::read_from_prefix(body)
        .ok()
        .map(|(body, _)| body.unique)
}

/// Whether the request gives up what its process holds. It must be served even if that process no
/// longer waits (when it is killed, each of its files is flushed with the signal pending), and
/// soon even if it cannot be interrupted (when it ends by itself).
pub(super) fn gives_up(bytes: &[u8]) -> bool {
    let Some(header) = header(bytes) else {
        return false;
    };
    match header.opcode {
        abi::FLUSH => true,
        abi::SETLK | abi::SETLKW => bytes
            .get(size_of::<abi::InHeader>()..)
            .and_then(|body| abi::LkIn::read_from_prefix(body).ok())
            .is_some_and(|(lock, _)| lock.lk.kind == abi::F_UNLCK),
        _ => false,
    }
}

/// The request in these bytes, which are all that one read brought.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    header: &abi::InHeader,
    agreed: &Agreed,
) -> Result<Request<'a>, Refused> {
    let op = body(bytes, header)
        .ok_or(Errno::IO)
        .and_then(|body| op(header, Body(body), agreed))
        .map_err(|errno| Refused {
            unique: header.unique,
            opcode: header.opcode,
            errno,
        })?;
    Ok(Request {
        unique: header.unique,
        node: header.nodeid,
        uid: header.uid,
        gid: header.gid,
        pid: header.pid,
        op,
    })
}

/// What lies between the header and the extensions, of which we asked for none.
fn body<'a>(bytes: &'a [u8], header: &abi::InHeader) -> Option<&'a [u8]> {
    if header.len as usize != bytes.len() {
        return None;
    }
    let end = bytes
        .len()
        .checked_sub(usize::from(header.total_extlen) * 8)?;
    bytes.get(size_of::<abi::InHeader>()..end)
}

fn op<'a>(header: &abi::InHeader, mut body: Body<'a>, agreed: &Agreed) -> Result<Op<'a>, Errno> {
    Ok(match header.opcode {
        abi::LOOKUP => Op::Lookup { name: body.name()? },
        abi::FORGET => {
            let forget: abi::ForgetIn = body.take()?;
            Op::Forget(Forgets {
                one: Some((header.nodeid, forget.nlookup)),
                rest: &[],
            })
        }
        abi::BATCH_FORGET => {
            let batch: abi::BatchForgetIn = body.take()?;
            let rest = body.bytes(u64::from(batch.count) * 16)?;
            Op::Forget(Forgets { one: None, rest })
        }
        abi::GETATTR => {
            let getattr: abi::GetattrIn = body.take()?;
            Op::Getattr {
                fh: given(getattr.getattr_flags, abi::GETATTR_FH, getattr.fh),
            }
        }
        abi::SETATTR => Op::Setattr(setattr(&body.take()?)),
        abi::READLINK => Op::Readlink,
        abi::SYMLINK => Op::Symlink {
            name: body.name()?,
            target: body.target()?,
        },
        abi::MKNOD => {
            let abi::MknodIn {
                mode, rdev, umask, ..
            } = body.take()?;
            Op::Mknod {
                name: body.name()?,
                mode,
                rdev,
                umask,
            }
        }
        abi::MKDIR => {
            let abi::MkdirIn { mode, umask } = body.take()?;
            Op::Mkdir {
                name: body.name()?,
                mode,
                umask,
            }
        }
        abi::UNLINK => Op::Unlink { name: body.name()? },
        abi::RMDIR => Op::Rmdir { name: body.name()? },
        abi::RENAME => {
            let abi::RenameIn { newdir } = body.take()?;
            let (name, new_name) = (body.name()?, body.name()?);
            Op::Rename {
                name,
                new_parent: newdir,
                new_name,
                flags: 0,
            }
        }
        abi::RENAME2 => {
            let abi::Rename2In { newdir, flags, .. } = body.take()?;
            let (name, new_name) = (body.name()?, body.name()?);
            Op::Rename {
                name,
                new_parent: newdir,
                new_name,
                flags,
            }
        }
        abi::LINK => {
            let abi::LinkIn { oldnodeid } = body.take()?;
            Op::Link {
                old_node: oldnodeid,
                name: body.name()?,
            }
        }
        abi::OPEN => {
            let abi::OpenIn { flags, open_flags } = body.take()?;
            Op::Open {
                flags,
                kill_suidgid: open_flags & abi::OPEN_KILL_SUIDGID != 0,
            }
        }
        abi::CREATE => {
            let abi::CreateIn {
                flags,
                mode,
                umask,
                open_flags,
            } = body.take()?;
            let kill_suidgid = open_flags & abi::OPEN_KILL_SUIDGID != 0;
            Op::Create {
                name: body.name()?,
                flags,
                mode,
                umask,
                kill_suidgid,
            }
        }
        abi::TMPFILE => {
            let abi::CreateIn {
                flags, mode, umask, ..
            } = body.take()?;
            Op::Tmpfile { flags, mode, umask }
        }
        abi::READ => {
            let read: abi::ReadIn = body.take()?;
            Op::Read {
                fh: read.fh,
                offset: read.offset,
                size: read.size,
                flags: read.flags,
                lock_owner: given(read.read_flags, abi::READ_LOCKOWNER, read.lock_owner),
            }
        }
        abi::WRITE => {
            let write: abi::WriteIn = body.take()?;
            Op::Write {
                fh: write.fh,
                offset: write.offset,
                data: body.bytes(u64::from(write.size))?,
                flags: write.flags,
                write_flags: write.write_flags,
                lock_owner: given(write.write_flags, abi::WRITE_LOCKOWNER, write.lock_owner),
            }
        }
        abi::STATFS => Op::Statfs,
        abi::RELEASE => {
            let release: abi::ReleaseIn = body.take()?;
            Op::Release {
                fh: release.fh,
                flags: release.flags,
                lock_owner: release.lock_owner,
                flock_release: release.release_flags & abi::RELEASE_FLOCK_UNLOCK != 0,
            }
        }
        abi::FLUSH => {
            let abi::FlushIn { fh, lock_owner, .. } = body.take()?;
            Op::Flush { fh, lock_owner }
        }
        abi::FSYNC => {
            let (fh, datasync) = fsync(&body.take()?);
            Op::Fsync { fh, datasync }
        }
        abi::SETXATTR => {
            let abi::SetxattrIn { size, flags } = body.take()?;
            let clear_sgid = agreed.setxattr_ext && {
                let ext: abi::SetxattrInExt = body.take()?;
                ext.setxattr_flags & abi::SETXATTR_ACL_KILL_SGID != 0
            };
            let (name, value) = (body.xattr()?, body.bytes(u64::from(size))?);
            Op::Setxattr {
                name,
                value,
                flags,
                clear_sgid,
            }
        }
        abi::GETXATTR => {
            let abi::GetxattrIn { size, .. } = body.take()?;
            Op::Getxattr {
                name: body.xattr()?,
                size,
            }
        }
        abi::LISTXATTR => {
            let abi::GetxattrIn { size, .. } = body.take()?;
            Op::Listxattr { size }
        }
        abi::REMOVEXATTR => Op::Removexattr {
            name: body.xattr()?,
        },
        abi::OPENDIR => {
            let abi::OpenIn { flags, .. } = body.take()?;
            Op::Opendir { flags }
        }
        abi::READDIR => {
            let abi::ReadIn {
                fh, offset, size, ..
            } = body.take()?;
            Op::Readdir { fh, offset, size }
        }
        abi::READDIRPLUS => {
            let abi::ReadIn {
                fh, offset, size, ..
            } = body.take()?;
            Op::Readdirplus { fh, offset, size }
        }
        abi::RELEASEDIR => {
            let abi::ReleaseIn { fh, flags, .. } = body.take()?;
            Op::Releasedir { fh, flags }
        }
        abi::FSYNCDIR => {
            let (fh, datasync) = fsync(&body.take()?);
            Op::Fsyncdir { fh, datasync }
        }
        abi::GETLK => Op::Getlk(lock(&body.take()?)?),
        abi::SETLK => Op::Setlk(lock(&body.take()?)?),
        abi::SETLKW => Op::Setlkw(lock(&body.take()?)?),
        abi::ACCESS => {
            let abi::AccessIn { mask, .. } = body.take()?;
            Op::Access { mask }
        }
        abi::FALLOCATE => {
            let abi::FallocateIn {
                fh,
                offset,
                length,
                mode,
                ..
            } = body.take()?;
            Op::Fallocate {
                fh,
                offset,
                length,
                mode,
            }
        }
        abi::LSEEK => {
            let abi::LseekIn {
                fh, offset, whence, ..
            } = body.take()?;
            Op::Lseek { fh, offset, whence }
        }
        abi::COPY_FILE_RANGE => {
            let copy: abi::CopyFileRangeIn = body.take()?;
            Op::CopyFileRange {
                fh_in: copy.fh_in,
                offset_in: copy.off_in,
                node_out: copy.nodeid_out,
                fh_out: copy.fh_out,
                offset_out: copy.off_out,
                length: copy.len,
                flags: copy.flags,
            }
        }
        abi::SYNCFS => Op::Syncfs,
        abi::STATX => {
            let statx: abi::StatxIn = body.take()?;
            Op::Statx {
                fh: given(statx.getattr_flags, abi::GETATTR_FH, statx.fh),
                flags: statx.sx_flags,
                mask: statx.sx_mask,
            }
        }
        opcode => Op::Unsupported { opcode },
    })
}

fn given<T>(flags: u32, flag: u32, value: T) -> Option<T> {
    (flags & flag != 0).then_some(value)
}

fn setattr(set: &abi::SetattrIn) -> SetattrIn {
    let time = |given_as: u32, now: u32, sec: i64, nsec: u32| {
        given(set.valid, given_as, ()).map(|()| {
            if set.valid & now != 0 {
                SetTime::Now
            } else {
                SetTime::At(Time { sec, nsec })
            }
        })
    };
    SetattrIn {
        fh: given(set.valid, abi::FATTR_FH, set.fh),
        mode: given(set.valid, abi::FATTR_MODE, set.mode),
        uid: given(set.valid, abi::FATTR_UID, set.uid),
        gid: given(set.valid, abi::FATTR_GID, set.gid),
        size: given(set.valid, abi::FATTR_SIZE, set.size),
        atime: time(
            abi::FATTR_ATIME,
            abi::FATTR_ATIME_NOW,
            set.atime,
            set.atimensec,
        ),
        mtime: time(
            abi::FATTR_MTIME,
            abi::FATTR_MTIME_NOW,
            set.mtime,
            set.mtimensec,
        ),
        ctime: given(
            set.valid,
            abi::FATTR_CTIME,
            Time {
                sec: set.ctime,
                nsec: set.ctimensec,
            },
        ),
        lock_owner: given(set.valid, abi::FATTR_LOCKOWNER, set.lock_owner),
        kill_suidgid: set.valid & abi::FATTR_KILL_SUIDGID != 0,
    }
}

fn fsync(fsync: &abi::FsyncIn) -> (u64, bool) {
    (fsync.fh, fsync.fsync_flags & abi::FSYNC_FDATASYNC != 0)
}

fn lock(lock: &abi::LkIn) -> Result<LockIn, Errno> {
    let kind = match lock.lk.kind {
        abi::F_RDLCK => LockKind::Read,
        abi::F_WRLCK => LockKind::Write,
        abi::F_UNLCK => LockKind::Unlock,
        _ => return Err(Errno::INVAL),
    };
    Ok(LockIn {
        fh: lock.fh,
        owner: lock.owner,
        start: lock.lk.start,
        end: lock.lk.end,
        kind,
        pid: lock.lk.pid,
        flock: lock.lk_flags & abi::LK_FLOCK != 0,
    })
}

/// What has not been looked at yet. Bytes at the end that nobody asks for are left alone: a later
/// kernel may append fields.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take<T: FromBytes + Immutable + KnownLayout>(&mut self) -> Result<T, Errno> {
        let (value, rest) = T::read_from_prefix(self.0).map_err(|_| Errno::IO)?;
        self.0 = rest;
        Ok(value)
    }

    fn bytes(&mut self, size: u64) -> Result<&'a [u8], Errno> {
        let size = usize::try_from(size).map_err(|_| Errno::IO)?;
        let (bytes, rest) = self.0.split_at_checked(size).ok_or(Errno::IO)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A name in a directory.
    fn name(&mut self) -> Result<&'a [u8], Errno> {
        let name = self.string(255)?;
        if matches!(name, b"." | b"..") || name.contains(&b'/') {
            return Err(Errno::INVAL);
        }
        Ok(name)
    }

    fn xattr(&mut self) -> Result<&'a [u8], Errno> {
        self.string(255)
    }

    fn target(&mut self) -> Result<&'a [u8], Errno> {
        self.string(4095)
    }

    fn string(&mut self, most: usize) -> Result<&'a [u8], Errno> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Errno::IO)?;
        let (string, rest) = self.0.split_at_checked(end).ok_or(Errno::IO)?;
        self.0 = rest.get(1..).unwrap_or_default();
        match string.len() {
            0 => Err(Errno::INVAL),
            len if len > most => Err(Errno::NAMETOOLONG),
            _ => Ok(string),
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
