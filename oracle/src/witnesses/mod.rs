//! Short schedules that meet the entries of the list that chance may miss: those with the word
//! `witness`. Every run begins with them.

mod calls;

use virtfs_proto::{LopenFlags, NOFID, SetattrMask};

use self::calls::*;
use crate::pair::Start;
use crate::request::Request;

/// All of them. Each begins with the attached root as fid 0.
pub(crate) fn all() -> Vec<(Start, Vec<Request>)> {
    let empty = Start {
        furnished: false,
        uid: 1000,
    };
    let furnished = Start {
        furnished: true,
        uid: 1000,
    };
    let with = |start: Start, schedules: Vec<Vec<Request>>| {
        schedules.into_iter().map(move |requests| (start, requests))
    };
    let mut all: Vec<_> = with(empty, fids()).collect();
    all.extend(with(empty, names()));
    all.extend(with(empty, files()));
    all.extend(with(furnished, attributes()));
    all.extend(with(furnished, xattrs()));
    all.extend(with(furnished, listings()));
    all.extend(with(furnished, metadata()));
    all
}

fn fids() -> Vec<Vec<Request>> {
    let [clone, file] = create(1, b"f", LopenFlags::RDWR);
    vec![
        vec![walk(0, 1, &[]), walk(0, 1, &[b"nowhere"])],
        vec![
            clone.clone(),
            file.clone(),
            walk(0, 2, &[b"f"]),
            rename(2, NOFID, b"g"),
        ],
        vec![
            walk(0, 1, &[]),
            lopen(1, LopenFlags::RDONLY),
            walk(1, 1, &[b"nowhere"]),
        ],
        vec![version(b"9P3000"), attach(0)],
        vec![
            version(b"9P2000.L"),
            attach(0),
            symlink(b"s", &[b'/'; 4090]),
        ],
        vec![version(b"9P2000.L"), attach(0), clone, file, read(1, 5000)],
        vec![auth(1)],
    ]
}

fn names() -> Vec<Vec<Request>> {
    let [clone, file] = create(1, b"f", LopenFlags::RDWR);
    let long = [b'n'; 256];
    let odd = 0o030644;
    vec![
        vec![walk(0, 1, &[b"nowhere", &long])],
        vec![symlink(b"s", b"a"), walk(0, 1, &[b"s", b"..", b"nowhere"])],
        vec![clone.clone(), file.clone(), walk(1, 2, &[b".."])],
        vec![
            clone,
            file,
            walk(0, 2, &[b"f"]),
            renameat(2, b"x", 2, b".virtfs_metadata"),
        ],
        vec![mknod(0, b"a/b", odd)],
        vec![
            symlink(b"s", b"a"),
            walk(0, 1, &[b"s"]),
            mknod(1, b"x", odd),
        ],
        vec![unlinkat(b"..", 1)],
        vec![symlink(b"..", b"")],
    ]
}

fn files() -> Vec<Vec<Request>> {
    let [clone, file] = create(1, b"f", LopenFlags::RDWR);
    let [_, unreadable] = create(1, b"f", LopenFlags::NOACCESS);
    let [_, unwritable] = create(1, b"f", LopenFlags::RDONLY);
    let size = SetattrMask::SIZE;
    vec![
        vec![
            mknod(0, b"c", 0o020600),
            walk(0, 1, &[b"c"]),
            lopen(1, LopenFlags::RDONLY),
        ],
        vec![clone.clone(), unwritable.clone(), write(1, 0, b"")],
        vec![clone.clone(), unwritable, set(1, size)],
        vec![
            clone.clone(),
            unreadable,
            walk(0, 2, &[b"f"]),
            set(2, size | SetattrMask::ATIME | SetattrMask::ATIME_SET),
            read(1, 5),
        ],
        vec![
            clone,
            file,
            walk(0, 2, &[b"f"]),
            lopen(2, LopenFlags::RDWR),
            lock(1, 1),
            lock(2, 2),
        ],
    ]
}

