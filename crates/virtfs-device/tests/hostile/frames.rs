//! Good chains that hold malformed frames, and too little room: answered, as far as there is room
//! for an answer.

use virtfs_proto::{GetattrMask, NOTAG, Tclunk, Tgetattr, Tread, Twrite, kind};
use virtfs_tests::errno::{EMSGSIZE, ENOENT, EOPNOTSUPP, EPROTO};
use virtfs_tests::{frame, frame_with};

use crate::site::{FILE, GATE, HELLO, Site, read_of};

const STAT: Tgetattr = Tgetattr {
    fid: 0,
    request_mask: GetattrMask::BASIC,
};

#[test]
fn a_size_that_is_not_the_chains_is_answered() {
    let mut site = Site::new();
    let good = frame(0x1234, STAT);
    let length = good.len() as u32;
    for size in [0, 1, 6, 7, length - 1, length + 1, 8192, 1 << 20, u32::MAX] {
        let mut bad = good.clone();
        bad[..4].copy_from_slice(&size.to_le_bytes());
        let reply = site.send(&bad, 256);
        assert_eq!(
            (reply.tag(), reply.ecode()),
            (0x1234, Some(EPROTO)),
            "{size}"
        );
        site.assert_serves();
    }
}

#[test]
fn a_frame_beyond_the_msize_is_answered() {
    let mut site = Site::new();
    let payload = vec![7; 70 << 10];
    let (fid, offset, count) = (GATE, 0, payload.len() as u32);
    let write = Twrite { fid, offset, count };
    let reply = site.send(&frame_with(3, write, &payload), 256);
    assert_eq!(reply.tag(), 3);
    assert!(reply.ecode().is_some());
    assert_eq!(site.gate.blocked(), 0, "it is not begun");
    site.assert_serves();
}

#[test]
fn a_message_that_nobody_knows_is_answered() {
    let mut site = Site::new();
    for kind in [0, 1, 6, 10, 53, 99, 106, 200, 255] {
        let mut bytes = frame(77, STAT);
        bytes[4] = kind;
        let reply = site.send(&bytes, 256);
        assert_eq!(
            (reply.tag(), reply.ecode()),
            (77, Some(EOPNOTSUPP)),
            "{kind}"
        );
    }
    site.assert_serves();
}

#[test]
fn a_head_that_ends_early_is_answered() {
    let mut site = Site::new();
    for message in [
        frame(5, STAT),
        frame(5, read_of(FILE, 9)),
        frame(5, Tclunk { fid: 9 }),
    ] {
        for length in 7..message.len() {
            let mut bytes = message[..length].to_vec();
            bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
            let reply = site.send(&bytes, 256);
            assert_eq!((reply.tag(), reply.ecode()), (5, Some(EPROTO)), "{length}");
        }
    }
    site.assert_serves();
}

#[test]
fn a_write_that_claims_more_than_came_is_answered() {
    let mut site = Site::new();
    for (count, came) in [(100, 0), (100, 99), (u32::MAX, 10), (1, 0)] {
        let write = Twrite {
            fid: GATE,
            offset: 0,
            count: came,
        };
        let mut bytes = frame_with(5, write, &vec![7; came as usize]);
        bytes[19..23].copy_from_slice(&u32::to_le_bytes(count));
        let reply = site.send(&bytes, 256);
        assert_eq!(reply.tag(), 5);
        assert!(reply.ecode().is_some(), "{count} {came}");
        assert_eq!(site.gate.blocked(), 0, "it is not begun");
    }
    site.assert_serves();
}

/// An `Rlerror` has 11 bytes: with less room there is no reply, and with less than a header the
/// driver breaks the ring.
#[test]
fn a_reply_without_room_is_none() {
    let mut site = Site::new();
    for room in 7..11 {
        let submitted = site.submit(&frame(room as u16, STAT), room);
        assert_eq!(site.answer(submitted).bytes, b"", "{room}");
        // An error has no room either.
        let submitted = site.submit(&frame(room as u16, read_of(99, 10)), room);
        assert_eq!(site.answer(submitted).bytes, b"", "{room}");
    }
    site.assert_serves();
}

#[test]
fn a_reply_that_does_not_fit_is_an_error_that_does() {
    let mut site = Site::new();
    for room in [11, 12, 100, 159] {
        let reply = site.send(&frame(5, STAT), room);
        assert_eq!((reply.tag(), reply.ecode()), (5, Some(EMSGSIZE)), "{room}");
    }
    assert_eq!(site.send(&frame(5, STAT), 160).kind(), kind::RGETATTR);
    let unknown = Tgetattr { fid: 99, ..STAT };
    assert_eq!(site.send(&frame(5, unknown), 11).ecode(), Some(ENOENT));
}

#[test]
fn a_read_gives_no_more_than_has_room() {
    let mut site = Site::new();
    for (room, expected) in [(11, 0), (12, 1), (16, 5), (24, 13), (25, 13)] {
        let reply = site.send(&frame(5, read_of(FILE, 10_000)), room);
        if expected == 0 {
            // No byte has room: an empty read would be the end of the file.
            assert!(
                reply.ecode().is_some() || reply.payload().is_empty(),
                "{reply:?}"
            );
            continue;
        }
        assert_eq!(reply.payload(), &HELLO[..expected]);
    }
    let huge = Tread {
        fid: FILE,
        offset: 0,
        count: u32::MAX,
    };
    assert_eq!(site.send(&frame(5, huge), 100).payload(), HELLO);
    assert_eq!(
        site.send(&frame(NOTAG, read_of(FILE, 5)), 16).payload(),
        b"hello"
    );
}

#[test]
fn a_tag_that_is_in_use_breaks_the_ring() {
    use virtfs_tests::virtio::Attached;
    let mut site = Site::new();
    let _blocked = site.block(40, 1);
    let _again = site.submit(&frame(40, STAT), 256);
    assert!(site.direct.broken().wait(virtfs_tests::PATIENCE));
    assert!(!site.direct.device.is_running());
    site.assert_starts_anew();
    assert_eq!(site.direct.breaks(), 1);
}
