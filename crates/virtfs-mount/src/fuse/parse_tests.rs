//! Each request from hand-made bytes, and what is not a request.

use zerocopy::IntoBytes;

use super::*;
use crate::fuse::WRITE_CACHE;

const AGREED: Agreed = Agreed {
    minor: 45,
    max_write: 1 << 20,
    setxattr_ext: true,
};

/// The bytes of a request's fields.
macro_rules! bytes {
    ($($field:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut bytes = Vec::<u8>::new();
        $(bytes.extend_from_slice(&Field::bytes($field));)*
        bytes
    }};
}

trait Field {
    fn bytes(self) -> Vec<u8>;
}

impl Field for u32 {
    fn bytes(self) -> Vec<u8> {
        self.to_ne_bytes().to_vec()
    }
}

impl Field for u64 {
    fn bytes(self) -> Vec<u8> {
        self.to_ne_bytes().to_vec()
    }
}

impl Field for &str {
    fn bytes(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
    let len = 40 + body.len() as u32;
    let mut bytes = bytes![
        len, opcode, 77_u64, 5_u64, 1000_u32, 100_u32, 4242_u32, 0_u32
    ];
    bytes.extend_from_slice(body);
    bytes
}

fn parsed<'a>(bytes: &'a [u8], agreed: &Agreed) -> Result<Request<'a>, Refused> {
    parse(bytes, &header(bytes).expect("a whole header"), agreed)
}

fn lock_in() -> LockIn {
    LockIn {
        fh: 3,
        owner: 9,
        start: 10,
        end: 20,
        kind: LockKind::Write,
        pid: 6,
        flock: true,
    }
}

