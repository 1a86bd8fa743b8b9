//! Messages written out by hand, byte for byte.

use virtfs_proto::*;

/// Bytes from hexadecimal digits; spaces only group them.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The request and the bytes are the same thing.
#[track_caller]
fn request(dialect: Dialect, tag: u16, message: impl Into<Tmessage<'static>>, digits: &str) {
    let (message, bytes, mut buf) = (message.into(), hex(digits), [0xaa; 512]);
    let len = message.encode(dialect, tag, &mut buf).unwrap();
    assert_eq!(buf[..len], bytes);
    assert_eq!(Tmessage::decode(dialect, &bytes), Ok((tag, message)));
}

/// The reply and the bytes are the same thing.
#[track_caller]
fn reply(dialect: Dialect, tag: u16, message: impl Into<Rmessage<'static>>, digits: &str) {
    let (message, bytes, mut buf) = (message.into(), hex(digits), [0xaa; 512]);
    let len = message.encode(dialect, tag, &mut buf).unwrap();
    assert_eq!(buf[..len], bytes);
    assert_eq!(Rmessage::decode(dialect, &bytes), Ok((tag, message)));
}

const DIR: Qid = Qid {
    kind: QidType::DIR,
    version: 0x0403_0201,
    path: 0x1817_1615_1413_1211,
};
const DIR_HEX: &str = "80 01020304 1112131415161718";

#[test]
fn tversion() {
    let message = Tversion {
        msize: 0x1_0000,
        version: b"9P2000.L",
    };
    let bytes = "15000000 64 ffff 00000100 0800 3950323030302e4c";
    for dialect in Dialect::ALL {
        request(dialect, NOTAG, message, bytes);
    }
}

#[test]
fn tattach_has_n_uname_in_u_and_l_alone() {
    let message = Tattach {
        fid: 1,
        afid: NOFID,
        uname: b"root",
        aname: b"/srv",
        n_uname: 1000,
    };
    for dialect in [Dialect::U, Dialect::L] {
        let bytes = "1f000000 68 0100 01000000 ffffffff 0400 726f6f74 0400 2f737276 e8030000";
        request(dialect, 1, message, bytes);
    }
    let message = Tattach {
        n_uname: NONUNAME,
        ..message
    };
    let bytes = "1b000000 68 0100 01000000 ffffffff 0400 726f6f74 0400 2f737276";
    request(Dialect::Plain, 1, message, bytes);
}

#[test]
fn tauth_has_n_uname_in_u_and_l_alone() {
    let message = Tauth {
        afid: 9,
        uname: b"u",
        aname: b"",
        n_uname: 0,
    };
    request(
        Dialect::L,
        1,
        message,
        "14000000 66 0100 09000000 0100 75 0000 00000000",
    );
    let message = Tauth {
        n_uname: NONUNAME,
        ..message
    };
    request(
        Dialect::Plain,
        1,
        message,
        "10000000 66 0100 09000000 0100 75 0000",
    );
}

#[test]
fn twalk() {
    let names = Names::from_slice(&[b"usr", b"lib"]);
    let message = Twalk {
        fid: 0,
        newfid: 1,
        names,
    };
    let bytes = "1b000000 6e 0700 00000000 01000000 0200 0300 757372 0300 6c6962";
    request(Dialect::L, 7, message, bytes);
    let message = Twalk {
        names: Names::default(),
        ..message
    };
    request(
        Dialect::L,
        7,
        message,
        "11000000 6e 0700 00000000 01000000 0000",
    );
}

#[test]
fn rwalk() {
    let qid = Qid {
        kind: QidType::SYMLINK,
        version: 0,
        path: 1,
    };
    let message = Rwalk {
        qids: Qids::from_slice(Box::leak(Box::new([DIR, qid]))),
    };
    let bytes = format!("23000000 6f 0700 0200 {DIR_HEX} 02 00000000 0100000000000000");
    reply(Dialect::U, 7, message, &bytes);
}

