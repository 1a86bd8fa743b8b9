//! Requests that block hold up nothing but themselves.

use virtfs_proto::{Tflush, Tread, kind};
use virtfs_server::Limits;
use virtfs_tests::{Frames, Got, PATIENCE, Raw, Served};
use virtfs_vfs::synth::{Gate, Synth, Wait};

fn served(gate: &Gate, wait: Wait) -> (Served, Raw) {
    let synth = Synth::new().file("gate", gate.file_with(wait)).dir("dir");
    let served = Served::synth(synth);
    let mut client = served.session();
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, 0).unwrap();
    (served, client)
}

fn reads(tags: std::ops::Range<u16>) -> Frames {
    let mut frames = Frames::new();
    let (fid, offset, count) = (1, 0, 100);
    for tag in tags {
        frames.add(tag, Tread { fid, offset, count });
    }
    frames
}

fn hundred_blocked(wait: Wait) {
    let gate = Gate::new();
    let (served, mut client) = served(&gate, wait);
    client.send_frames(&reads(0..100));
    assert!(
        gate.wait_for_blocked(100, PATIENCE),
        "{} of 100",
        gate.blocked()
    );
    // The same session goes on, and so does another.
    for _ in 0..20 {
        client.walk(0, 2, &["dir"]).unwrap();
        assert!(client.getattr(2).is_ok());
        client.clunk(2).unwrap();
    }
    let mut other = served.session();
    assert!(other.getattr(0).is_ok());
    gate.open();
    for (at, reply) in client.receive_many(100).iter().enumerate() {
        assert_eq!((reply.tag, reply.payload()), (at as u16, Gate::TEXT));
    }
}

#[test]
fn a_hundred_announced_waits_hold_nothing_up() {
    hundred_blocked(Wait::PROPER);
}

#[test]
fn a_hundred_silent_waits_hold_nothing_up() {
    hundred_blocked(Wait::SILENT);
}

#[test]
fn one_silent_wait_holds_nothing_up_however_often() {
    let gate = Gate::new();
    let (_served, mut client) = served(&gate, Wait::SILENT);
    for _ in 0..50 {
        client.send_frames(&reads(0..1));
        assert!(gate.wait_for_blocked(1, PATIENCE));
        assert!(client.getattr(0).is_ok());
        gate.admit(1);
        assert_eq!(client.receive().payload(), Gate::TEXT);
    }
}

#[test]
fn replies_finished_before_a_silent_wait_are_sent() {
    let gate = Gate::new();
    let (_served, mut client) = served(&gate, Wait::SILENT);
    for _ in 0..20 {
        let mut frames = Frames::new();
        let request_mask = virtfs_proto::GetattrMask::BASIC;
        frames.add(
            1,
            virtfs_proto::Tgetattr {
                fid: 0,
                request_mask,
            },
        );
        let (fid, offset, count) = (1, 0, 100);
        frames.add(2, Tread { fid, offset, count });
        client.send_frames(&frames);
        assert_eq!(client.receive().tag, 1);
        gate.admit(1);
        assert_eq!(client.receive().tag, 2);
    }
}

#[test]
fn with_every_request_of_the_budget_blocked_a_flush_is_still_read() {
    for wait in [Wait::PROPER, Wait::SILENT] {
        let gate = Gate::new();
        let (_served, mut client) = served(&gate, wait);
        let budget = Limits::default().requests;
        client.send_frames(&reads(0..budget as u16));
        assert!(
            gate.wait_for_blocked(budget, PATIENCE),
            "{}",
            gate.blocked()
        );
        client.send(1000, Tflush { oldtag: 17 });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (1000, kind::RFLUSH));
        assert_eq!(gate.blocked(), budget - 1);
        gate.open();
        let tags: Vec<_> = client
            .receive_many(budget - 1)
            .iter()
            .map(|r| r.tag)
            .collect();
        assert_eq!(tags.len(), budget - 1);
        assert!(!tags.contains(&17));
    }
}

#[test]
fn what_is_beyond_the_budget_waits_and_is_answered_later() {
    let gate = Gate::new();
    let (_served, mut client) = served(&gate, Wait::PROPER);
    client.send_frames(&reads(0..300));
    let budget = Limits::default().requests;
    assert!(gate.wait_for_blocked(budget, PATIENCE));
    assert!(matches!(
        client.receive_within(std::time::Duration::from_millis(20)),
        Got::Nothing
    ));
    assert_eq!(gate.blocked(), budget);
    gate.open();
    assert_eq!(client.receive_many(300).len(), 300);
}

#[test]
fn other_sessions_go_on_while_one_is_blocked_to_the_last_request() {
    let gate = Gate::new();
    let (served, mut client) = served(&gate, Wait::SILENT);
    let budget = Limits::default().requests;
    client.send_frames(&reads(0..budget as u16));
    assert!(gate.wait_for_blocked(budget, PATIENCE));
    let mut other = served.session();
    for _ in 0..100 {
        other.walk(0, 1, &["dir"]).unwrap();
        other.clunk(1).unwrap();
    }
    drop(client);
    // It was given up though nothing opened the gate.
    let interrupted = || gate.interrupted() == budget as u64;
    let until = std::time::Instant::now() + PATIENCE;
    while !interrupted() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(interrupted());
    assert!(other.getattr(0).is_ok());
}

#[test]
fn a_session_ends_when_its_client_hangs_up_on_blocked_requests() {
    for wait in [Wait::PROPER, Wait::SILENT] {
        let gate = Gate::new();
        let synth = Synth::new().file("gate", gate.file_with(wait));
        let served = Served::synth(synth);
        let (mut client, handle) = served.session_with_handle();
        client.walk(0, 1, &["gate"]).unwrap();
        client.lopen(1, 0).unwrap();
        client.send_frames(&reads(0..30));
        assert!(gate.wait_for_blocked(30, PATIENCE));
        drop(client);
        handle.wait();
        assert_eq!((gate.blocked(), gate.passed()), (0, 0));
    }
}

#[test]
fn a_flush_behind_more_requests_than_the_budget_allows_is_read() {
    let gate = Gate::new();
    let (_served, mut client) = served(&gate, Wait::PROPER);
    let budget = Limits::default().requests as u16;
    client.send_frames(&reads(0..budget + 12));
    assert!(gate.wait_for_blocked(budget.into(), PATIENCE));
    // One that waits for a place, one that runs: its place goes to the next.
    for oldtag in [budget + 3, 17] {
        client.send(1000, Tflush { oldtag });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (1000, kind::RFLUSH));
    }
    assert!(gate.wait_for_blocked(budget.into(), PATIENCE));
    gate.open();
    let replies = client.receive_many(usize::from(budget) + 10);
    let tags: Vec<_> = replies.iter().map(|reply| reply.tag).collect();
    assert!(!tags.contains(&17) && !tags.contains(&(budget + 3)));
}

#[test]
fn a_session_ends_when_its_client_hangs_up_on_more_than_the_budget() {
    let gate = Gate::new();
    let synth = Synth::new().file("gate", gate.file_with(Wait::PROPER));
    let served = Served::synth(synth);
    let (mut client, handle) = served.session_with_handle();
    client.walk(0, 1, &["gate"]).unwrap();
    client.lopen(1, 0).unwrap();
    let budget = Limits::default().requests as u16;
    client.send_frames(&reads(0..budget + 12));
    assert!(gate.wait_for_blocked(budget.into(), PATIENCE));
    drop(client);
    handle.wait();
    assert_eq!((gate.blocked(), gate.passed()), (0, 0));
}
