//! Tflush: what is given up, what is answered, and in which order.

use virtfs_proto::{
    GetattrMask, LopenFlags, Names, Rmessage, Tclunk, Tflush, Tgetattr, Tlcreate, Tlopen, Tread,
    Twalk, kind,
};
use virtfs_tests::errno::{EINVAL, ENOENT};
use virtfs_tests::{Frames, Hooked, PATIENCE, Raw, Served};
use virtfs_vfs::memory::MemoryFs;
use virtfs_vfs::synth::{Counter, Gate, Synth, Wait};

const FLAGS_RDWR: u32 = 0o2;

/// A file `gate`, opened as fid 1, whose reads block.
fn blocked(wait: Wait) -> (Served, Raw, Gate) {
    let gate = Gate::new();
    let synth = Synth::new()
        .file("gate", gate.file_with(wait))
        .file("count", Counter::new().file());
    let served = Served::synth(synth);
    let mut client = served.session();
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, FLAGS_RDWR).unwrap();
    (served, client, gate)
}

fn read(fid: u32) -> Tread {
    Tread {
        fid,
        offset: 0,
        count: 100,
    }
}

fn getattr(fid: u32) -> Tgetattr {
    let request_mask = GetattrMask::BASIC;
    Tgetattr { fid, request_mask }
}

#[test]
fn a_running_request_is_interrupted_and_not_answered() {
    for wait in [Wait::PROPER, Wait::SILENT] {
        let (_served, mut client, gate) = blocked(wait);
        client.send(1, read(1));
        assert!(gate.wait_for_blocked(1, PATIENCE));
        client.send(2, Tflush { oldtag: 1 });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (2, kind::RFLUSH));
        assert_eq!(gate.interrupted(), 1);
        // Its tag is free, and nothing comes late.
        gate.open();
        client.send(1, read(1));
        let reply = client.receive();
        assert_eq!((reply.tag, reply.payload()), (1, Gate::TEXT));
    }
}

#[test]
fn a_write_that_blocks_can_be_flushed() {
    let (_served, mut client, gate) = blocked(Wait::PROPER);
    let write = virtfs_proto::Twrite {
        fid: 1,
        offset: 0,
        count: 1,
    };
    client.send_with(1, write, b"x");
    assert!(gate.wait_for_blocked(1, PATIENCE));
    client.send(2, Tflush { oldtag: 1 });
    assert_eq!(client.receive().tag, 2);
}

#[test]
fn a_request_that_completes_is_answered_before_the_flush() {
    let (_served, mut client, gate) = blocked(Wait::STUBBORN);
    client.send(1, read(1));
    assert!(gate.wait_for_blocked(1, PATIENCE));
    for tag in 2..6 {
        client.send(tag, Tflush { oldtag: 1 });
    }
    // The flushes were read: something sent after them is answered.
    assert!(client.getattr(0).is_ok());
    gate.open();
    let reply = client.receive();
    assert_eq!((reply.tag, reply.payload()), (1, Gate::TEXT));
    let mut tags: Vec<_> = (0..4).map(|_| client.receive().tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, [2, 3, 4, 5]);
}

#[test]
fn a_flush_of_what_was_answered_is_answered() {
    let (_served, mut client, _gate) = blocked(Wait::PROPER);
    client.walk(0, 2, &["count"]).unwrap();
    client.lopen(2, FLAGS_RDWR).unwrap();
    let write = virtfs_proto::Twrite {
        fid: 2,
        offset: 0,
        count: 1,
    };
    let mut frames = Frames::new();
    frames.add_with(1, write, b"x").add(2, Tflush { oldtag: 1 });
    // Both arrive at once, yet the write is not always begun: either way the flush comes last.
    for _ in 0..50 {
        client.send_frames(&frames);
        let first = client.receive();
        if first.tag == 1 {
            assert!(matches!(first.message(), Rmessage::Write(w) if w.count == 1));
            assert_eq!(client.receive().tag, 2);
        } else {
            assert_eq!((first.tag, first.kind), (2, kind::RFLUSH));
        }
    }
    client.send_with(1, write, b"x");
    assert_eq!(client.receive().tag, 1);
    assert_eq!(client.flush(1), Ok(()));
}

#[test]
fn a_clunk_behind_a_blocked_read_comes_back() {
    let (_served, mut client, gate) = blocked(Wait::PROPER);
    client.send(1, read(1));
    assert!(gate.wait_for_blocked(1, PATIENCE));
    assert_eq!(client.clunk(1), Ok(()));
    assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
    assert_eq!(client.flush(1), Ok(()));
    assert_eq!(gate.interrupted(), 1);
}

#[test]
fn several_flushes_of_one_request_are_all_answered() {
    let (_served, mut client, gate) = blocked(Wait::PROPER);
    client.send(1, read(1));
    assert!(gate.wait_for_blocked(1, PATIENCE));
    let mut frames = Frames::new();
    for tag in 2..34 {
        frames.add(tag, Tflush { oldtag: 1 });
    }
    client.send_frames(&frames);
    for (at, reply) in client.receive_many(32).iter().enumerate() {
        assert_eq!((reply.tag, reply.kind), (at as u16 + 2, kind::RFLUSH));
    }
}

#[test]
fn a_flush_of_a_flush_comes_after_it() {
    let (_served, mut client, gate) = blocked(Wait::STUBBORN);
    client.send(1, read(1));
    assert!(gate.wait_for_blocked(1, PATIENCE));
    client.send(2, Tflush { oldtag: 1 });
    client.send(3, Tflush { oldtag: 2 });
    client.send(4, Tflush { oldtag: 3 });
    assert!(client.getattr(0).is_ok());
    gate.open();
    let tags: Vec<_> = (0..4).map(|_| client.receive().tag).collect();
    assert_eq!(tags, [1, 2, 3, 4]);
}

