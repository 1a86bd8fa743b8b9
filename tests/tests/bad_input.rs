//! Whatever a client sends: an errno, or the end of that session alone.

use std::time::Duration;

use virtfs_proto::{GetattrMask, Tflush, Tgetattr, Tread, Twrite, kind};
use virtfs_tests::errno::{EIO, EPROTO};
use virtfs_tests::{
    Frames, Got, PATIENCE, Raw, Served, frame, frame_with, good_session, requests_on,
};

/// A session beside the one that misbehaves.
fn still_works(bystander: &mut Raw) {
    bystander.walk(0, 1, &[]).unwrap();
    assert!(bystander.getattr(1).is_ok());
    bystander.clunk(1).unwrap();
}

fn getattr(fid: u32) -> Tgetattr {
    let request_mask = GetattrMask::BASIC;
    Tgetattr { fid, request_mask }
}

#[test]
fn a_size_that_cannot_be_ends_the_session_alone() {
    let served = Served::memory();
    let mut bystander = served.session();
    let sizes = [
        0,
        1,
        4,
        6,
        virtfs_tests::MSIZE + 1,
        1 << 24,
        1 << 31,
        u32::MAX,
    ];
    for size in sizes {
        for before_version in [true, false] {
            let mut client = match before_version {
                true => served.connect(),
                false => served.session(),
            };
            let mut bad = frame(1, getattr(0));
            bad[..4].copy_from_slice(&u32::to_le_bytes(size));
            client.send_bytes(&bad);
            assert!(client.ends(), "size {size}");
            still_works(&mut bystander);
        }
    }
}

#[test]
fn what_came_before_a_bad_frame_does_not_hang_the_session() {
    let served = Served::memory();
    for _ in 0..50 {
        let mut client = served.session();
        let mut bytes = frame(1, getattr(0));
        bytes.extend([3, 0, 0, 0, 0, 0, 0]);
        client.send_bytes(&bytes);
        assert!(client.ends());
    }
}

#[test]
fn the_longest_frame_is_taken_and_one_byte_more_is_not() {
    let served = Served::memory();
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.lcreate(1, "f", 2, 0o600).unwrap();
    let most = vec![7; virtfs_tests::MSIZE as usize - 23];
    assert_eq!(client.write(1, 0, &most), Ok(most.len() as u32));
    let too_much = vec![7; most.len() + 1];
    let count = too_much.len() as u32;
    let (fid, offset) = (1, 0);
    client.send_bytes(&frame_with(1, Twrite { fid, offset, count }, &too_much)[..100]);
    assert!(client.ends());
}

/// Frames of every request, with the tag 3.
fn one_of_each() -> Vec<Vec<u8>> {
    let mut messages = requests_on(0, 0, 9);
    messages.push(Tflush { oldtag: 9 }.into());
    messages
        .into_iter()
        .map(|message| frame(3, message))
        .collect()
}

#[test]
fn a_frame_cut_short_is_an_error_wherever_it_is_cut() {
    let mut client = Served::memory().session();
    for whole in one_of_each() {
        for length in 7..whole.len() {
            let mut cut = whole[..length].to_vec();
            cut[..4].copy_from_slice(&(length as u32).to_le_bytes());
            client.send_bytes(&cut);
            let reply = client.receive();
            assert_eq!((reply.tag, reply.kind), (3, kind::RLERROR), "{cut:?}");
            assert_ne!(reply.ecode(), Some(EIO));
        }
    }
    assert!(client.getattr(0).is_ok());
}

#[test]
fn bytes_behind_a_message_are_an_error() {
    let mut client = Served::memory().session();
    for mut long in one_of_each() {
        long.push(0);
        let size = long.len() as u32;
        long[..4].copy_from_slice(&size.to_le_bytes());
        client.send_bytes(&long);
        assert_eq!(client.receive().ecode(), Some(EPROTO), "{long:?}");
    }
    // A clunk that is malformed gives nothing up.
    assert!(client.getattr(0).is_ok());
}

