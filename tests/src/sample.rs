//! Requests to start from: one of each, and a session that goes well.

use virtfs_proto::{
    GetattrMask, LockFlags, LockType, LopenFlags, NOFID, NOTAG, Names, SetattrMask, Tattach,
    Tclunk, Tflush, Tfsync, Tgetattr, Tgetlock, Timespec, Tlcreate, Tlink, Tlock, Tlopen, Tmessage,
    Tmkdir, Tmknod, Tread, Treaddir, Treadlink, Tremove, Trename, Trenameat, Tsetattr, Tstatfs,
    Tsymlink, Tunlinkat, Tversion, Twalk, Twrite, Txattrcreate, Txattrwalk, UnlinkFlags,
    XattrFlags,
};

use crate::frames::Frames;

/// Every request of 9P2000.L that acts on a fid, on this one, some more than once. `other` is a
/// directory, `newfid` a number that is free.
pub fn requests_on(fid: u32, other: u32, newfid: u32) -> Vec<Tmessage<'static>> {
    let (offset, start, length, proc_id, gid) = (0, 0, 0, 1, 0);
    let client_id = b"c";
    let name: &[u8] = b"new";
    vec![
        Tstatfs { fid }.into(),
        Tlopen {
            fid,
            flags: LopenFlags::RDONLY,
        }
        .into(),
        Tlopen {
            fid,
            flags: LopenFlags::RDWR | LopenFlags::TRUNC,
        }
        .into(),
        Tlcreate {
            fid,
            name,
            flags: LopenFlags::RDWR,
            mode: 0o600,
            gid,
        }
        .into(),
        Tsymlink {
            dfid: fid,
            name: b"s",
            target: b"t",
            gid,
        }
        .into(),
        Tmknod {
            dfid: fid,
            name: b"n",
            mode: 0o010600,
            major: 0,
            minor: 0,
            gid,
        }
        .into(),
        Trename {
            fid,
            dfid: other,
            name: b"moved",
        }
        .into(),
        Treadlink { fid }.into(),
        Tgetattr {
            fid,
            request_mask: GetattrMask::ALL,
        }
        .into(),
        Tsetattr {
            fid,
            valid: SetattrMask::SIZE,
            mode: 0,
            uid: 0,
            gid,
            size: 1,
            atime: Timespec::default(),
            mtime: Timespec::default(),
        }
        .into(),
        Txattrwalk {
            fid,
            newfid,
            name: b"",
        }
        .into(),
        Txattrwalk {
            fid,
            newfid,
            name: b"user.a",
        }
        .into(),
        Txattrcreate {
            fid,
            name: b"user.b",
            size: 1,
            flags: XattrFlags::empty(),
        }
        .into(),
        Treaddir {
            fid,
            offset,
            count: 1000,
        }
        .into(),
        Tfsync { fid, datasync: 0 }.into(),
        Tlock {
            fid,
            kind: LockType::WRLCK,
            flags: LockFlags::empty(),
            start,
            length,
            proc_id,
            client_id,
        }
        .into(),
        Tgetlock {
            fid,
            kind: LockType::WRLCK,
            start,
            length,
            proc_id,
            client_id,
        }
        .into(),
        Tlink {
            dfid: fid,
            fid: other,
            name: b"l",
        }
        .into(),
        Tlink {
            dfid: other,
            fid,
            name: b"l",
        }
        .into(),
        Tmkdir {
            dfid: fid,
            name: b"m",
            mode: 0o700,
            gid,
        }
        .into(),
        Trenameat {
            olddirfid: fid,
            oldname: b"a",
            newdirfid: other,
            newname: b"b",
        }
        .into(),
        Trenameat {
            olddirfid: other,
            oldname: b"a",
            newdirfid: fid,
            newname: b"b",
        }
        .into(),
        Tunlinkat {
            dirfid: fid,
            name: b"a",
            flags: UnlinkFlags::empty(),
        }
        .into(),
        Tread {
            fid,
            offset,
            count: 10,
        }
        .into(),
        Twrite {
            fid,
            offset,
            count: 0,
        }
        .into(),
        Twalk {
            fid,
            newfid,
            names: Names::from_slice(&[]),
        }
        .into(),
        Twalk {
            fid,
            newfid: fid,
            names: Names::from_slice(&[]),
        }
        .into(),
        Twalk {
            fid: other,
            newfid: fid,
            names: Names::from_slice(&[]),
        }
        .into(),
        Tattach {
            fid,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: 0,
        }
        .into(),
        Tremove { fid }.into(),
        Tclunk { fid }.into(),
    ]
}

/// A session of twenty requests that does some of everything.
pub fn good_session() -> Frames {
    let mut frames = Frames::new();
    let version = b"9P2000.L";
    frames.add(
        NOTAG,
        Tversion {
            msize: 8192,
            version,
        },
    );
    frames.add(
        1,
        Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: 0,
        },
    );
    let (gid, dfid) = (0, 0);
    frames.add(
        2,
        Tmkdir {
            dfid,
            name: b"d",
            mode: 0o755,
            gid,
        },
    );
    let names: &[&[u8]] = &[b"d"];
    frames.add(
        3,
        Twalk {
            fid: 0,
            newfid: 1,
            names: Names::from_slice(names),
        },
    );
    frames.add(
        4,
        Tlcreate {
            fid: 1,
            name: b"f",
            flags: LopenFlags::RDWR,
            mode: 0o644,
            gid,
        },
    );
    frames.add_with(
        5,
        Twrite {
            fid: 1,
            offset: 0,
            count: 5,
        },
        b"hello",
    );
    frames.add(
        6,
        Tread {
            fid: 1,
            offset: 0,
            count: 100,
        },
    );
    frames.add(
        7,
        Tsymlink {
            dfid,
            name: b"s",
            target: b"d/f",
            gid,
        },
    );
    frames.add(
        8,
        Trenameat {
            olddirfid: 0,
            oldname: b"s",
            newdirfid: 0,
            newname: b"t",
        },
    );
    frames.add(
        9,
        Twalk {
            fid: 0,
            newfid: 2,
            names: Names::from_slice(names),
        },
    );
    frames.add(
        10,
        Txattrcreate {
            fid: 2,
            name: b"user.a",
            size: 2,
            flags: XattrFlags::empty(),
        },
    );
    frames.add_with(
        11,
        Twrite {
            fid: 2,
            offset: 0,
            count: 2,
        },
        b"ab",
    );
    frames.add(12, Tclunk { fid: 2 });
    frames.add(
        13,
        Twalk {
            fid: 0,
            newfid: 3,
            names: Names::from_slice(&[]),
        },
    );
    frames.add(
        14,
        Tlopen {
            fid: 3,
            flags: LopenFlags::RDONLY,
        },
    );
    frames.add(
        15,
        Treaddir {
            fid: 3,
            offset: 0,
            count: 500,
        },
    );
    frames.add(
        16,
        Tunlinkat {
            dirfid: 0,
            name: b"t",
            flags: UnlinkFlags::empty(),
        },
    );
    frames.add(17, Tflush { oldtag: 99 });
    frames.add(18, Tremove { fid: 1 });
    frames.add(
        19,
        Tgetattr {
            fid: 0,
            request_mask: GetattrMask::BASIC,
        },
    );
    frames
}
