//! How a connection ends.

use std::io::Write;

use rustix::net::{RecvFlags, SendFlags};

use crate::vmm::request::*;
use crate::vmm::*;

#[test]
fn a_vmm_may_hang_up_at_any_time_between_messages() {
    Vmm::new().hang_up().unwrap();
    Vmm::agreed().hang_up().unwrap();
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    vmm.submit();
    vmm.hang_up().unwrap();
    // Before it has taken its reply, which may be on its way or there.
    for _ in 0..100 {
        let vmm = Vmm::new();
        vmm.send(GET_FEATURES, &[], &[]);
        vmm.hang_up().unwrap();
    }
    let vmm = Vmm::new();
    vmm.send(GET_FEATURES, &[], &[]);
    rustix::net::recv(&vmm.socket, &mut [0; 1], RecvFlags::PEEK).unwrap();
    vmm.hang_up().unwrap();
}

#[test]
fn a_message_cut_short_is_an_error() {
    let whole = message(SET_FEATURES, 0, &words(&[DRIVER_FEATURES]));
    for length in 1..whole.len() {
        let vmm = Vmm::new();
        vmm.send_raw(&whole[..length], &[]);
        let line = vmm.hang_up().unwrap_err().to_string();
        let expected = if length < 12 {
            "hung up within"
        } else {
            "bad SET_FEATURES"
        };
        assert!(line.contains(expected), "{length}: {line}");
    }
}

#[test]
fn a_message_may_come_in_pieces_of_header_and_body() {
    let vmm = Vmm::new();
    let whole = message(GET_FEATURES, 0, &[]);
    for byte in &whole {
        vmm.send_raw(&[*byte], &[]);
    }
    assert_eq!(vmm.receive().0, GET_FEATURES);
    let whole = message(SET_FEATURES, 0, &words(&[DRIVER_FEATURES]));
    vmm.send_raw(&whole[..12], &[]);
    vmm.send_raw(&whole[12..], &[]);
    vmm.assert_alive();
    vmm.hang_up().unwrap();
}

#[test]
fn the_stopper_answers_what_the_driver_asked_for_and_ends_the_connection() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    vmm.submit();
    vmm.stopper.stop();
    vmm.stopper.stop();
    let region = Region {
        file: vmm.region.file.try_clone().unwrap(),
        ..Region::new()
    };
    let used = || u16::from_le_bytes(region.read(USED + 2));
    let next = vmm.next;
    vmm.ended().unwrap();
    // The request may have come too late; half of an answer there is not.
    assert!(used() == next || used() == next - 1, "{}", used());
}

#[test]
fn the_stopper_ends_a_connection_within_a_message() {
    let whole = message(SET_FEATURES, 0, &words(&[DRIVER_FEATURES]));
    // Up to where the body begins.
    for length in 0..=12 {
        let vmm = Vmm::agreed();
        vmm.send_raw(&whole[..length], &[]);
        vmm.stopper.stop();
        vmm.ended().unwrap();
    }
}

#[test]
fn the_stopper_ends_a_connection_whose_vmm_takes_no_replies() {
    let vmm = Vmm::agreed();
    let body = [
        [0u32, 4000, 0].map(u32::to_ne_bytes).as_flattened(),
        &[0; 4000][..],
    ]
    .concat();
    let ask = message(GET_CONFIG, 0, &body);
    // Until the front receives no more, since it could not reply.
    while vmm.try_send_raw(&ask, &[], SendFlags::DONTWAIT).is_ok() {}
    vmm.stopper.stop();
    vmm.ended().unwrap();
}

#[test]
fn the_stopper_works_before_and_after_the_connection() {
    let (_near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let connection = virtfs_device::vhost_user::Connection::new(far, device()).unwrap();
    let stopper = connection.stopper().unwrap();
    stopper.stop();
    connection.run().unwrap();
    stopper.stop();
}

#[test]
fn a_socket_that_does_not_block_will_do() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let connection = virtfs_device::vhost_user::Connection::new(far, device()).unwrap();
    let front = std::thread::spawn(|| connection.run());
    let whole = message(SET_FEATURES, 0, &words(&[DRIVER_FEATURES]));
    (&near).write_all(&whole[..5]).unwrap();
    (&near).write_all(&whole[5..]).unwrap();
    drop(near);
    front.join().unwrap().unwrap();
}
