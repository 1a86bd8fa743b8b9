//! Waiting for locks through a virtio device: those who wait leave room in the ring, and are answered
//! before the queue stops.

mod lock_site;

use std::sync::Arc;

use lock_site::{BLOCK, BLOCKED, SUCCESS, UN, WR, lock, open, session, status, tlock};
use virtfs_device::Patience;
use virtfs_tests::virtio::{
    Attached, Direct, Driver, DriverOptions, Event, GuestRam, Layout, bridge,
};
use virtfs_tests::{Raw, Served};

/// A device that the test can stop while it is driven.
struct Shared(Arc<Direct>);

impl Attached for Shared {
    fn broken(&self) -> &Event {
        self.0.broken()
    }
}

fn device(served: &Served) -> (Raw, Arc<Direct>) {
    let options = DriverOptions {
        indirect: true,
        ..DriverOptions::default()
    };
    let driver = Driver::new(&GuestRam::new(64 << 20), options);
    let direct = Arc::new(Direct::attach(&served.server, &driver));
    let stream = bridge(driver, Shared(direct.clone()), Layout::Whole).unwrap();
    let mut client = Raw::socket(stream);
    client.start();
    client.attach(0, "").unwrap();
    open(&mut client, 1);
    (client, direct)
}

#[test]
fn more_locks_than_the_ring_has_places_leave_one_for_the_unlock() {
    let served = Served::memory();
    drop(session(&served));
    let (mut client, _device) = device(&served);
    assert_eq!(client.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    for tag in 0..200 {
        let range = lock(WR, u64::from(tag), 1, 100 + u32::from(tag));
        client.send(tag, tlock(1, range, BLOCK));
    }
    client.send(200, tlock(1, lock(UN, 0, 0, 1), 0));
    let replies = client.receive_many(201);
    let granted = replies.iter().filter(|reply| status(reply) == SUCCESS);
    // Those that waited, or came behind the unlock; and the unlock.
    assert!(granted.count() > 60);
    for reply in &replies {
        assert!([SUCCESS, BLOCKED].contains(&status(reply)));
    }
}

#[test]
fn who_waits_is_answered_before_the_queue_stops() {
    let served = Served::memory();
    let mut holder = session(&served);
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    let (mut client, direct) = device(&served);
    for tag in 0..10 {
        client.send(tag, tlock(1, lock(WR, 0, 0, 2), BLOCK));
    }
    client.getattr(0).unwrap();
    direct.device.stop_within(Patience::default());
    assert!(!direct.device.is_running());
    for reply in client.receive_many(10) {
        assert_eq!(status(&reply), BLOCKED);
    }
    // It is not held later.
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    let mut other = session(&served);
    assert_eq!(other.lock(1, lock(WR, 0, 0, 3)), SUCCESS);
}

#[test]
fn a_reset_gives_up_what_waits() {
    let served = Served::memory();
    let mut holder = session(&served);
    assert_eq!(holder.lock(1, lock(WR, 0, 0, 1)), SUCCESS);
    let (mut client, direct) = device(&served);
    for tag in 0..10 {
        client.send(tag, tlock(1, lock(WR, 0, 0, 2), BLOCK));
    }
    client.getattr(0).unwrap();
    direct.device.reset();
    assert_eq!(holder.lock(1, lock(UN, 0, 0, 1)), SUCCESS);
    let mut other = session(&served);
    assert_eq!(other.lock(1, lock(WR, 0, 0, 3)), SUCCESS);
}
