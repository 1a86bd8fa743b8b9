//! A lock that is waited for and given up, by a flush, a Tversion, a clunk, or the end of the session:
//! it is not held later, and nobody is kept waiting.

mod lock_site;

use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use lock_site::{
    BLOCK, BLOCKED, Export, SUCCESS, UN, WR, getattr, in_some_round, lock, open, session, status,
    tlock,
};
use virtfs_proto::{Tclunk, Tflush, kind};
use virtfs_tests::errno::{EBADF, ENOENT};
use virtfs_tests::{Frames, Got, Hooked, PATIENCE, Raw, Served};
use virtfs_vfs::memory::MemoryFs;

/// That nobody holds a byte of the file, as another client finds.
fn is_free(other: &mut Raw) -> bool {
    let free = other.lock(1, lock(WR, 0, 0, 99)) == SUCCESS;
    assert_eq!(other.lock(1, lock(UN, 0, 0, 99)), SUCCESS);
    free
}

/// Ten requests for a lock that another holds, with the tags 0 to 9.
fn ten_wait(client: &mut Raw) {
    for tag in 0..10 {
        client.send(tag, tlock(1, lock(WR, 0, 0, 2), BLOCK));
    }
}

#[test]
fn a_flush_ends_the_wait_and_nothing_is_held_later() {
    for served in [Served::memory(), Export::new().serve()] {
        let (mut holder, mut client) = (session(&served), session(&served));
        for _ in 0..20 {
            assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
            client.send(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
            let mut frames = Frames::new();
            for tag in 2..6 {
                frames.add(tag, Tflush { oldtag: 1 });
            }
            client.getattr(0).unwrap();
            client.send_frames(&frames);
            for (reply, tag) in client.receive_many(4).iter().zip(2..) {
                assert_eq!((reply.tag, reply.kind), (tag, kind::RFLUSH));
            }
            // Its tag is free at once.
            client.send(1, getattr());
            assert_eq!(client.receive().kind, kind::RGETATTR);
            assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
            assert!(is_free(&mut holder));
        }
        // Nothing comes late.
        assert!(matches!(
            client.receive_within(Duration::ZERO),
            Got::Nothing
        ));
    }
}

#[test]
fn a_lock_that_is_granted_while_it_is_flushed_is_held_if_it_was_answered() {
    for served in [Served::memory(), Export::new().serve()] {
        let (mut holder, mut client) = (session(&served), session(&served));
        let (mut held, mut given_up) = (0, 0);
        for round in 0..300 {
            assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
            client.send(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
            client.getattr(0).unwrap();
            let barrier = Barrier::new(2);
            let granted = thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
                });
                barrier.wait();
                for _ in 0..round % 30 * 20 {
                    std::hint::spin_loop();
                }
                client.send(2, Tflush { oldtag: 1 });
                let first = client.receive();
                if first.tag == 2 {
                    return false;
                }
                assert_eq!(client.receive().kind, kind::RFLUSH);
                status(&first) == SUCCESS
            });
            assert_eq!(is_free(&mut holder), !granted);
            if granted {
                held += 1;
                assert_eq!(client.lock(1, lock(UN, 0, 0, 2)), SUCCESS);
            } else {
                given_up += 1;
            }
        }
        println!("{held} were granted, {given_up} given up");
    }
}

