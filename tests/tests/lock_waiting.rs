//! A lock that another holds is waited for, without a place in flight: who waits hears as soon as
//! it is free.

mod lock_site;

use std::thread;
use std::time::Duration;

use lock_site::host::{self, Host};
use lock_site::{
    BLOCK, BLOCKED, Export, RD, SUCCESS, UN, WR, getattr, in_some_round, lock, open, session,
    status, tlock,
};
use virtfs_proto::kind;
use virtfs_server::Limits;
use virtfs_tests::{Frames, Lock, Raw, Served};

#[test]
fn host_process() {
    host::obey();
}

/// Sends a lock that nobody frees, and a while later this one, which `free` does: whether it is
/// answered first, for the other comes back when its time is over.
fn is_granted_first(client: &mut Raw, fid: u32, asked: Lock<'static>, free: impl FnOnce()) -> bool {
    client.send(1, tlock(1, lock(WR, 100, 1, 70), BLOCK));
    thread::sleep(Duration::from_millis(300));
    client.send(2, tlock(fid, asked, BLOCK));
    // Both were read, and others are answered meanwhile.
    client.getattr(0).unwrap();
    free();
    let (first, second) = (client.receive(), client.receive());
    let (lost, granted) = if first.tag == 1 {
        (&first, &second)
    } else {
        (&second, &first)
    };
    assert_eq!(status(lost), BLOCKED);
    let in_time = first.tag == 2 && status(granted) == SUCCESS;
    let unlock = Lock { kind: UN, ..asked };
    assert_eq!(client.lock(fid, unlock), SUCCESS);
    in_time
}

/// Somebody who holds the byte that [`is_granted_first`] asks for.
fn other(served: &Served) -> Raw {
    let mut other = session(served);
    assert_eq!(other.lock(1, lock(WR, 100, 1, 1)), SUCCESS);
    other
}

const ASKED: Lock<'static> = Lock {
    kind: WR,
    start: 0,
    length: 10,
    proc_id: 71,
    client_id: "client",
};

#[test]
fn a_process_of_the_same_client_lets_go_and_the_waiting_lock_is_granted() {
    let export = Export::new();
    let served = export.serve();
    let (_other, mut client) = (other(&served), session(&served));
    assert!(in_some_round(|| {
        assert_eq!(client.lock(1, lock(WR, 5, 1, 1)), SUCCESS);
        client.send(1, tlock(1, lock(WR, 100, 1, 70), BLOCK));
        thread::sleep(Duration::from_millis(300));
        client.send(2, tlock(1, ASKED, BLOCK));
        client.send(3, tlock(1, lock(UN, 5, 1, 1), 0));
        let replies = [client.receive(), client.receive(), client.receive()];
        let at = |tag| replies.iter().position(|reply| reply.tag == tag).unwrap();
        assert_eq!(status(&replies[at(3)]), SUCCESS);
        assert_eq!(status(&replies[at(1)]), BLOCKED);
        let granted = status(&replies[at(2)]) == SUCCESS && at(2) < at(1);
        assert_eq!(client.lock(1, lock(UN, 0, 0, 71)), SUCCESS);
        granted
    }));
}

#[test]
fn another_client_lets_go_and_the_waiting_lock_is_granted() {
    for served in [Served::memory(), Export::new().serve()] {
        let (_other, mut holder, mut client) = (other(&served), session(&served), session(&served));
        assert!(in_some_round(|| {
            assert_eq!(holder.lock(1, lock(RD, 3, 1, 2)), SUCCESS);
            is_granted_first(&mut client, 1, ASKED, || {
                assert_eq!(holder.lock(1, lock(UN, 3, 1, 2)), SUCCESS);
            })
        }));
    }
}

#[test]
fn a_downgrade_a_clunk_and_a_hang_up_let_those_in_who_wait() {
    let served = Served::memory();
    let (_other, mut holder, mut client) = (other(&served), session(&served), session(&served));
    assert!(in_some_round(|| {
        assert_eq!(holder.lock(1, lock(WR, 0, 5, 1)), SUCCESS);
        is_granted_first(&mut client, 1, Lock { kind: RD, ..ASKED }, || {
            assert_eq!(holder.lock(1, lock(RD, 0, 5, 1)), SUCCESS);
        })
    }));
    assert!(in_some_round(|| {
        open(&mut holder, 2);
        assert_eq!(holder.lock(1, lock(UN, 0, 5, 1)), SUCCESS);
        assert_eq!(holder.lock(2, lock(WR, 0, 5, 2)), SUCCESS);
        is_granted_first(&mut client, 1, ASKED, || holder.clunk(2).unwrap())
    }));
    assert!(in_some_round(|| {
        let mut holder = session(&served);
        assert_eq!(holder.lock(1, lock(WR, 0, 5, 1)), SUCCESS);
        is_granted_first(&mut client, 1, ASKED, || drop(holder))
    }));
}

#[test]
fn another_server_lets_go_and_the_waiting_lock_is_granted() {
    let export = Export::new();
    let (one, two) = (export.serve(), export.serve());
    let (_other, mut holder, mut client) = (other(&one), session(&one), session(&two));
    assert!(in_some_round(|| {
        assert_eq!(holder.lock(1, lock(WR, 3, 1, 2)), SUCCESS);
        is_granted_first(&mut client, 1, ASKED, || {
            assert_eq!(holder.lock(1, lock(UN, 3, 1, 2)), SUCCESS);
        })
    }));
}

