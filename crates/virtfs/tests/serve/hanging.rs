//! Calls of the host that do not return, or only when interrupted: what goes on beside them, and
//! how it ends.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use virtfs_proto::{Tflush, Tread, kind};
use virtfs_tests::{Frames, PATIENCE, Raw, Rng};

use crate::hung_host::{HungHost, Reads, TEXT};
use crate::running::{Running, serve, unix, unix_client};

/// Serves the host that hangs, and as `other` a directory that does not.
fn start(host: &HungHost, other: &Path, socket: &Path) -> Running {
    let export = format!("other={}", other.display());
    let command = &mut serve(host.path());
    let running = Running::start(command.args(["--export", &export, "--listen", &unix(socket)]));
    running.line("listening on ");
    running
}

fn read(fid: u32) -> Tread {
    // No more than comes at once: less would be asked for again.
    let (offset, count) = (0, TEXT.len() as u32);
    Tread { fid, offset, count }
}

/// Opens the file whose reads hang as fid 2.
fn open_gate(client: &mut Raw) {
    client.walk(1, 2, &["gate"]).unwrap();
    client.lopen(2, 0).unwrap();
}

/// Attaches the other export as fid 10.
fn attach_other(client: &mut Raw) {
    client.attach(10, "other").unwrap();
}

/// Makes, writes, reads and removes a file of the other export.
fn work(client: &mut Raw, name: &str) {
    client.walk(10, 11, &[]).unwrap();
    client.lcreate(11, name, 2, 0o644).unwrap();
    client.write(11, 0, name.as_bytes()).unwrap();
    assert_eq!(client.read(11, 0, 100).unwrap(), name.as_bytes());
    client.remove(11).unwrap();
}

#[test]
fn beside_64_requests_that_hang_all_goes_on_and_each_can_be_flushed_and_sigterm_ends_it() {
    let host = HungHost::with(Reads::HangUntilInterrupted);
    let (other, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = sockets.path().join("9p");
    let mut server = start(&host, other.path(), &path);
    let (mut client, mut neighbour) = (unix_client(&path), unix_client(&path));
    attach_other(&mut client);
    attach_other(&mut neighbour);
    open_gate(&mut client);
    let hang = |client: &mut Raw| {
        for tag in 0..64 {
            client.send(tag, read(2));
        }
        (0..64).for_each(|_| host.wait_until_one_hangs());
    };
    hang(&mut client);
    for round in 0..50 {
        work(&mut client, &format!("own{round}"));
        work(&mut neighbour, &format!("neighbour{round}"));
    }
    client.getattr(2).unwrap();
    for tag in 0..64 {
        client.send(100 + tag, Tflush { oldtag: tag });
        let reply = client.receive();
        assert_eq!((reply.tag, reply.kind), (100 + tag, kind::RFLUSH));
    }
    hang(&mut client);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(!path.exists(), "the socket is removed");
    assert!(client.ends() && neighbour.ends());
}

#[test]
fn a_thread_that_the_host_never_gives_back_keeps_no_socket_and_is_told_by_the_status() {
    let host = HungHost::with(Reads::Hang);
    let (other, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = sockets.path().join("9p");
    let mut server = start(&host, other.path(), &path);
    let (mut client, mut neighbour) = (unix_client(&path), unix_client(&path));
    open_gate(&mut client);
    client.send(7, read(2));
    host.wait_until_one_hangs();
    client.send(8, Tflush { oldtag: 7 });
    attach_other(&mut client);
    attach_other(&mut neighbour);
    for round in 0..50 {
        work(&mut client, &format!("own{round}"));
        work(&mut neighbour, &format!("neighbour{round}"));
    }
    server.signal(Signal::TERM);
    assert!(neighbour.ends() && client.ends());
    server.line("does not return from a call of the host");
    let until = Instant::now() + PATIENCE;
    while path.exists() {
        assert!(Instant::now() < until, "the socket is still there");
        std::thread::sleep(Duration::from_millis(1));
    }
    UnixStream::connect(&path).unwrap_err();
    // Until then it cannot be waited for: the kernel keeps what has a thread.
    drop(host);
    assert_eq!(server.end().code(), Some(3));
}

/// `VIRTFS_RACES` runs more than the usual few.
#[test]
fn in_races_of_flushes_and_answers_nobody_else_is_told_of_an_interruption() {
    const BATCH: u16 = 16;
    let races = std::env::var("VIRTFS_RACES").ok();
    let races = races.and_then(|races| races.parse().ok()).unwrap_or(2000);
    let host = HungHost::with(Reads::Race);
    let (other, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = sockets.path().join("9p");
    let _server = start(&host, other.path(), &path);
    let mut client = unix_client(&path);
    open_gate(&mut client);
    let mut rng = Rng::new(1);
    let (mut raced, mut given_up, mut answered) = (0, 0, 0);
    while raced < races {
        let mut frames = Frames::new();
        for tag in 0..BATCH {
            frames.add(tag, read(2));
        }
        client.send_frames(&frames);
        let flushed: Vec<_> = (0..BATCH).filter(|_| rng.below(2) == 0).collect();
        let mut frames = Frames::new();
        for tag in &flushed {
            frames.add(100 + tag, Tflush { oldtag: *tag });
        }
        for _ in 0..rng.below(2000) {
            std::hint::spin_loop();
        }
        client.send_frames(&frames);
        let mut open: Vec<_> = (0..BATCH).collect();
        let mut flushes = flushed.len();
        while flushes > 0 || !open.is_empty() {
            let reply = client.receive();
            let of = if reply.tag < 100 {
                reply.tag
            } else {
                reply.tag - 100
            };
            let asked = open.iter().position(|tag| *tag == of);
            if reply.kind == kind::RFLUSH {
                flushes -= 1;
                given_up += u64::from(asked.is_some());
            } else {
                assert!(
                    asked.is_some(),
                    "a reply after its Rflush, or a second one: {of}"
                );
                assert_eq!(reply.ecode(), None, "to tag {of}");
                assert_eq!(reply.payload(), TEXT);
                answered += u64::from(flushed.contains(&of));
            }
            if let Some(at) = asked {
                open.remove(at);
            }
        }
        raced += flushed.len() as u64;
    }
    println!("{raced} races: {given_up} were given up, {answered} answered first");
    assert!(
        given_up > 0 && answered > 0,
        "{given_up} were given up, {answered} answered"
    );
}
