//! Calls that the host never ends: not even SIGKILL ends a process that sleeps in one.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use virtfs_proto::Tread;
use virtfs_tests::Raw;

use super::guest::guest;
use super::{device, start};
use crate::hung_host::HungHost;

/// Has a guest ask for what never comes.
fn hang(host: &HungHost, client: &mut Raw) {
    client.walk(1, 2, &["gate"]).unwrap();
    client.lopen(2, 0).unwrap();
    let (fid, offset, count) = (2, 0, 100);
    client.send(7, Tread { fid, offset, count });
    host.wait_until_one_hangs();
}

const LEFT_BEHIND: &str = "home: the process that served the VMM hangs in a call of the host";

#[test]
fn a_request_that_the_host_never_ends_does_not_keep_the_next_vmm_out() {
    let host = HungHost::mount();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("vm");
    let mut server = start(&mut device(host.path(), &path));
    let mut first = guest(&path);
    hang(&host, &mut first);
    drop(first);
    server.line(LEFT_BEHIND);
    guest(&path).walk(1, 2, &["gate"]).unwrap();
    server.line("home: the VMM has gone");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(3));
}

#[test]
fn a_request_that_the_host_never_ends_does_not_hold_up_the_orderly_end() {
    let host = HungHost::mount();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("vm");
    let mut server = start(&mut device(host.path(), &path));
    let mut client = guest(&path);
    hang(&host, &mut client);
    server.signal(Signal::TERM);
    server.line(LEFT_BEHIND);
    assert_eq!(server.end().code(), Some(3));
    assert!(!path.exists(), "the socket is removed");
}

#[test]
fn a_descriptor_of_a_file_that_hangs_does_not_keep_the_next_vmm_out() {
    let host = HungHost::mount();
    let file = File::open(host.path().join("gate")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vm");
    let mut server = start(&mut device(dir.path(), &path));
    host.let_attributes_hang();
    let mut vmm = UnixStream::connect(&path).unwrap();
    pass_as_call(&mut vmm, &file);
    host.wait_until_one_hangs();
    drop(vmm);
    server.line(LEFT_BEHIND);
    guest(&path).mkdir(1, "made", 0o755).unwrap();
    server.line("home: the VMM has gone");
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(3));
}

/// GET_FEATURES, then SET_VRING_CALL of ring 0 with this file.
fn pass_as_call(vmm: &mut UnixStream, file: &File) {
    let message = |code: u32, body: &[u8]| {
        let size = u32::try_from(body.len()).unwrap();
        let header = [code, 1, size].map(u32::to_le_bytes).concat();
        [&header, body].concat()
    };
    vmm.write_all(&message(1, &[])).unwrap();
    vmm.read_exact(&mut [0; 20]).unwrap();
    let fds = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let message = message(13, &0u64.to_le_bytes());
    let sent = sendmsg(
        &*vmm,
        &[IoSlice::new(&message)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent, Ok(message.len()));
}