#[test]
fn a_flush_of_nothing_and_of_itself_is_answered_at_once() {
    let (_served, mut client, _gate) = blocked(Wait::PROPER);
    assert_eq!(client.flush(1234), Ok(()));
    client.send(5, Tflush { oldtag: 5 });
    let reply = client.receive();
    assert_eq!((reply.tag, reply.kind), (5, kind::RFLUSH));
    assert!(client.getattr(0).is_ok());
}

/// A memory file system whose calls of these methods wait at the gate.
fn gated(methods: &'static [&'static str]) -> (Served, Raw, Gate) {
    let gate = Gate::new();
    let at_gate = gate.clone();
    let fs = Hooked::new(MemoryFs::new(), move |method, cx| {
        if methods.contains(&method) {
            at_gate.wait(cx, Wait::PROPER)
        } else {
            Ok(())
        }
    });
    let served = Served::fs(fs);
    let client = served.session();
    (served, client, gate)
}

#[test]
fn a_flushed_walk_leaves_its_new_fid_free() {
    let (_served, mut client, gate) = gated(&["walk"]);
    let names: &[&[u8]] = &[b"."];
    let names = Names::from_slice(names);
    let walk = Twalk {
        fid: 0,
        newfid: 7,
        names,
    };
    client.send(1, walk);
    assert!(gate.wait_for_blocked(1, PATIENCE));
    assert_eq!(client.flush(1), Ok(()));
    assert_eq!(client.getattr(7).unwrap_err(), ENOENT);
    gate.open();
    assert_eq!(client.walk(0, 7, &["."]).unwrap().len(), 1);
}

#[test]
fn a_flushed_create_or_open_leaves_its_fid_as_it_was() {
    let (_served, mut client, gate) = gated(&["create", "open"]);
    client.walk(0, 1, &[]).unwrap();
    let create = Tlcreate {
        fid: 1,
        name: b"new",
        flags: LopenFlags::RDWR,
        mode: 0o600,
        gid: 0,
    };
    client.send(1, create);
    assert!(gate.wait_for_blocked(1, PATIENCE));
    assert_eq!(client.flush(1), Ok(()));
    // Still a directory that is not open.
    assert_eq!(client.walk(1, 2, &["new"]), Err(ENOENT));
    let flags = LopenFlags::RDONLY;
    client.send(1, Tlopen { fid: 1, flags });
    assert!(gate.wait_for_blocked(1, PATIENCE));
    assert_eq!(client.flush(1), Ok(()));
    gate.open();
    assert!(client.lopen(1, 0).is_ok());
    assert_eq!(client.lopen(1, 0), Err(EINVAL));
}

#[test]
fn a_request_that_waits_for_its_turn_is_dropped_by_a_flush() {
    let (_served, mut client, gate) = gated(&["walk"]);
    let names: &[&[u8]] = &[b"."];
    let names = Names::from_slice(names);
    let walk = Twalk {
        fid: 0,
        newfid: 7,
        names,
    };
    client.send(1, walk);
    client.send(2, getattr(7));
    client.send(3, Tclunk { fid: 7 });
    assert!(gate.wait_for_blocked(1, PATIENCE));
    assert_eq!(client.flush(2), Ok(()));
    gate.open();
    let tags: Vec<_> = (0..2).map(|_| client.receive().tag).collect();
    assert_eq!(tags, [1, 3]);
}

#[test]
fn a_chain_of_waiting_changes_may_be_flushed_in_any_order() {
    let orders: [&[u16]; 5] = [&[2, 3, 1], &[3, 2, 1], &[2, 1], &[3, 1], &[1]];
    for order in orders {
        let (_served, mut client, gate) = gated(&["walk"]);
        let here: &[&[u8]] = &[b"."];
        let names = Names::from_slice(here);
        let walk = |fid, newfid| Twalk { fid, newfid, names };
        let flags = LopenFlags::RDONLY;
        client.send(1, walk(0, 7));
        client.send(2, walk(7, 7));
        client.send(3, Tlopen { fid: 7, flags });
        client.send(4, getattr(7));
        assert!(gate.wait_for_blocked(1, PATIENCE));
        for (tag, oldtag) in (10..).zip(order) {
            client.send(tag, Tflush { oldtag: *oldtag });
        }
        // The first walk came to nothing, so what was left finds no fid.
        for reply in client.receive_many(4) {
            match reply.tag {
                10.. => assert_eq!(reply.kind, kind::RFLUSH),
                tag => {
                    assert!(!order.contains(&tag), "{tag} was flushed");
                    assert_eq!(reply.ecode(), Some(ENOENT), "{tag} of {order:?}");
                }
            }
        }
        gate.open();
        assert!(client.walk(0, 7, &["."]).is_ok());
        assert!(client.lopen(7, 0).is_ok());
    }
}

#[test]
fn a_tag_is_free_right_after_its_flush() {
    let (_served, mut client, gate) = blocked(Wait::PROPER);
    for _ in 0..200 {
        let mut frames = Frames::new();
        frames.add(1, read(1)).add(2, Tflush { oldtag: 1 });
        client.send_frames(&frames);
        // Dropped or interrupted, never answered: the gate is closed.
        assert_eq!(client.receive().tag, 2);
    }
    assert_eq!(gate.blocked(), 0);
    assert_eq!(gate.passed(), 0);
}