#[test]
fn tcreate_has_an_extension_but_in_plain() {
    let message = Tcreate {
        fid: 2,
        name: b"s",
        perm: Perm::SYMLINK | Perm::from_bits_retain(0o644),
        mode: OpenMode::RDWR | OpenMode::TRUNC,
        extension: b"to",
    };
    let bytes = "17000000 72 0100 02000000 0100 73 a4010002 12 0200 746f";
    request(Dialect::U, 1, message, bytes);
    let message = Tcreate {
        extension: b"",
        ..message
    };
    request(
        Dialect::Plain,
        1,
        message,
        "13000000 72 0100 02000000 0100 73 a4010002 12",
    );
}

#[test]
fn rgetattr_has_a_body_of_153_bytes() {
    let message = Rgetattr {
        valid: GetattrMask::BASIC | GetattrMask::GEN,
        qid: DIR,
        mode: 0o40755,
        uid: 1000,
        gid: 100,
        nlink: 2,
        rdev: 0x0ae5,
        size: 4096,
        blksize: 61440,
        blocks: 8,
        atime: Timespec {
            sec: 0x6000_0000,
            nsec: 1,
        },
        mtime: Timespec {
            sec: 0x6000_0001,
            nsec: 2,
        },
        ctime: Timespec {
            sec: 0x6000_0002,
            nsec: 3,
        },
        btime: Timespec {
            sec: u64::MAX,
            nsec: 999_999_999,
        },
        generation: 0x1234,
        data_version: 0x55,
    };
    let body = format!(
        "ff17000000000000 {DIR_HEX} ed410000 e8030000 64000000 0200000000000000 e50a000000000000
         0010000000000000 00f0000000000000 0800000000000000
         0000006000000000 0100000000000000 0100006000000000 0200000000000000
         0200006000000000 0300000000000000 ffffffffffffffff ffc99a3b00000000
         3412000000000000 5500000000000000"
    );
    assert_eq!(hex(&body).len(), 153);
    reply(Dialect::L, 3, message, &format!("a0000000 19 0300 {body}"));
}

#[test]
fn tsetattr() {
    let message = Tsetattr {
        fid: 5,
        valid: SetattrMask::MODE | SetattrMask::SIZE | SetattrMask::MTIME | SetattrMask::MTIME_SET,
        mode: 0o600,
        uid: u32::MAX,
        gid: 0,
        size: 0x0102_0304_0506,
        atime: Timespec::default(),
        mtime: Timespec { sec: 1, nsec: 500 },
    };
    let bytes = "43000000 1a 0200 05000000 29010000 80010000 ffffffff 00000000 0605040302010000
                 0000000000000000 0000000000000000 0100000000000000 f401000000000000";
    request(Dialect::L, 2, message, bytes);
}

#[test]
fn twrite_counts_its_payload_in_its_size() {
    let message = Twrite {
        fid: 3,
        offset: 0x10,
        count: 5,
    };
    request(
        Dialect::L,
        4,
        message,
        "1c000000 76 0400 03000000 1000000000000000 05000000",
    );
}

#[test]
fn rread_counts_its_payload_in_its_size() {
    reply(
        Dialect::U,
        4,
        Rread { count: 0x1000 },
        "0b100000 75 0400 00100000",
    );
}

#[test]
fn rlerror() {
    reply(
        Dialect::L,
        0x102,
        Rlerror { ecode: 95 },
        "0b000000 07 0201 5f000000",
    );
}

#[test]
fn rerror_has_an_ecode_but_in_plain() {
    let message = Rerror {
        ename: b"No such file",
        ecode: 2,
    };
    let bytes = "19000000 6b 0100 0c00 4e6f20737563682066696c65 02000000";
    reply(Dialect::U, 1, message, bytes);
    let bytes = "15000000 6b 0100 0c00 4e6f20737563682066696c65";
    reply(
        Dialect::Plain,
        1,
        Rerror {
            ecode: 0,
            ..message
        },
        bytes,
    );
}