#[test]
fn a_tag_of_a_flushed_lock_can_be_used_for_the_next_lock() {
    let served = Served::memory();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    for _ in 0..2000 {
        client.send(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
        client.send(2, Tflush { oldtag: 1 });
        let mut reply = client.receive();
        if reply.tag == 1 {
            assert_eq!(status(&reply), BLOCKED);
            reply = client.receive();
        }
        assert_eq!((reply.tag, reply.kind), (2, kind::RFLUSH));
    }
    client.send(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
    client.getattr(0).unwrap();
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    assert_eq!(status(&client.receive()), SUCCESS);
}

#[test]
fn tversion_gives_up_what_waits() {
    let served = Served::memory();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    ten_wait(&mut client);
    client.getattr(0).unwrap();
    // Its answer is the next.
    client.start();
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    assert!(is_free(&mut holder));
    client.attach(0, "").unwrap();
    assert!(matches!(
        client.receive_within(Duration::ZERO),
        Got::Nothing
    ));
}

#[test]
fn a_client_that_hangs_up_leaves_no_waiting_lock() {
    let served = Served::memory();
    let mut holder = session(&served);
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    let (mut client, handle) = served.session_with_handle();
    open(&mut client, 1);
    ten_wait(&mut client);
    client.getattr(0).unwrap();
    drop(client);
    assert!(handle.wait_for(PATIENCE));
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    assert!(is_free(&mut holder));
}

#[test]
fn a_client_that_says_no_more_is_answered() {
    let served = Served::memory();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    ten_wait(&mut client);
    client.finish();
    for (reply, tag) in client.receive_many(10).iter().zip(0..) {
        assert_eq!((reply.tag, status(reply)), (tag, BLOCKED));
    }
    assert!(client.ends());
}

#[test]
fn a_server_that_is_shut_down_answers_those_who_wait() {
    let served = Served::memory();
    let (mut holder, mut client) = (session(&served), session(&served));
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    ten_wait(&mut client);
    client.getattr(0).unwrap();
    assert!(served.server.shut_down(PATIENCE));
    for (reply, tag) in client.receive_many(10).iter().zip(0..) {
        // The holder may have been gone by then.
        assert_eq!(reply.tag, tag);
        assert!([BLOCKED, SUCCESS].contains(&status(reply)));
    }
    assert!(client.ends());
}

#[test]
fn a_session_that_is_interrupted_answers_those_who_wait() {
    let served = Served::memory();
    let mut holder = session(&served);
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    let (mut client, handle) = served.session_with_handle();
    open(&mut client, 1);
    let mut earlier = session(&served);
    assert!(in_some_round(|| {
        earlier.send(1, tlock(1, lock(WR, 0, 0, 3), BLOCK));
        for tag in 0..10 {
            client.send(tag, tlock(1, lock(WR, 0, 0, 2), BLOCK));
        }
        client.getattr(0).unwrap();
        handle.interrupt();
        for reply in client.receive_many(10) {
            assert_eq!(status(&reply), BLOCKED);
        }
        // Its time is over first, and yet it waits.
        let waits = matches!(earlier.receive_within(Duration::ZERO), Got::Nothing);
        if waits {
            assert_eq!(status(&earlier.receive()), BLOCKED);
        }
        waits
    }));
    assert!(client.getattr(0).is_ok());
}

#[test]
fn who_waits_through_a_fid_that_is_clunked_gets_nothing() {
    for served in [Served::memory(), Export::new().serve()] {
        let (mut holder, mut client) = (session(&served), session(&served));
        for _ in 0..50 {
            assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
            client.send(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
            client.getattr(0).unwrap();
            client.send(2, Tclunk { fid: 1 });
            for reply in client.receive_many(2) {
                match reply.tag {
                    1 => assert!([BLOCKED, Err(EBADF)].contains(&status(&reply))),
                    _ => assert_eq!(reply.kind, kind::RCLUNK),
                }
            }
            assert_eq!(client.getattr(1).unwrap_err(), ENOENT);
            assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
            assert!(is_free(&mut holder));
            open(&mut client, 1);
        }
    }
}

#[test]
fn a_lock_that_hangs_in_the_host_keeps_no_other_session_from_ending() {
    let hangs = Arc::new((Mutex::new(0), Condvar::new()));
    let hook = {
        let hangs = hangs.clone();
        move |method: &str, _: &virtfs_vfs::Cx<'_>| {
            let mut calls = hangs.0.lock().unwrap();
            if method == "lock_file" {
                *calls += 1;
                hangs.1.notify_all();
                drop(hangs.1.wait_while(calls, |calls| *calls < 10).unwrap());
            }
            Ok(())
        }
    };
    let served = Served::fs(Hooked::new(MemoryFs::new(), hook));
    let mut client = session(&served);
    let (mut other, handle) = served.session_with_handle();
    open(&mut other, 1);
    client.send(1, tlock(1, lock(WR, 0, 0, 1), 0));
    let calls = hangs.0.lock().unwrap();
    let mut calls = hangs.1.wait_while(calls, |calls| *calls == 0).unwrap();
    drop(other);
    assert!(handle.wait_for(PATIENCE));
    *calls = 10;
    drop(calls);
    hangs.1.notify_all();
    assert_eq!(status(&client.receive()), SUCCESS);
}

/// What is asked for beside a clunk is not held behind it, whichever comes first.
#[test]
fn a_clunk_beside_a_lock_leaves_nothing_locked() {
    for served in [Served::memory(), Export::new().serve()] {
        let (mut other, mut client) = (session(&served), session(&served));
        for _ in 0..200 {
            let mut frames = Frames::new();
            frames.add(1, tlock(1, lock(WR, 0, 0, 2), BLOCK));
            frames.add(2, Tclunk { fid: 1 });
            client.send_frames(&frames);
            client.receive_many(2);
            assert!(is_free(&mut other));
            open(&mut client, 1);
        }
    }
}