/// Every request with its meaning.
fn samples() -> Vec<(u32, Vec<u8>, Op<'static>)> {
    const FH: u64 = 3;
    let lock = || bytes![FH, 9_u64, 10_u64, 20_u64, 1_u32, 6_u32, 1_u32, 0_u32];
    let read = |flags: u32| bytes![FH, 10_u64, 20_u32, flags, 9_u64, 6_u32, 0_u32];
    const RENAMED: Op<'_> = Op::Rename {
        name: b"a",
        new_parent: 8,
        new_name: b"bc",
        flags: 0,
    };
    vec![
        (abi::LOOKUP, bytes!["name\0"], Op::Lookup { name: b"name" }),
        (
            abi::FORGET,
            bytes![2_u64],
            Op::Forget(Forgets {
                one: Some((5, 2)),
                rest: &[],
            }),
        ),
        (
            abi::GETATTR,
            bytes![1_u32, 0_u32, FH],
            Op::Getattr { fh: Some(FH) },
        ),
        (
            abi::GETATTR,
            bytes![0_u32, 0_u32, FH],
            Op::Getattr { fh: None },
        ),
        (
            abi::SETATTR,
            bytes![
                0xfff_u32 & !(1 << 8),
                0_u32,
                FH,
                10_u64,
                9_u64,
                11_u64,
                u64::MAX,
                13_u64,
                1_u32,
                2_u32,
                3_u32,
                0o100_644_u32,
                0_u32,
                1_u32,
                2_u32,
                0_u32
            ],
            Op::Setattr(SetattrIn {
                fh: Some(FH),
                mode: Some(0o100_644),
                uid: Some(1),
                gid: Some(2),
                size: Some(10),
                atime: Some(SetTime::Now),
                mtime: Some(SetTime::At(Time { sec: -1, nsec: 2 })),
                ctime: Some(Time { sec: 13, nsec: 3 }),
                lock_owner: Some(9),
                kill_suidgid: true,
            }),
        ),
        (abi::SETATTR, vec![0; 88], Op::Setattr(SetattrIn::default())),
        (abi::READLINK, bytes![], Op::Readlink),
        (
            abi::SYMLINK,
            bytes!["name\0../to/there\0"],
            Op::Symlink {
                name: b"name",
                target: b"../to/there",
            },
        ),
        (
            abi::MKNOD,
            bytes![0o20_600_u32, 0x501_u32, 0o22_u32, 0_u32, "tty\0"],
            Op::Mknod {
                name: b"tty",
                mode: 0o20_600,
                rdev: 0x501,
                umask: 0o22,
            },
        ),
        (
            abi::MKDIR,
            bytes![0o755_u32, 0o22_u32, "d\0"],
            Op::Mkdir {
                name: b"d",
                mode: 0o755,
                umask: 0o22,
            },
        ),
        (abi::UNLINK, bytes!["f\0"], Op::Unlink { name: b"f" }),
        (abi::RMDIR, bytes!["d\0"], Op::Rmdir { name: b"d" }),
        (abi::RENAME, bytes![8_u64, "a\0bc\0"], RENAMED),
        (
            abi::RENAME2,
            bytes![8_u64, 1_u32, 0_u32, "a\0bc\0"],
            Op::Rename {
                name: b"a",
                new_parent: 8,
                new_name: b"bc",
                flags: 1,
            },
        ),
        (
            abi::LINK,
            bytes![8_u64, "l\0"],
            Op::Link {
                old_node: 8,
                name: b"l",
            },
        ),
        (
            abi::OPEN,
            bytes![0o2_u32, 1_u32],
            Op::Open {
                flags: 2,
                kill_suidgid: true,
            },
        ),
        (
            abi::CREATE,
            bytes![0o101_u32, 0o100_644_u32, 0o22_u32, 0_u32, "new\0"],
            Op::Create {
                name: b"new",
                flags: 0o101,
                mode: 0o100_644,
                umask: 0o22,
                kill_suidgid: false,
            },
        ),
        (
            abi::TMPFILE,
            bytes![0o2_u32, 0o100_600_u32, 0o22_u32, 0_u32],
            Op::Tmpfile {
                flags: 2,
                mode: 0o100_600,
                umask: 0o22,
            },
        ),
        (
            abi::READ,
            read(2),
            Op::Read {
                fh: FH,
                offset: 10,
                size: 20,
                flags: 6,
                lock_owner: Some(9),
            },
        ),
        (
            abi::READ,
            read(0),
            Op::Read {
                fh: FH,
                offset: 10,
                size: 20,
                flags: 6,
                lock_owner: None,
            },
        ),
        (
            abi::WRITE,
            bytes![
                FH,
                10_u64,
                4_u32,
                2_u32 | WRITE_CACHE,
                9_u64,
                6_u32,
                0_u32,
                "data"
            ],
            Op::Write {
                fh: FH,
                offset: 10,
                data: b"data",
                flags: 6,
                write_flags: 3,
                lock_owner: Some(9),
            },
        ),
        (abi::STATFS, bytes![], Op::Statfs),
        (
            abi::RELEASE,
            bytes![FH, 2_u32, 2_u32, 9_u64],
            Op::Release {
                fh: FH,
                flags: 2,
                lock_owner: 9,
                flock_release: true,
            },
        ),
        (
            abi::FLUSH,
            bytes![FH, 0_u32, 0_u32, 9_u64],
            Op::Flush {
                fh: FH,
                lock_owner: 9,
            },
        ),
        (
            abi::FSYNC,
            bytes![FH, 1_u32, 0_u32],
            Op::Fsync {
                fh: FH,
                datasync: true,
            },
        ),
        (
            abi::SETXATTR,
            bytes![3_u32, 1_u32, 1_u32, 0_u32, "user.a/b\0xyz"],
            Op::Setxattr {
                name: b"user.a/b",
                value: b"xyz",
                flags: 1,
                clear_sgid: true,
            },
        ),
        (
            abi::GETXATTR,
            bytes![16_u32, 0_u32, "user.a\0"],
            Op::Getxattr {
                name: b"user.a",
                size: 16,
            },
        ),
        (
            abi::LISTXATTR,
            bytes![16_u32, 0_u32],
            Op::Listxattr { size: 16 },
        ),
        (
            abi::REMOVEXATTR,
            bytes!["user.a\0"],
            Op::Removexattr { name: b"user.a" },
        ),
        (
            abi::OPENDIR,
            bytes![0o200_000_u32, 0_u32],
            Op::Opendir { flags: 0o200_000 },
        ),
        (
            abi::READDIR,
            read(0),
            Op::Readdir {
                fh: FH,
                offset: 10,
                size: 20,
            },
        ),
        (
            abi::READDIRPLUS,
            read(0),
            Op::Readdirplus {
                fh: FH,
                offset: 10,
                size: 20,
            },
        ),
        (
            abi::RELEASEDIR,
            bytes![FH, 2_u32, 0_u32, 0_u64],
            Op::Releasedir { fh: FH, flags: 2 },
        ),
        (
            abi::FSYNCDIR,
            bytes![FH, 0_u32, 0_u32],
            Op::Fsyncdir {
                fh: FH,
                datasync: false,
            },
        ),
        (abi::GETLK, lock(), Op::Getlk(lock_in())),
        (abi::SETLK, lock(), Op::Setlk(lock_in())),
        (abi::SETLKW, lock(), Op::Setlkw(lock_in())),
        (abi::ACCESS, bytes![4_u32, 0_u32], Op::Access { mask: 4 }),
        (
            abi::FALLOCATE,
            bytes![FH, 10_u64, 20_u64, 1_u32, 0_u32],
            Op::Fallocate {
                fh: FH,
                offset: 10,
                length: 20,
                mode: 1,
            },
        ),
        (
            abi::LSEEK,
            bytes![FH, 10_u64, 3_u32, 0_u32],
            Op::Lseek {
                fh: FH,
                offset: 10,
                whence: 3,
            },
        ),
        (
            abi::COPY_FILE_RANGE,
            bytes![FH, 10_u64, 8_u64, 4_u64, 20_u64, 30_u64, 0_u64],
            Op::CopyFileRange {
                fh_in: FH,
                offset_in: 10,
                node_out: 8,
                fh_out: 4,
                offset_out: 20,
                length: 30,
                flags: 0,
            },
        ),
        (abi::SYNCFS, bytes![0_u64], Op::Syncfs),
        (
            abi::STATX,
            bytes![1_u32, 0_u32, FH, 0x1000_u32, 0xfff_u32],
            Op::Statx {
                fh: Some(FH),
                flags: 0x1000,
                mask: 0xfff,
            },
        ),
    ]
}