fn attributes() -> Vec<Vec<Request>> {
    let (mode, size) = (SetattrMask::MODE, SetattrMask::SIZE);
    let mtime = SetattrMask::MTIME | SetattrMask::MTIME_SET;
    vec![
        vec![walk(0, 1, &[b"a"]), set(1, size | mtime)],
        vec![symlink(b"s", b"a"), walk(0, 1, &[b"s"]), set(1, mode)],
        vec![symlink(b"s", b"a"), walk(0, 1, &[b"s"]), set(1, size)],
        vec![walk(0, 1, &[b"p"]), set(1, size)],
        vec![walk(0, 1, &[]), lopen(1, LopenFlags::RDONLY), set(1, size)],
        vec![
            walk(0, 1, &[b"p"]),
            getattr(1),
            set_at(1, mode | mtime, u64::MAX),
        ],
        vec![walk(0, 1, &[b"p"]), statfs(1)],
        vec![walk(0, 1, &[b"p"]), lopen(1, LopenFlags::NOACCESS)],
        vec![walk(0, 1, &[b"p"]), lopen(1, LopenFlags::DIRECTORY)],
        vec![walk(0, 1, &[b"a"]), readlink(1)],
    ]
}

fn xattrs() -> Vec<Vec<Request>> {
    // Owner rw, group r, others r.
    let acl = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let [clone, file] = create(5, b"f", LopenFlags::RDWR);
    let default = b"system.posix_acl_default";
    vec![
        vec![
            walk(0, 1, &[]),
            xattr(1, default, 28),
            write(1, 0, acl),
            clunk(1),
            mkdir(b"q"),
        ],
        vec![
            walk(0, 1, &[b"a"]),
            xattr(1, b"user.a", 4),
            write(1, 2, b"cd"),
            clunk(1),
        ],
        vec![
            walk(0, 1, &[b"a"]),
            xattr(1, b"user.a", 1),
            write(1, 0, b"x"),
            version(b"9P2000.L"),
        ],
        vec![
            symlink(b"s", b"a"),
            walk(0, 1, &[b"s"]),
            xattrwalk(1, 2, b"user."),
            xattr(1, b"user.a", 1),
            write(1, 0, b"x"),
            clunk(1),
        ],
        vec![
            clone,
            file,
            walk(0, 1, &[b"f"]),
            walk(1, 2, &[]),
            xattr(2, b"user.a", 1),
            write(2, 0, b"x"),
            rename(1, 0, b"q"),
            clunk(2),
        ],
    ]
}

fn listings() -> Vec<Vec<Request>> {
    let begun = |flags| vec![walk(0, 1, &[]), lopen(1, flags), readdir(1, 26)];
    let more = [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"].map(|name| mkdir(name));
    let atime = SetattrMask::ATIME | SetattrMask::ATIME_SET;
    let plain = LopenFlags::DIRECTORY;
    vec![
        [
            begun(plain),
            more.to_vec(),
            vec![readdir(1, 4000).behind(0)],
        ]
        .concat(),
        [begun(plain), vec![set(0, atime), readdir(1, 60).behind(0)]].concat(),
        begun(plain | LopenFlags::NOATIME),
        vec![
            symlink(b"s", b"a"),
            walk(0, 1, &[]),
            lopen(1, plain),
            readdir(1, 4000),
        ],
    ]
}

/// Of mapped-file.
fn metadata() -> Vec<Vec<Request>> {
    const REMOVEDIR: u32 = 0x200;
    vec![
        vec![
            walk(0, 1, &[b"b"]),
            mknod(1, b"h", 0o010600),
            unlinkat(b"b", REMOVEDIR),
        ],
        vec![walk(0, 1, &[b"b"]), renameat(0, b"p", 1, b"f")],
        vec![walk(0, 1, &[b"a"]), link(1, b"q")],
        vec![
            mknod(0, b"g", 0o010600),
            unlinkat(b"g", 0),
            walk(0, 1, &[]),
            remove(1),
        ],
    ]
}
