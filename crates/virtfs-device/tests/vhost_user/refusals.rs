//! What VMMs must not do, and what comes of it.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::vmm::request::*;
use crate::vmm::*;

/// The line that an unacknowledged message ends the connection with.
fn refused(vmm: Vmm, request: u32, body: &[u8], fds: &[BorrowedFd<'_>]) -> String {
    vmm.send(request, body, fds);
    let line = vmm.ended().unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_refusal_ends_the_connection_and_says_why() {
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let region = Region {
        size: 0x9000,
        ..Region::new()
    };
    let table = [state(1, 0), region.encode()].concat();
    let fd = |fd| -> Vec<BorrowedFd<'_>> { vec![fd] };
    let cases: [(u32, Vec<u8>, Vec<BorrowedFd<'_>>, &str); 14] = [
        (SET_FEATURES, words(&[1 << 26]), vec![], "0x4000000"),
        (SET_PROTOCOL_FEATURES, words(&[1 << 14]), vec![], "0x4000"),
        (SET_VRING_NUM, state(1, 8), vec![], "no ring 1"),
        (SET_VRING_NUM, state(0, 2048), vec![], "2048 descriptors"),
        (SET_VRING_BASE, state(0, 1 << 16), vec![], "no index 65536"),
        (GET_VRING_BASE, state(1, 0), vec![], "no ring 1"),
        (SET_VRING_ENABLE, state(1, 1), vec![], "no ring 1"),
        (SET_VRING_CALL, words(&[1]), fd(zero.as_fd()), "no ring 1"),
        (
            SET_VRING_CALL,
            words(&[0]),
            fd(region.file.as_fd()),
            "no eventfd",
        ),
        (SET_VRING_KICK, words(&[0]), fd(zero.as_fd()), "no eventfd"),
        (SET_VRING_KICK, words(&[0x100]), vec![], "polled"),
        (
            SET_MEM_TABLE,
            table,
            fd(region.file.as_fd()),
            "ends at byte 69632 of a file of 65536 bytes",
        ),
        (
            REM_MEM_REG,
            [words(&[0]), region.encode()].concat(),
            vec![],
            "no such memory region",
        ),
        (
            SET_VRING_ADDR,
            words(&[1 << 32, 0, 0, 0, 0]),
            vec![],
            "not supported",
        ),
    ];
    for (request, body, fds, why) in cases {
        let line = refused(Vmm::prepared(), request, &body, &fds);
        assert!(line.contains("refused") && line.contains(why), "{line}");
    }
}

#[test]
fn a_refusal_that_was_told_lets_the_vmm_go_on() {
    let mut vmm = Vmm::running();
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let cases: [(u32, Vec<u8>, &[BorrowedFd<'_>]); 7] = [
        (SET_VRING_NUM, state(1, 8), &[]),
        (SET_VRING_NUM, state(0, 3), &[]),
        (SET_VRING_NUM, state(0, 16), &[]),
        (SET_VRING_BASE, state(0, 0), &[]),
        (SET_VRING_ADDR, words(&[0, 0, 0, 0, 0]), &[]),
        (SET_VRING_ENABLE, state(9, 0), &[]),
        (SET_VRING_KICK, words(&[0]), &[zero.as_fd()]),
    ];
    for (request, body, fds) in cases {
        assert_eq!(vmm.ask(request, &body, fds), 1, "message {request}");
        vmm.assert_serves();
    }
    vmm.hang_up().unwrap();
}

#[test]
fn features_that_were_not_offered_end_the_connection_though_it_was_told() {
    for (request, feature) in [(SET_FEATURES, 1 << 34), (SET_PROTOCOL_FEATURES, 1 << 12)] {
        let vmm = Vmm::agreed();
        vmm.send_raw(&message(request, 0x8, &words(&[PROTOCOL | feature])), &[]);
        assert!(vmm.ended().unwrap_err().to_string().contains("not offered"));
    }
}

#[test]
fn features_do_not_change_while_the_ring_runs() {
    let mut vmm = Vmm::running();
    let same = words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]);
    vmm.set(SET_FEATURES, &same);
    vmm.assert_serves();
    let line = refused(vmm, SET_FEATURES, &words(&[DRIVER_FEATURES]), &[]);
    assert!(line.contains("the ring runs"), "{line}");
}

#[test]
fn a_write_to_the_configuration_space_changes_nothing() {
    let vmm = Vmm::agreed();
    let head = [2u32, 3, 0].map(u32::to_ne_bytes);
    let body = [head.as_flattened(), b"abc"].concat();
    vmm.send(SET_CONFIG, &body, &[]);
    assert_eq!(vmm.ask(SET_CONFIG, &body, &[]), 1);
    assert_eq!(vmm.config(0, 7), b"\x05\0share");
    vmm.hang_up().unwrap();
}

#[test]
fn an_unknown_message_ends_the_connection() {
    for request in [0, 45, 999, u32::MAX] {
        let line = refused(Vmm::agreed(), request, &[], &[]);
        assert!(line.contains(&format!("unknown type {request}")), "{line}");
    }
}

#[test]
fn a_message_that_nobody_expects_ends_the_connection() {
    // Logging, in-flight descriptors, a GPU, device state.
    for request in [6, 7, 19, 20, 22, 31, 32, 33, 35, 39, 40, 41, 42, 44] {
        for fds in [&[][..], &[Event::new().0.as_fd()]] {
            let vmm = Vmm::agreed();
            vmm.send(request, &words(&[0, 0]), fds);
            assert!(vmm.ended().is_err(), "message {request}");
        }
    }
}

#[test]
fn the_back_ends_own_channel_is_a_stream_socket_and_stays_open() {
    let mut vmm = Vmm::running();
    let [(near, far), (other, _)] = [(); 2].map(|()| UnixStream::pair().unwrap());
    assert_eq!(vmm.ask(SET_BACKEND_REQ_FD, &[], &[far.as_fd()]), 0);
    drop(far);
    vmm.assert_serves();
    near.set_nonblocking(true).unwrap();
    let nothing = (&near).read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    // Another takes its place.
    assert_eq!(vmm.ask(SET_BACKEND_REQ_FD, &[], &[other.as_fd()]), 0);
    assert_eq!((&near).read(&mut [0]).unwrap(), 0);
    vmm.hang_up().unwrap();

    let event = Event::new();
    let line = refused(Vmm::agreed(), SET_BACKEND_REQ_FD, &[], &[event.0.as_fd()]);
    assert!(line.contains("bad SET_BACKEND_REQ_FD"), "{line}");
}

#[test]
fn a_transfer_of_the_devices_state_is_refused() {
    const SET_DEVICE_STATE_FD: u32 = 42;
    const CHECK_DEVICE_STATE: u32 = 43;
    let mut vmm = Vmm::running();
    // An error, and no descriptor.
    let pipe = std::io::pipe().unwrap().1;
    let answer = vmm.ask(SET_DEVICE_STATE_FD, &words(&[0]), &[pipe.as_fd()]);
    assert_eq!(answer, 0x101);
    assert_eq!(vmm.get(CHECK_DEVICE_STATE), 1);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_body_of_the_wrong_length_ends_the_connection() {
    let bodies = [
        (SET_OWNER, 8),
        (GET_FEATURES, 8),
        (SET_FEATURES, 4),
        (SET_VRING_NUM, 16),
        (SET_VRING_ADDR, 39),
        (SET_MEM_TABLE, 0),
        (SET_MEM_TABLE, 41),
        (GET_CONFIG, 11),
        (RESET_DEVICE, 4096),
    ];
    for (request, length) in bodies {
        let line = refused(Vmm::agreed(), request, &vec![0; length], &[]);
        assert!(line.contains("bad"), "{line}");
    }
    let line = refused(Vmm::agreed(), GET_CONFIG, &[0; 4097], &[]);
    assert!(line.contains("bad GET_CONFIG"), "{line}");
}

#[test]
fn descriptors_where_none_belong_end_the_connection() {
    let event = Event::new();
    let line = refused(Vmm::agreed(), GET_FEATURES, &[], &[event.0.as_fd()]);
    assert!(line.contains("bad GET_FEATURES"), "{line}");
    let two = [event.0.as_fd(), event.0.as_fd()];
    let line = refused(Vmm::agreed(), SET_VRING_CALL, &words(&[0]), &two);
    assert!(line.contains("bad SET_VRING_CALL"), "{line}");
    // With the body instead of the header.
    let vmm = Vmm::agreed();
    let whole = message(SET_VRING_CALL, 0, &words(&[0]));
    vmm.send_raw(&whole[..12], &[]);
    vmm.send_raw(&whole[12..], &[event.0.as_fd()]);
    assert!(vmm.ended().is_err());
    // More than fit: they are gone, and so is the message's beginning.
    let vmm = Vmm::agreed();
    vmm.send_raw(&whole, &[event.0.as_fd(); 64]);
    assert!(vmm.hang_up().is_err());
}
