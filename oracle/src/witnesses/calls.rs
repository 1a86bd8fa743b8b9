//! Requests in one line each, with what a witness does not care about left to usual values.

use virtfs_proto::{
    GetattrMask, LockFlags, LockType, LopenFlags, NOFID, Names, SetattrMask, Tattach, Tauth,
    Tclunk, Tgetattr, Timespec, Tlcreate, Tlink, Tlock, Tlopen, Tmkdir, Tmknod, Tread, Treaddir,
    Treadlink, Tremove, Trename, Trenameat, Tsetattr, Tstatfs, Tsymlink, Tunlinkat, Tversion,
    Twalk, Twrite, Txattrcreate, Txattrwalk, UnlinkFlags, XattrFlags,
};

use crate::request::Request;

pub(super) fn version(version: &[u8]) -> Request {
    let msize = 4096;
    Request::new(Tversion { msize, version })
}

pub(super) fn auth(afid: u32) -> Request {
    let (uname, aname, n_uname) = (&b"root"[..], &b""[..], 0);
    Request::new(Tauth {
        afid,
        uname,
        aname,
        n_uname,
    })
}

pub(super) fn attach(fid: u32) -> Request {
    let (uname, aname, n_uname) = (&b""[..], &b""[..], 0);
    Request::new(Tattach {
        fid,
        afid: NOFID,
        uname,
        aname,
        n_uname,
    })
}

pub(super) fn walk(fid: u32, newfid: u32, names: &[&[u8]]) -> Request {
    let names = Names::from_slice(names);
    Request::new(Twalk { fid, newfid, names })
}

pub(super) fn lopen(fid: u32, flags: LopenFlags) -> Request {
    Request::new(Tlopen { fid, flags })
}

/// Two requests: the fid becomes the new file's.
pub(super) fn create(fid: u32, name: &[u8], flags: LopenFlags) -> [Request; 2] {
    let (mode, gid) = (0o644, 1000);
    [
        walk(0, fid, &[]),
        Request::new(Tlcreate {
            fid,
            name,
            flags,
            mode,
            gid,
        }),
    ]
}

pub(super) fn symlink(name: &[u8], target: &[u8]) -> Request {
    Request::new(Tsymlink {
        dfid: 0,
        name,
        target,
        gid: 1000,
    })
}

pub(super) fn mkdir(name: &[u8]) -> Request {
    Request::new(Tmkdir {
        dfid: 0,
        name,
        mode: 0o777,
        gid: 1000,
    })
}

/// A device is 10:0, which no kernel has a driver for.
pub(super) fn mknod(dfid: u32, name: &[u8], mode: u32) -> Request {
    let major = if mode & 0o170000 == 0o020000 { 10 } else { 0 };
    Request::new(Tmknod {
        dfid,
        name,
        mode,
        major,
        minor: 0,
        gid: 1000,
    })
}

pub(super) fn rename(fid: u32, dfid: u32, name: &[u8]) -> Request {
    Request::new(Trename { fid, dfid, name })
}

pub(super) fn renameat(olddirfid: u32, oldname: &[u8], newdirfid: u32, newname: &[u8]) -> Request {
    Request::new(Trenameat {
        olddirfid,
        oldname,
        newdirfid,
        newname,
    })
}

pub(super) fn link(fid: u32, name: &[u8]) -> Request {
    Request::new(Tlink { dfid: 0, fid, name })
}

pub(super) fn unlinkat(name: &[u8], flags: u32) -> Request {
    let flags = UnlinkFlags::from_bits_retain(flags);
    Request::new(Tunlinkat {
        dirfid: 0,
        name,
        flags,
    })
}

pub(super) fn remove(fid: u32) -> Request {
    Request::new(Tremove { fid })
}

pub(super) fn clunk(fid: u32) -> Request {
    Request::new(Tclunk { fid })
}

pub(super) fn readlink(fid: u32) -> Request {
    Request::new(Treadlink { fid })
}

pub(super) fn statfs(fid: u32) -> Request {
    Request::new(Tstatfs { fid })
}

pub(super) fn read(fid: u32, count: u32) -> Request {
    let offset = 0;
    Request::new(Tread { fid, offset, count })
}

pub(super) fn write(fid: u32, offset: u64, data: &[u8]) -> Request {
    let count = data.len() as u32;
    Request::with(Twrite { fid, offset, count }, data)
}

pub(super) fn readdir(fid: u32, count: u32) -> Request {
    Request::new(Treaddir {
        fid,
        offset: 0,
        count,
    })
}

/// Sets what `valid` says: a size of 5, times of long ago, the mode of a link.
pub(super) fn set(fid: u32, valid: SetattrMask) -> Request {
    set_at(fid, valid, 7)
}

/// The same, with these nanoseconds.
pub(super) fn set_at(fid: u32, valid: SetattrMask, nsec: u64) -> Request {
    let sec = 1_000_000_000;
    Request::new(Tsetattr {
        fid,
        valid,
        mode: 0o120700,
        uid: 1000,
        gid: 1000,
        size: 5,
        atime: Timespec { sec, nsec },
        mtime: Timespec { sec, nsec },
    })
}

pub(super) fn xattr(fid: u32, name: &[u8], size: u64) -> Request {
    let flags = XattrFlags::empty();
    Request::new(Txattrcreate {
        fid,
        name,
        size,
        flags,
    })
}

pub(super) fn xattrwalk(fid: u32, newfid: u32, name: &[u8]) -> Request {
    Request::new(Txattrwalk { fid, newfid, name })
}

pub(super) fn getattr(fid: u32) -> Request {
    let request_mask = GetattrMask::BASIC;
    Request::new(Tgetattr { fid, request_mask })
}

pub(super) fn lock(fid: u32, proc_id: u32) -> Request {
    Request::new(Tlock {
        fid,
        kind: LockType::WRLCK,
        flags: LockFlags::empty(),
        start: 0,
        length: 0,
        proc_id,
        client_id: b"host",
    })
}
