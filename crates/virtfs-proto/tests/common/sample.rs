//! Makes every message from arbitrary bytes.

use virtfs_proto::*;

use super::source::{Source, drawn, unless_plain};

/// A directory entry from bytes.
pub(crate) fn dir_entry(s: &mut Source<'_>) -> DirEntry<'static> {
    drawn!(s => DirEntry { qid, offset, kind, name })
}

/// A stat structure from bytes.
pub(crate) fn stat(s: &mut Source<'_>) -> Stat<'static> {
    s.draw()
}

/// Payloads keep the message within 4 GiB.
fn payload(s: &mut Source<'_>) -> u32 {
    s.draw::<u32>().min(u32::MAX - 23)
}

/// The request of this type, its fields made from bytes, or `None` if the type is no request's.
pub(crate) fn tmessage(type_byte: u8, s: &mut Source<'_>) -> Option<Tmessage<'static>> {
    Some(match type_byte {
        kind::TVERSION => drawn!(s => Tversion { msize, version }).into(),
        kind::TAUTH => Tauth {
            n_uname: unless_plain(s, NONUNAME),
            ..drawn!(s => Tauth { afid, uname, aname, n_uname })
        }
        .into(),
        kind::TATTACH => Tattach {
            n_uname: unless_plain(s, NONUNAME),
            ..drawn!(s => Tattach { fid, afid, uname, aname, n_uname })
        }
        .into(),
        kind::TFLUSH => drawn!(s => Tflush { oldtag }).into(),
        kind::TWALK => drawn!(s => Twalk { fid, newfid, names }).into(),
        kind::TOPEN => drawn!(s => Topen { fid, mode }).into(),
        kind::TCREATE => Tcreate {
            extension: unless_plain(s, &[]),
            ..drawn!(s => Tcreate { fid, name, perm, mode, extension })
        }
        .into(),
        kind::TREAD => drawn!(s => Tread { fid, offset, count }).into(),
        kind::TWRITE => Twrite {
            count: payload(s),
            ..drawn!(s => Twrite { fid, offset, count })
        }
        .into(),
        kind::TCLUNK => drawn!(s => Tclunk { fid }).into(),
        kind::TREMOVE => drawn!(s => Tremove { fid }).into(),
        kind::TSTAT => drawn!(s => Tstat { fid }).into(),
        kind::TWSTAT => drawn!(s => Twstat { fid, stat }).into(),
        kind::TSTATFS => drawn!(s => Tstatfs { fid }).into(),
        kind::TLOPEN => drawn!(s => Tlopen { fid, flags }).into(),
        kind::TLCREATE => drawn!(s => Tlcreate { fid, name, flags, mode, gid }).into(),
        kind::TSYMLINK => drawn!(s => Tsymlink { dfid, name, target, gid }).into(),
        kind::TMKNOD => drawn!(s => Tmknod { dfid, name, mode, major, minor, gid }).into(),
        kind::TRENAME => drawn!(s => Trename { fid, dfid, name }).into(),
        kind::TREADLINK => drawn!(s => Treadlink { fid }).into(),
        kind::TGETATTR => drawn!(s => Tgetattr { fid, request_mask }).into(),
        kind::TSETATTR => {
            drawn!(s => Tsetattr { fid, valid, mode, uid, gid, size, atime, mtime }).into()
        }
        kind::TXATTRWALK => drawn!(s => Txattrwalk { fid, newfid, name }).into(),
        kind::TXATTRCREATE => drawn!(s => Txattrcreate { fid, name, size, flags }).into(),
        kind::TREADDIR => drawn!(s => Treaddir { fid, offset, count }).into(),
        kind::TFSYNC => drawn!(s => Tfsync { fid, datasync }).into(),
        kind::TLOCK => {
            drawn!(s => Tlock { fid, kind, flags, start, length, proc_id, client_id }).into()
        }
        kind::TGETLOCK => {
            drawn!(s => Tgetlock { fid, kind, start, length, proc_id, client_id }).into()
        }
        kind::TLINK => drawn!(s => Tlink { dfid, fid, name }).into(),
        kind::TMKDIR => drawn!(s => Tmkdir { dfid, name, mode, gid }).into(),
        kind::TRENAMEAT => drawn!(s => Trenameat { olddirfid, oldname, newdirfid, newname }).into(),
        kind::TUNLINKAT => drawn!(s => Tunlinkat { dirfid, name, flags }).into(),
        _ => return None,
    })
}

/// The reply of this type, its fields made from bytes, or `None` if the type is no reply's.
pub(crate) fn rmessage(type_byte: u8, s: &mut Source<'_>) -> Option<Rmessage<'static>> {
    Some(match type_byte {
        kind::RVERSION => drawn!(s => Rversion { msize, version }).into(),
        kind::RAUTH => drawn!(s => Rauth { aqid }).into(),
        kind::RERROR => Rerror {
            ecode: unless_plain(s, 0),
            ..drawn!(s => Rerror { ename, ecode })
        }
        .into(),
        kind::RLERROR => drawn!(s => Rlerror { ecode }).into(),
        kind::RATTACH => drawn!(s => Rattach { qid }).into(),
        kind::RFLUSH => Rflush {}.into(),
        kind::RWALK => drawn!(s => Rwalk { qids }).into(),
        kind::ROPEN => drawn!(s => Ropen { qid, iounit }).into(),
        kind::RCREATE => drawn!(s => Rcreate { qid, iounit }).into(),
        kind::RREAD => Rread { count: payload(s) }.into(),
        kind::RWRITE => drawn!(s => Rwrite { count }).into(),
        kind::RCLUNK => Rclunk {}.into(),
        kind::RREMOVE => Rremove {}.into(),
        kind::RSTAT => drawn!(s => Rstat { stat }).into(),
        kind::RWSTAT => Rwstat {}.into(),
        kind::RSTATFS => drawn!(s => Rstatfs {
            kind, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen,
        })
        .into(),
        kind::RLOPEN => drawn!(s => Rlopen { qid, iounit }).into(),
        kind::RLCREATE => drawn!(s => Rlcreate { qid, iounit }).into(),
        kind::RSYMLINK => drawn!(s => Rsymlink { qid }).into(),
        kind::RMKNOD => drawn!(s => Rmknod { qid }).into(),
        kind::RRENAME => Rrename {}.into(),
        kind::RREADLINK => drawn!(s => Rreadlink { target }).into(),
        kind::RGETATTR => drawn!(s => Rgetattr {
            valid, qid, mode, uid, gid, nlink, rdev, size, blksize, blocks, atime,
            mtime, ctime, btime, generation, data_version,
        })
        .into(),
        kind::RSETATTR => Rsetattr {}.into(),
        kind::RXATTRWALK => drawn!(s => Rxattrwalk { size }).into(),
        kind::RXATTRCREATE => Rxattrcreate {}.into(),
        kind::RREADDIR => Rreaddir { count: payload(s) }.into(),
        kind::RFSYNC => Rfsync {}.into(),
        kind::RLOCK => drawn!(s => Rlock { status }).into(),
        kind::RGETLOCK => drawn!(s => Rgetlock { kind, start, length, proc_id, client_id }).into(),
        kind::RLINK => Rlink {}.into(),
        kind::RMKDIR => drawn!(s => Rmkdir { qid }).into(),
        kind::RRENAMEAT => Rrenameat {}.into(),
        kind::RUNLINKAT => Runlinkat {}.into(),
        _ => return None,
    })
}
