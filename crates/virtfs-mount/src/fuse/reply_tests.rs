//! Each answer, byte by byte, on a socket in the kernel's place.

use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::*;

/// What the kernel gets: the error, and the body as 32-bit words.
fn sent(answer: impl FnOnce(Reply)) -> (i32, Vec<u32>) {
    let (kernel, device) = pair();
    answer(Reply::new(77, Arc::new(Device::new(device))));
    // The device is closed by now: what follows the answer would be seen.
    let mut bytes = [0; 4096];
    let len = rustix::io::read(&kernel, &mut bytes).unwrap();
    assert_eq!(
        rustix::io::read(&kernel, &mut [0; 16]),
        Ok(0),
        "one write, and no other"
    );
    let words: Vec<_> = bytes[..len]
        .chunks(4)
        .map(|word| u32::from_ne_bytes(word.try_into().expect("whole words")))
        .collect();
    assert_eq!((words[0] as usize, words[2], words[3]), (len, 77, 0));
    (words[1].cast_signed(), words[4..].to_vec())
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap()
}

fn attr() -> Attr {
    let time = |sec, nsec| Time { sec, nsec };
    Attr {
        ino: 1,
        size: 2,
        blocks: 3,
        atime: time(-1, 7),
        mtime: time(5, 8),
        ctime: time(6, 9),
        mode: 10,
        nlink: 11,
        uid: 12,
        gid: 13,
        // 8:17 as the kernel writes it.
        rdev: 0x811,
        blksize: 15,
    }
}

const ATTR: [u32; 22] = [
    1,
    0,
    2,
    0,
    3,
    0,
    u32::MAX,
    u32::MAX,
    5,
    0,
    6,
    0,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    0x811,
    15,
    0,
];

fn entry() -> EntryOut {
    EntryOut {
        node: 20,
        generation: 21,
        entry_valid: Duration::new(22, 24),
        attr_valid: Duration::new(23, 25),
        attr: attr(),
    }
}

const ENTRY: [u32; 10] = [20, 0, 21, 0, 22, 0, 23, 0, 24, 25];

#[test]
fn every_answer_is_laid_out_as_the_kernel_reads_it() {
    assert_eq!(sent(Reply::ok), (0, vec![]));
    assert_eq!(
        sent(|reply| reply.entry(&entry())),
        (0, [&ENTRY[..], &ATTR].concat())
    );
    let valid = Duration::new(1, 2);
    assert_eq!(
        sent(|reply| reply.attr(&attr(), valid)),
        (0, [&[1, 0, 2, 0][..], &ATTR].concat())
    );
    let flags = OpenFlags::DIRECT_IO | OpenFlags::KEEP_CACHE;
    assert_eq!(
        sent(|reply| reply.opened(30, flags)),
        (0, vec![30, 0, 3, 0])
    );
    assert_eq!(
        sent(|reply| reply.created(&entry(), 30, OpenFlags::KEEP_CACHE)),
        (0, [&ENTRY[..], &ATTR, &[30, 0, 2, 0]].concat())
    );
    assert_eq!(sent(|reply| reply.written(40)), (0, vec![40, 0]));
    assert_eq!(sent(|reply| reply.size(41)), (0, vec![41, 0]));
    assert_eq!(
        sent(|reply| reply.lock(LockKind::Write, 1, i64::MAX as u64, 4242)),
        (0, vec![1, 0, u32::MAX, i32::MAX as u32, 1, 4242])
    );
    let statfs = Statfs {
        blocks: 1,
        bfree: 2,
        bavail: 3,
        files: 4,
        ffree: 5,
        bsize: 6,
        namelen: 7,
        frsize: 8,
    };
    let words = vec![1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(sent(|reply| reply.statfs(&statfs)), (0, words));
}

#[test]
fn a_statx_answer_has_the_birth_only_if_known() {
    let (_, words) = sent(|reply| reply.statx(&attr(), None, Duration::ZERO));
    assert_eq!((words.len() * 4, words[8]), (32 + 256, 0x7ff));
    let birth = Time { sec: 50, nsec: 51 };
    let (_, words) = sent(|reply| reply.statx(&attr(), Some(birth), Duration::new(1, 2)));
    assert_eq!(words[..8], [1, 0, 2, 0, 0, 0, 0, 0]);
    let stat = &words[8..];
    // Up to the attributes' mask.
    assert_eq!(
        stat[..16],
        [0xfff, 15, 0, 0, 11, 12, 13, 10, 1, 0, 2, 0, 3, 0, 0, 0]
    );
    let [access, born, changed, modified]: [&[u32]; 4] =
        [&stat[16..20], &stat[20..24], &stat[24..28], &stat[28..32]];
    assert_eq!(access, [u32::MAX, u32::MAX, 7, 0]);
    assert_eq!(
        (born, changed, modified),
        (&[50, 0, 51, 0][..], &[6, 0, 9, 0][..], &[5, 0, 8, 0][..])
    );
    assert_eq!(stat[32..36], [8, 17, 0, 0]);
}

#[test]
fn data_go_out_in_one_piece_from_any_number_of_parts() {
    let word = 7_u32.to_ne_bytes();
    for parts in [0, 1, 7, 8, 9, 1000] {
        let parts = vec![&word[..]; parts];
        assert_eq!(sent(|reply| reply.data(&parts)), (0, vec![7; parts.len()]));
    }
    let (mut parts, half) = (vec![&[][..]; 2000], 7_u16.to_ne_bytes());
    parts[3] = &half;
    parts[1999] = &half;
    assert_eq!(sent(|reply| reply.data(&parts)).1.len(), 1);
}

#[test]
fn an_error_is_one_that_the_kernel_accepts() {
    assert_eq!(sent(|reply| reply.error(2)), (-2, vec![]));
    assert_eq!(sent(|reply| reply.error(511)), (-511, vec![]));
    for odd in [0, -2, 512, 4095, i32::MIN, i32::MAX] {
        assert_eq!(sent(|reply| reply.error(odd)), (-5, vec![]), "{odd}");
    }
}

#[test]
fn a_reply_that_is_dropped_is_an_io_error() {
    assert_eq!(sent(drop), (-5, vec![]));
}

#[test]
fn what_has_no_answer_gets_none() {
    Reply::none(77).ok();
    Reply::none(77).error(5);
    drop(Reply::none(77));
}