#[test]
fn a_program_of_the_host_lets_go_and_the_waiting_lock_is_granted() {
    let export = Export::new();
    let served = export.serve();
    let mut client = session(&served);
    let mut host = Host::new(&export.path("f"));
    host.open(0);
    for set in [Host::fcntl, Host::ofd] {
        assert!(set(&mut host, 0, WR, 100, 1));
        assert!(in_some_round(|| {
            assert!(set(&mut host, 0, WR, 3, 1));
            is_granted_first(&mut client, 1, ASKED, || {
                assert!(set(&mut host, 0, UN, 3, 1));
            })
        }));
        assert!(set(&mut host, 0, UN, 0, 0));
    }
}

#[test]
fn a_program_of_the_host_lets_go_of_a_directory_and_the_waiting_lock_is_granted() {
    let export = Export::new();
    let served = export.serve();
    let mut client = session(&served);
    client.walk(0, 2, &[]).unwrap();
    client.lopen(2, 0).unwrap();
    let _other = other(&served);
    let mut host = Host::new(export.root());
    host.open(0);
    assert!(in_some_round(|| {
        assert!(host.flock(0, WR));
        is_granted_first(&mut client, 2, lock(RD, 0, 0, 71), || {
            assert!(host.flock(0, UN));
        })
    }));
}

/// Whether a request that is sent behind this lock is answered before it.
fn is_overtaken(client: &mut Raw, flags: u32) -> bool {
    let mut frames = Frames::new();
    frames.add(1, tlock(1, lock(WR, 0, 1, 9), flags));
    frames.add(2, getattr());
    client.send_frames(&frames);
    let (first, second) = (client.receive(), client.receive());
    let reply = if first.tag == 1 { &first } else { &second };
    assert_eq!(status(reply), BLOCKED);
    first.tag == 2
}

#[test]
fn what_cannot_be_had_is_blocked_and_others_are_answered_meanwhile() {
    let export = Export::new();
    let served = export.serve();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 1, 1)), SUCCESS);
    assert!(is_overtaken(&mut client, BLOCK));
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    let mut host = Host::new(&export.path("f"));
    host.open(0);
    assert!(host.fcntl(0, WR, 0, 1));
    assert!(is_overtaken(&mut client, BLOCK));
}

#[test]
fn who_does_not_wait_waits_for_his_own_client_alone() {
    let export = Export::new();
    let served = export.serve();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 1, 1)), SUCCESS);
    assert!(!is_overtaken(&mut client, 0));
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    let mut host = Host::new(&export.path("f"));
    host.open(0);
    assert!(host.fcntl(0, WR, 0, 1));
    assert!(!is_overtaken(&mut client, 0));
    drop(host);
    assert_eq!(client.lock(1, lock(WR, 0, 1, 1)), SUCCESS);
    assert!(is_overtaken(&mut client, 0));
    // The unlock comes behind it.
    for _ in 0..50 {
        let mut frames = Frames::new();
        frames.add(1, tlock(1, lock(WR, 0, 1, 2), 0));
        frames.add(2, tlock(1, lock(UN, 0, 0, 1), 0));
        client.send_frames(&frames);
        for reply in client.receive_many(2) {
            assert_eq!(status(&reply), SUCCESS);
        }
        assert_eq!(client.lock(1, lock(UN, 0, 0, 2)), SUCCESS);
        assert_eq!(client.lock(1, lock(WR, 0, 1, 1)), SUCCESS);
    }
}

fn with_few_requests() -> Served {
    let mut limits = Limits::default();
    limits.requests = 4;
    Served::memory_with(limits)
}

#[test]
fn those_who_wait_take_no_place_in_flight_and_are_bounded() {
    let served = with_few_requests();
    let mut client = session(&served);
    let mut other = session(&served);
    assert_eq!(client.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    assert_eq!(client.lock(1, lock(UN, 50, 50, 1)), SUCCESS);
    assert_eq!(other.lock(1, lock(WR, 60, 1, 1)), SUCCESS);
    for tag in 0..2 {
        let range = lock(WR, u64::from(tag), 1, 10 + u32::from(tag));
        client.send(tag, tlock(1, range, BLOCK));
    }
    client.getattr(0).unwrap();
    // Half of the requests may wait.
    client.send(2, tlock(1, lock(WR, 2, 1, 12), BLOCK));
    let reply = client.receive();
    assert_eq!((reply.tag, status(&reply)), (2, BLOCKED));
    // All that is in flight at once gets through.
    let mut frames = Frames::new();
    for tag in 10..14 {
        frames.add(tag, getattr());
    }
    client.send_frames(&frames);
    for (reply, tag) in client.receive_many(4).iter().zip(10..) {
        assert_eq!((reply.tag, reply.kind), (tag, kind::RGETATTR));
    }
    client.send(20, tlock(1, lock(UN, 0, 0, 1), 0));
    for reply in client.receive_many(3) {
        assert_eq!(status(&reply), SUCCESS);
    }
    assert_eq!(other.lock(1, lock(WR, 0, 2, 1)), BLOCKED);
}