#[test]
fn tlock() {
    let message = Tlock {
        fid: 1,
        kind: LockType::WRLCK,
        flags: LockFlags::BLOCK,
        start: 0x100,
        length: 0,
        proc_id: 4711,
        client_id: b"vm",
    };
    let bytes = "28000000 34 0900 01000000 01 01000000 0001000000000000 0000000000000000
                 67120000 0200 766d";
    request(Dialect::L, 9, message, bytes);
    reply(
        Dialect::L,
        9,
        Rlock {
            status: LockStatus::BLOCKED,
        },
        "08000000 35 0900 01",
    );
}

#[test]
fn tunlinkat() {
    let message = Tunlinkat {
        dirfid: 1,
        name: b"d",
        flags: UnlinkFlags::REMOVEDIR,
    };
    request(
        Dialect::L,
        1,
        message,
        "12000000 4c 0100 01000000 0100 64 00020000",
    );
}

#[test]
fn an_entry_of_rreaddir() {
    let entry = DirEntry {
        qid: DIR,
        offset: 0x7fff_ffff_ffff_fffe,
        kind: 4,
        name: b"etc",
    };
    let bytes = hex(&format!("{DIR_HEX} feffffffffffff7f 04 0300 657463"));
    let mut buf = [0; 64];
    let len = entry.encode(&mut buf).unwrap();
    assert_eq!(buf[..len], bytes);
    assert_eq!(DirEntries::new(&bytes).collect::<Vec<_>>(), [Ok(entry)]);
    reply(
        Dialect::L,
        1,
        Rreaddir { count: 27 },
        "26000000 29 0100 1b000000",
    );
}

fn stat() -> Stat<'static> {
    Stat {
        kind: 0,
        dev: 0,
        qid: DIR,
        mode: Perm::DIR | Perm::from_bits_retain(0o755),
        atime: 0x6000_0000,
        mtime: 0x6000_0001,
        length: 0,
        name: b"etc",
        uid: b"root",
        gid: b"",
        muid: b"",
        extension: b"c 1 3",
        n_uid: 0,
        n_gid: 100,
        n_muid: NONUNAME,
    }
}

const STAT_HEX: &str = "0000 00000000 80 01020304 1112131415161718 ed010080 00000060 01000060
    0000000000000000 0300 657463 0400 726f6f74 0000 0000";
const STAT_U_HEX: &str = "0500 6320312033 00000000 64000000 ffffffff";

#[test]
fn rstat_counts_its_stat_twice() {
    // 61 bytes and the strings in .u.
    let bytes = format!("54000000 7d 0100 4b00 4900 {STAT_HEX} {STAT_U_HEX}");
    reply(Dialect::U, 1, Rstat { stat: stat() }, &bytes);
    reply(Dialect::L, 1, Rstat { stat: stat() }, &bytes);
    let bytes = format!("41000000 7d 0100 3800 3600 {STAT_HEX}");
    let plain = Stat {
        extension: b"",
        n_uid: NONUNAME,
        n_gid: NONUNAME,
        n_muid: NONUNAME,
        ..stat()
    };
    reply(Dialect::Plain, 1, Rstat { stat: plain }, &bytes);
}

#[test]
fn twstat_counts_its_stat_twice() {
    let bytes = format!("58000000 7e 0100 06000000 4b00 4900 {STAT_HEX} {STAT_U_HEX}");
    request(
        Dialect::U,
        1,
        Twstat {
            fid: 6,
            stat: stat(),
        },
        &bytes,
    );
}

#[test]
fn rstat_as_qemu_sends_it_is_understood() {
    let bytes = hex(&format!(
        "54000000 7d 0100 0000 4900 {STAT_HEX} {STAT_U_HEX}"
    ));
    let expected = Ok((1, Rmessage::Stat(Rstat { stat: stat() })));
    assert_eq!(Rmessage::decode(Dialect::U, &bytes), expected);
}
