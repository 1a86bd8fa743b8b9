//! A flush interrupts the system call that the request sleeps in, again and again until it ends.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use virtfs_proto::{GetattrMask, Tflush, Tgetattr, kind};
use virtfs_server::{Export, Interrupter, Server};
use virtfs_tests::{Got, Hooked, PATIENCE, Served};
use virtfs_vfs::Errno;
use virtfs_vfs::memory::MemoryFs;

thread_local! {
    static NAME: Cell<u64> = const { Cell::new(0) };
}

/// The calling thread's name; never 0.
fn name() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NAME.with(|name| {
        if name.get() == 0 {
            name.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        name.get()
    })
}

/// Counts interrupts instead of sending signals.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<HashMap<u64, u64>>>);

impl Counting {
    fn of(&self, thread: u64) -> u64 {
        self.0.lock().unwrap().get(&thread).copied().unwrap_or(0)
    }
}

impl Interrupter for Counting {
    fn current(&self) -> u64 {
        name()
    }

    fn interrupt(&self, thread: u64) {
        *self.0.lock().unwrap().entry(thread).or_default() += 1;
    }
}

/// A server whose `stat` sleeps until its thread was interrupted so often: its threads, too.
fn served(needed: u64) -> (Served, Arc<AtomicU64>) {
    let interrupts = Counting::default();
    let (count, sleeping) = (interrupts.clone(), Arc::new(AtomicU64::new(0)));
    let sleeps = sleeping.clone();
    let fs = Hooked::new(MemoryFs::new(), move |method, _| {
        if method != "stat" {
            return Ok(());
        }
        sleeps.fetch_add(1, Ordering::SeqCst);
        let before = count.of(name());
        let until = Instant::now() + PATIENCE;
        while count.of(name()) < before + needed {
            if Instant::now() > until {
                return Err(Errno::EIO);
            }
            std::thread::yield_now();
        }
        Err(Errno::EINTR)
    });
    let server = Server::builder()
        .export(Export::new("root", Arc::new(fs)))
        .interrupter(interrupts)
        .build()
        .unwrap();
    (Served { server }, sleeping)
}

fn wait_for_sleepers(sleeping: &AtomicU64, count: u64) {
    let until = Instant::now() + PATIENCE;
    while sleeping.load(Ordering::SeqCst) < count {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}

const STAT: Tgetattr = Tgetattr {
    fid: 0,
    request_mask: GetattrMask::BASIC,
};

#[test]
fn a_flush_is_repeated_until_the_request_has_ended() {
    let (served, sleeping) = served(5);
    let mut client = served.session();
    for round in 1..6 {
        client.send(1, STAT);
        wait_for_sleepers(&sleeping, round);
        client.send(2, Tflush { oldtag: 1 });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (2, kind::RFLUSH));
    }
}

#[test]
fn a_flush_interrupts_its_request_alone() {
    let (served, sleeping) = served(1);
    let mut client = served.session();
    for tag in 0..10 {
        client.send(tag, STAT);
    }
    wait_for_sleepers(&sleeping, 10);
    for tag in 0..9 {
        client.send(100, Tflush { oldtag: tag });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (100, kind::RFLUSH));
    }
    let left = client.receive_within(std::time::Duration::from_millis(20));
    assert!(matches!(left, Got::Nothing));
    client.send(100, Tflush { oldtag: 9 });
    assert_eq!(client.receive().tag, 100);
}

#[test]
fn a_version_and_an_abort_interrupt_everything() {
    let (served, sleeping) = served(2);
    let (mut client, handle) = served.session_with_handle();
    for tag in 0..10 {
        client.send(tag, STAT);
    }
    wait_for_sleepers(&sleeping, 10);
    client.start();
    client.attach(0, "").unwrap();
    for tag in 0..10 {
        client.send(tag, STAT);
    }
    wait_for_sleepers(&sleeping, 20);
    handle.abort();
    handle.wait();
    assert!(client.ends());
}