#[test]
fn every_request_is_what_its_bytes_say() {
    for (opcode, body, op) in samples() {
        let bytes = request(opcode, &body);
        let expected = Request {
            unique: 77,
            node: 5,
            uid: 1000,
            gid: 100,
            pid: 4242,
            op,
        };
        assert_eq!(parsed(&bytes, &AGREED), Ok(expected));
    }
}

#[test]
fn every_opcode_has_a_sample_or_is_not_for_the_handler() {
    let sessions = [
        abi::INIT,
        abi::INTERRUPT,
        abi::DESTROY,
        abi::NOTIFY_REPLY,
        abi::BATCH_FORGET,
    ];
    for opcode in abi::ALL_OPCODES
        .iter()
        .filter(|opcode| !sessions.contains(opcode))
    {
        assert!(
            samples().iter().any(|(sample, ..)| sample == opcode),
            "{opcode}"
        );
    }
}

#[test]
fn no_truncated_request_is_taken_for_a_whole_one() {
    for (opcode, body, _) in samples() {
        if matches!(opcode, abi::SYNCFS) {
            continue;
        }
        for len in 0..body.len() {
            let bytes = request(opcode, &body[..len]);
            assert_eq!(
                parsed(&bytes, &AGREED).unwrap_err().unique,
                77,
                "{opcode} cut to {len}"
            );
        }
    }
}

#[test]
fn a_length_that_is_not_that_of_the_read_is_refused() {
    for (opcode, body, _) in samples() {
        let mut bytes = request(opcode, &body);
        bytes.push(0);
        assert_eq!(parsed(&bytes, &AGREED).unwrap_err().errno, Errno::IO);
        for len in 0..40 {
            assert!(header(&bytes[..len]).is_none());
        }
        for len in 40..bytes.len() - 1 {
            assert_eq!(parsed(&bytes[..len], &AGREED).unwrap_err().errno, Errno::IO);
        }
    }
}

#[test]
fn extensions_at_the_end_are_not_part_of_the_request() {
    let mut bytes = request(abi::LOOKUP, b"name\0\0\0\0extended");
    bytes[36..38].copy_from_slice(&1_u16.to_ne_bytes());
    assert_eq!(
        parsed(&bytes, &AGREED).unwrap().op,
        Op::Lookup { name: b"name" }
    );
    // More of them than there are bytes.
    for units in [3_u16, 7, u16::MAX] {
        bytes[36..38].copy_from_slice(&units.to_ne_bytes());
        assert_eq!(parsed(&bytes, &AGREED).unwrap_err().errno, Errno::IO);
    }
}

#[test]
fn any_bytes_whatever_are_parsed_without_a_panic() {
    // xorshift64: the same bytes every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for opcode in 0..60 {
        for _ in 0..500 {
            let len = next() % 120;
            let mut body: Vec<u8> = (0..len).map(|_| next() as u8).collect();
            if next() % 2 == 0 {
                body.iter_mut().for_each(|byte| *byte &= 0x41);
            }
            let mut bytes = request(opcode, &body);
            if next() % 4 == 0 {
                bytes[36] = next() as u8 % 8;
            }
            let agreed = Agreed {
                setxattr_ext: next() % 2 == 0,
                ..AGREED
            };
            if let Ok(Request {
                op: Op::Forget(forgets),
                ..
            }) = parsed(&bytes, &agreed)
            {
                assert!(forgets.count() <= 8);
            }
            let _ = interrupted(&bytes);
        }
    }
}

