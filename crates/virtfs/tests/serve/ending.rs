//! How it ends.

use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use virtfs_proto::{Tread, Tversion};
use virtfs_tests::Raw;

use crate::running::{Running, unix, unix_client};

fn ends_in_order_on(signal: Signal) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut server = Running::listening(dir.path(), unix(&path));
    let mut client = unix_client(&path);
    server.signal(signal);
    assert_eq!(server.end().code(), Some(0));
    assert!(!path.exists(), "the socket is removed");
    assert!(client.ends());
}

#[test]
fn sigterm_ends_it_with_0_and_the_socket_is_gone() {
    ends_in_order_on(Signal::TERM);
}

#[test]
fn ctrl_c_ends_it_with_0_and_the_socket_is_gone() {
    ends_in_order_on(Signal::INT);
}

#[test]
fn a_file_that_took_the_name_of_its_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut server = Running::listening(dir.path(), unix(&path));
    let kept = dir.path().join("kept");
    std::fs::rename(&path, kept).unwrap();
    std::fs::write(&path, "another's").unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(path.exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    const MSIZE: u32 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("large")).unwrap();
    file.set_len(64 << 20).unwrap();
    let path = dir.path().join("9p");
    let mut server = Running::listening(dir.path(), unix(&path));
    let mut client = Raw::socket(UnixStream::connect(&path).unwrap());
    assert_eq!(client.version(MSIZE, "9P2000.L").unwrap().0, MSIZE);
    client.attach(1, "").unwrap();
    client.walk(1, 2, &["large"]).unwrap();
    client.lopen(2, 0).unwrap();
    // It takes more replies to be read than a socket holds: the server waits for the client.
    for tag in 0..8 {
        let (offset, count) = (0, MSIZE - 24);
        let fid = 2;
        client.send(tag, Tread { fid, offset, count });
    }
    client.receive();
    server.signal(Signal::TERM);
    server.line("finishing");
    server.signal(Signal::INT);
    assert_eq!(server.end().code(), Some(128 + 2));
}

#[test]
fn what_was_asked_before_the_signal_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut server = Running::listening(dir.path(), unix(&path));
    let mut client = Raw::socket(UnixStream::connect(&path).unwrap());
    let (msize, version) = (8192, &b"9P2000.L"[..]);
    client.send(u16::MAX, Tversion { msize, version });
    // The line tells that it arrived.
    server.line("asked for messages of 8192 bytes");
    server.signal(Signal::TERM);
    assert_eq!(client.receive().tag, u16::MAX);
    assert_eq!(server.end().code(), Some(0));
}
