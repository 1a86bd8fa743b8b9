//! From what an operation answered to what goes on the wire.

use virtfs_proto::{
    GetattrMask, HEADER_LEN, LockStatus, LockType, Qid as WireQid, QidType, Rattach, Rclunk,
    Rfsync, Rgetattr, Rgetlock, Rlcreate, Rlerror, Rlink, Rlock, Rlopen, Rmessage, Rmkdir, Rmknod,
    Rread, Rreaddir, Rreadlink, Rremove, Rrename, Rrenameat, Rsetattr, Rstatfs, Rsymlink,
    Runlinkat, Rwalk, Rwrite, Rxattrcreate, Rxattrwalk, Timespec, kind,
};
use virtfs_vfs::{Attr, Errno, FileKind, LockKind, LockRange, Qid, Qids, StatFs, Time};

/// How long the head of a reply with a payload is: header and count.
pub(crate) const PAYLOAD_HEAD: usize = HEADER_LEN + 4;

/// What an operation answered, whatever the dialect.
pub(crate) enum Answer {
    /// It is done; there is no more to say.
    Done,
    /// The qid of what was attached to or made.
    Qid(Qid),
    Walked(Qids),
    Opened {
        qid: Qid,
        iounit: u32,
    },
    Attr {
        attr: Attr,
        blksize: u32,
    },
    StatFs(StatFs),
    Text(Vec<u8>),
    Size(u64),
    /// So many bytes were read into, or written from, the payload.
    Count(u32),
    /// Whether the lock was granted.
    Granted(bool),
    /// The lock in the way.
    Holder {
        kind: LockKind,
        range: LockRange,
        proc_id: u32,
        client_id: Vec<u8>,
    },
}

/// Encodes the reply to a request of this kind; the head's length.
pub(crate) fn raise(
    request: u8,
    tag: u16,
    dialect: virtfs_proto::Dialect,
    answer: Result<&Answer, Errno>,
    head: &mut [u8],
) -> usize {
    let encoded = match answer {
        Ok(answer) => encode(request, tag, dialect, answer, head),
        Err(errno) => Err(errno),
    };
    encoded.unwrap_or_else(|errno| {
        let error = Rmessage::Lerror(Rlerror { ecode: errno.raw() });
        // 11 bytes always fit.
        error.encode(dialect, tag, head).unwrap_or(0)
    })
}