#[test]
fn a_count_that_is_not_that_of_the_payload_is_an_error() {
    let mut client = Served::memory().session();
    client.walk(0, 1, &[]).unwrap();
    client.lcreate(1, "f", 2, 0o600).unwrap();
    for (says, has) in [(0, 5), (4, 5), (6, 5), (u32::MAX, 5), (1, 0)] {
        let (fid, offset) = (1, 0);
        let mut bad = frame_with(
            2,
            Twrite {
                fid,
                offset,
                count: has,
            },
            &vec![1; has as usize],
        );
        bad[19..23].copy_from_slice(&u32::to_le_bytes(says));
        client.send_bytes(&bad);
        assert_eq!(client.receive().ecode(), Some(EPROTO), "{says} of {has}");
    }
    assert_eq!(client.getattr(1).unwrap().size, 0);
}

#[test]
fn a_tag_in_use_ends_the_session_alone() {
    let served = Served::synth(
        virtfs_vfs::synth::Synth::new().file("gate", virtfs_vfs::synth::Gate::new().file()),
    );
    let mut bystander = served.session();
    let mut client = served.session();
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, 0).unwrap();
    let (fid, offset, count) = (1, 0, 10);
    client.send(1, Tread { fid, offset, count });
    client.send(1, getattr(0));
    assert!(client.ends());
    still_works(&mut bystander);
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    let served = Served::memory();
    let mut client = served.connect();
    for byte in good_session().bytes() {
        client.send_bytes(std::slice::from_ref(byte));
    }
    let mut replies = Vec::new();
    while replies.len() < 20 {
        match client.receive_within(PATIENCE) {
            Got::Reply(reply) => replies.push(reply),
            other => panic!("{other:?} after {replies:?}"),
        }
    }
    assert!(
        replies.iter().all(|reply| reply.ecode().is_none()),
        "{replies:?}"
    );
}

#[test]
fn half_a_frame_and_a_hang_up_end_the_session() {
    let served = Served::memory();
    for length in 0..20 {
        let (mut client, handle) = served.session_with_handle();
        client.send_bytes(&frame(1, getattr(0))[..length.min(18)]);
        drop(client);
        handle.wait();
    }
}

#[test]
fn a_client_may_go_while_its_answers_are_under_way() {
    let served = Served::memory();
    let mut bystander = served.session();
    for _ in 0..100 {
        let (mut client, handle) = served.session_with_handle();
        let mut frames = Frames::new();
        for tag in 0..64 {
            frames.add(tag, getattr(0));
        }
        client.send_frames(&frames);
        drop(client);
        handle.wait();
    }
    still_works(&mut bystander);
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let served = Served::memory();
    for _ in 0..50 {
        let mut client = served.session();
        let mut frames = Frames::new();
        for tag in 0..64 {
            frames.add(tag, getattr(0));
        }
        client.send_frames(&frames);
        client.finish();
        assert_eq!(client.receive_many(64).len(), 64);
        assert!(matches!(client.receive_within(PATIENCE), Got::End));
    }
}

#[test]
fn a_panic_of_a_file_system_is_one_error() {
    let fs = virtfs_tests::Hooked::new(virtfs_vfs::memory::MemoryFs::new(), |method, _| {
        assert_ne!(method, "readlink", "a test wants this panic");
        Ok(())
    });
    let served = Served::fs(fs);
    let mut client = served.session();
    client.symlink(0, "s", "t").unwrap();
    client.walk(0, 1, &["s"]).unwrap();
    assert_eq!(client.readlink(1), Err(EIO));
    assert!(client.getattr(1).is_ok());
    assert_eq!(client.clunk(1), Ok(()));
}

#[test]
fn nothing_is_sent_to_who_asks_nothing() {
    let mut client = Served::memory().connect();
    let nothing = client.receive_within(Duration::from_millis(5));
    assert!(matches!(nothing, Got::Nothing));
}