#[test]
fn names_that_are_no_names_are_refused() {
    let long = [b"x".repeat(256), b"\0".to_vec()].concat();
    let longest = [b"x".repeat(255), b"\0".to_vec()].concat();
    let errno = |opcode, body: &[u8]| {
        parsed(&request(opcode, body), &AGREED)
            .map(|_| ())
            .map_err(|refused| refused.errno)
    };
    for opcode in [abi::LOOKUP, abi::UNLINK, abi::RMDIR] {
        for name in ["\0", ".\0", "..\0", "a/b\0", "/\0"] {
            assert_eq!(
                errno(opcode, name.as_bytes()),
                Err(Errno::INVAL),
                "{name:?}"
            );
        }
        assert_eq!(errno(opcode, &long), Err(Errno::NAMETOOLONG));
        assert_eq!(errno(opcode, &longest), Ok(()));
        assert_eq!(errno(opcode, b"no end"), Err(Errno::IO));
    }
    let rename = |names: &str| bytes![8_u64, names];
    for names in ["a\0..\0", ".\0b\0", "\0b\0", "a\0\0", "a/\0b\0"] {
        assert_eq!(
            errno(abi::RENAME, &rename(names)),
            Err(Errno::INVAL),
            "{names:?}"
        );
    }
    assert_eq!(errno(abi::RENAME, &rename("a\0")), Err(Errno::IO));
    assert_eq!(errno(abi::SYMLINK, b"name\0\0"), Err(Errno::INVAL));
    let target = [b"name\0".to_vec(), b"x".repeat(4096), b"\0".to_vec()].concat();
    assert_eq!(errno(abi::SYMLINK, &target), Err(Errno::NAMETOOLONG));
    assert_eq!(errno(abi::REMOVEXATTR, b"\0"), Err(Errno::INVAL));
    assert_eq!(errno(abi::REMOVEXATTR, &long), Err(Errno::NAMETOOLONG));
}

#[test]
fn many_nodes_are_forgotten_in_order() {
    let body = bytes![2_u32, 0_u32, 7_u64, 1_u64, 8_u64, u64::MAX];
    let bytes = request(abi::BATCH_FORGET, &body);
    let Op::Forget(forgets) = parsed(&bytes, &AGREED).unwrap().op else {
        panic!("not a forget")
    };
    assert_eq!(forgets.collect::<Vec<_>>(), [(7, 1), (8, u64::MAX)]);
    for len in 0..body.len() {
        assert!(parsed(&request(abi::BATCH_FORGET, &body[..len]), &AGREED).is_err());
    }
    let too_many = bytes![u32::MAX, 0_u32, 7_u64, 1_u64];
    assert!(parsed(&request(abi::BATCH_FORGET, &too_many), &AGREED).is_err());
}

#[test]
fn setxattr_has_its_short_form_unless_the_long_one_was_agreed() {
    let bytes = request(abi::SETXATTR, &bytes![3_u32, 1_u32, "user.a\0xyz"]);
    let agreed = Agreed {
        setxattr_ext: false,
        ..AGREED
    };
    let op = Op::Setxattr {
        name: b"user.a",
        value: b"xyz",
        flags: 1,
        clear_sgid: false,
    };
    assert_eq!(parsed(&bytes, &agreed).unwrap().op, op);
}

#[test]
fn a_lock_of_an_unknown_kind_is_refused() {
    let mut lock = abi::LkIn::default();
    lock.lk.kind = 3;
    let refused = parsed(&request(abi::SETLK, lock.as_bytes()), &AGREED)
        .unwrap_err()
        .errno;
    assert_eq!(refused, Errno::INVAL);
}

#[test]
fn what_is_not_known_is_unsupported() {
    for opcode in [0, 7, 37, 39, 40, 48, 53, 4096, u32::MAX] {
        assert_eq!(
            parsed(&request(opcode, b""), &AGREED).unwrap().op,
            Op::Unsupported { opcode }
        );
    }
}

#[test]
fn an_interrupt_names_its_request() {
    let bytes = request(abi::INTERRUPT, &bytes![12_u64]);
    assert_eq!(interrupted(&bytes), Some(12));
    for len in 0..bytes.len() {
        assert_eq!(interrupted(&bytes[..len]), None);
    }
}