fn encode(
    request: u8,
    tag: u16,
    dialect: virtfs_proto::Dialect,
    answer: &Answer,
    head: &mut [u8],
) -> Result<usize, Errno> {
    let mut qids = [wire_qid(Qid {
        kind: None,
        version: 0,
        path: 0,
    }); Qids::MAX];
    let message = match (request, answer) {
        (kind::TATTACH, Answer::Qid(qid)) => Rmessage::Attach(Rattach {
            qid: wire_qid(*qid),
        }),
        (kind::TSYMLINK, Answer::Qid(qid)) => Rmessage::Symlink(Rsymlink {
            qid: wire_qid(*qid),
        }),
        (kind::TMKNOD, Answer::Qid(qid)) => Rmessage::Mknod(Rmknod {
            qid: wire_qid(*qid),
        }),
        (kind::TMKDIR, Answer::Qid(qid)) => Rmessage::Mkdir(Rmkdir {
            qid: wire_qid(*qid),
        }),
        (kind::TWALK, Answer::Walked(walked)) => {
            for (to, from) in qids.iter_mut().zip(walked.iter()) {
                *to = wire_qid(*from);
            }
            let qids = qids.get(..walked.len()).unwrap_or_default();
            Rmessage::Walk(Rwalk {
                qids: virtfs_proto::Qids::from_slice(qids),
            })
        }
        (kind::TLOPEN, Answer::Opened { qid, iounit }) => Rmessage::Lopen(Rlopen {
            qid: wire_qid(*qid),
            iounit: *iounit,
        }),
        (kind::TLCREATE, Answer::Opened { qid, iounit }) => Rmessage::Lcreate(Rlcreate {
            qid: wire_qid(*qid),
            iounit: *iounit,
        }),
        (kind::TGETATTR, Answer::Attr { attr, blksize }) => {
            Rmessage::Getattr(wire_attr(attr, *blksize))
        }
        (kind::TSTATFS, Answer::StatFs(s)) => Rmessage::Statfs(Rstatfs {
            kind: s.kind,
            bsize: s.bsize,
            blocks: s.blocks,
            bfree: s.bfree,
            bavail: s.bavail,
            files: s.files,
            ffree: s.ffree,
            fsid: s.fsid,
            namelen: s.namelen,
        }),
        (kind::TREADLINK, Answer::Text(target)) => Rmessage::Readlink(Rreadlink { target }),
        (kind::TXATTRWALK, Answer::Size(size)) => Rmessage::Xattrwalk(Rxattrwalk { size: *size }),
        (kind::TREAD, Answer::Count(count)) => Rmessage::Read(Rread { count: *count }),
        (kind::TWRITE, Answer::Count(count)) => Rmessage::Write(Rwrite { count: *count }),
        (kind::TREADDIR, Answer::Count(count)) => Rmessage::Readdir(Rreaddir { count: *count }),
        (kind::TLOCK, Answer::Granted(granted)) => {
            let status = if *granted {
                LockStatus::SUCCESS
            } else {
                LockStatus::BLOCKED
            };
            Rmessage::Lock(Rlock { status })
        }
        (
            kind::TGETLOCK,
            Answer::Holder {
                kind,
                range,
                proc_id,
                client_id,
            },
        ) => Rmessage::Getlock(Rgetlock {
            kind: match kind {
                LockKind::Read => LockType::RDLCK,
                LockKind::Write => LockType::WRLCK,
                LockKind::Unlock => LockType::UNLCK,
            },
            start: range.start,
            length: range.length(),
            proc_id: *proc_id,
            client_id,
        }),
        (kind::TCLUNK, Answer::Done) => Rmessage::Clunk(Rclunk {}),
        (kind::TREMOVE, Answer::Done) => Rmessage::Remove(Rremove {}),
        (kind::TSETATTR, Answer::Done) => Rmessage::Setattr(Rsetattr {}),
        (kind::TXATTRCREATE, Answer::Done) => Rmessage::Xattrcreate(Rxattrcreate {}),
        (kind::TFSYNC, Answer::Done) => Rmessage::Fsync(Rfsync {}),
        (kind::TLINK, Answer::Done) => Rmessage::Link(Rlink {}),
        (kind::TRENAME, Answer::Done) => Rmessage::Rename(Rrename {}),
        (kind::TRENAMEAT, Answer::Done) => Rmessage::Renameat(Rrenameat {}),
        (kind::TUNLINKAT, Answer::Done) => Rmessage::Unlinkat(Runlinkat {}),
        _ => return Err(Errno::EIO),
    };
    message
        .encode(dialect, tag, head)
        .map_err(|_| Errno::EMSGSIZE)
}

pub(crate) fn wire_qid(qid: Qid) -> WireQid {
    let kind = match qid.kind {
        Some(FileKind::Directory) => QidType::DIR,
        Some(FileKind::Symlink) => QidType::SYMLINK,
        _ => QidType::empty(),
    };
    WireQid {
        kind,
        version: qid.version,
        path: qid.path,
    }
}

fn wire_time(time: Time) -> Timespec {
    Timespec {
        sec: time.sec.cast_unsigned(),
        nsec: u64::from(time.nsec),
    }
}

fn wire_attr(attr: &Attr, blksize: u32) -> Rgetattr {
    let mut valid = GetattrMask::BASIC;
    valid.set(GetattrMask::BTIME, attr.btime.is_some());
    valid.set(GetattrMask::GEN, attr.generation.is_some());
    Rgetattr {
        valid,
        qid: wire_qid(attr.qid),
        mode: attr.mode,
        uid: attr.uid,
        gid: attr.gid,
        nlink: attr.nlink,
        rdev: attr.rdev.to_wire(),
        size: attr.size,
        blksize: u64::from(blksize),
        blocks: attr.blocks,
        atime: wire_time(attr.atime),
        mtime: wire_time(attr.mtime),
        ctime: wire_time(attr.ctime),
        btime: wire_time(attr.btime.unwrap_or_default()),
        generation: attr.generation.unwrap_or(0),
        data_version: 0,
    }
}
