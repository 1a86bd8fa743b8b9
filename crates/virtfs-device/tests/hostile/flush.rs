//! Requests that are given up.

use std::time::Instant;

use virtfs_proto::{Tflush, kind};
use virtfs_tests::virtio::{DriverOptions, Event, Placed};
use virtfs_tests::{PATIENCE, frame};
use virtfs_vfs::synth::{Gate, Wait};

use crate::hand::{readable, then, writable};
use crate::site::{Site, read_of};

/// How many requests of a session run at once.
const BUDGET: usize = 128;

#[test]
fn a_flushed_request_comes_back_without_a_reply_and_before_the_flush() {
    let mut site = Site::new();
    for _ in 0..20 {
        let (blocked, placed) = site.block(30, 1).pop().unwrap();
        let (flush, room) = site.submit(&frame(31, Tflush { oldtag: 30 }), 11);
        let used = site.driver.wait_used(PATIENCE).unwrap();
        assert_eq!((used.head, used.length), (blocked, 0));
        assert!(placed.is_intact());
        let used = site.driver.wait_used(PATIENCE).unwrap();
        assert_eq!((used.head, used.length), (flush, 7));
        assert_eq!(room.reply(7)[4], kind::RFLUSH);
    }
    assert_eq!(site.gate.interrupted(), 20);
    site.assert_serves();
}

#[test]
fn a_flush_of_nothing_is_answered() {
    let mut site = Site::new();
    let reply = site.send(&frame(31, Tflush { oldtag: 99 }), 11);
    assert_eq!((reply.tag(), reply.kind()), (31, kind::RFLUSH));
}

#[test]
fn a_flush_behind_more_requests_than_may_run_is_taken() {
    let options = DriverOptions {
        queue_size: 1024,
        ..DriverOptions::default()
    };
    let mut site = Site::with(options, Wait::PROPER);
    let submitted: Vec<_> = (0..BUDGET + 20)
        .map(|tag| site.submit(&frame(tag as u16, read_of(crate::site::GATE, 100)), 111))
        .collect();
    assert!(site.gate.wait_for_blocked(BUDGET, PATIENCE));
    // One that runs, one that waits for a place.
    for oldtag in [17, BUDGET as u16 + 3] {
        let (flush, _room) = site.submit(&frame(1000, Tflush { oldtag }), 11);
        let used = site.driver.wait_used(PATIENCE).unwrap();
        assert_eq!(
            (used.head, used.length),
            (submitted[usize::from(oldtag)].0, 0)
        );
        let used = site.driver.wait_used(PATIENCE).unwrap();
        assert_eq!((used.head, used.length), (flush, 7));
    }
    site.gate.open();
    let mut answered = 0;
    for _ in 0..BUDGET + 18 {
        let used = site.driver.wait_used(PATIENCE).unwrap();
        let (_, placed): &(u16, Placed) = submitted
            .iter()
            .find(|(head, _)| *head == used.head)
            .expect("one of them");
        assert!(placed.is_intact());
        assert_eq!(placed.reply(used.length as usize)[11..], *Gate::TEXT);
        answered += 1;
    }
    assert_eq!(answered, BUDGET + 18);
    site.assert_serves();
}

/// A driver may put in more as soon as it sees the bytes of a reply, whatever the used ring says.
#[test]
fn a_driver_that_asks_without_end_is_told_of_what_was_used() {
    const CHAINS: u16 = 512;
    let options = DriverOptions {
        queue_size: 1024,
        ..DriverOptions::default()
    };
    let site = Site::with(options, Wait::PROPER);
    let hand = site.hand();
    let ring = hand.ring;
    let bytes = frame(31, Tflush { oldtag: 99 });
    let request = hand.bytes(&bytes);
    let rooms: Vec<_> = (0..CHAINS).map(|_| hand.bytes(&[0; 16])).collect();
    for (index, room) in (0..CHAINS).zip(&rooms) {
        let length = bytes.len() as u32;
        let behind = CHAINS + index;
        ring.set_descriptor(index, then(readable(request, length), behind));
        ring.set_descriptor(behind, writable(*room, 16));
    }
    let first = hand.next;
    let slot = |at: u16| usize::from(at.wrapping_sub(first) % CHAINS);
    for at in 0..1024 {
        let at = first.wrapping_add(at);
        ring.set_available(at, slot(at) as u16);
    }
    let began = ring.used_index();
    let mut asked = first.wrapping_add(CHAINS - 1);
    ring.set_available_index(asked);
    ring.set_used_event(ring.used_index());
    let kick = Event::from(site.driver.kick_fd());
    kick.signal();
    let (mut next, mut most) = (first, 0);
    let until = Instant::now() + PATIENCE;
    for _ in 0..20_000 {
        let room = rooms[slot(next)];
        while site.ram.bytes(room, 1) == [0] {
            assert!(Instant::now() < until, "nothing is answered");
            kick.signal();
            std::thread::yield_now();
        }
        site.ram.write(room, &[0]);
        (next, asked) = (next.wrapping_add(1), asked.wrapping_add(1));
        ring.set_available_index(asked);
        let [answered, used] = [
            next.wrapping_sub(first),
            ring.used_index().wrapping_sub(began),
        ];
        // It may be ahead, if this thread was slow.
        let untold = answered.wrapping_sub(used).cast_signed();
        most = most.max(untold);
    }
    assert!(most <= 64, "{most} requests were answered and not used");
    assert_eq!(site.direct.breaks(), 0);
}
