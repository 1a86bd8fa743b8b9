//! The life of the ring.

use std::os::fd::{AsFd, OwnedFd};

use crate::vmm::request::*;
use crate::vmm::*;

#[test]
fn qemus_order_of_messages_starts_the_ring() {
    let mut vmm = Vmm::new();
    vmm.get(GET_FEATURES);
    assert_eq!(vmm.get(GET_PROTOCOL_FEATURES), PROTOCOL);
    vmm.send(SET_PROTOCOL_FEATURES, &words(&[PROTOCOL]), &[]);
    assert_eq!(vmm.get(GET_QUEUE_NUM), 1);
    assert_eq!(vmm.get(GET_MAX_MEM_SLOTS), 509);
    vmm.send(SET_OWNER, &[], &[]);
    vmm.get(GET_FEATURES);
    let masked = Event::new();
    assert_eq!(vmm.set_event(SET_VRING_CALL, &masked), 0);
    vmm.send(SET_VRING_ERR, &words(&[0]), &[vmm.error.0.as_fd()]);
    assert_eq!(vmm.config(0, 7), b"\x05\0share");
    let features = words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]);
    vmm.send(SET_FEATURES, &features, &[]);
    assert_eq!(vmm.add_memory(&vmm.region), 0);
    vmm.send(SET_VRING_NUM, &state(0, RING_SIZE.into()), &[]);
    vmm.send(SET_VRING_BASE, &state(0, 0), &[]);
    vmm.send(SET_VRING_ADDR, &vmm.addresses(), &[]);
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    assert_eq!(vmm.set_event(SET_VRING_CALL, &masked), 0);
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
    vmm.assert_serves();
    vmm.assert_serves();
    assert_eq!(masked.take(), 0);

    vmm.set(SET_VRING_ENABLE, &state(0, 0));
    assert_eq!(vmm.base(), 2);
    vmm.hang_up().unwrap();
}

#[test]
fn umls_order_of_messages_starts_the_ring() {
    let mut vmm = Vmm::new();
    vmm.send(SET_OWNER, &[], &[]);
    vmm.get(GET_FEATURES);
    vmm.get(GET_PROTOCOL_FEATURES);
    // REPLY_ACK and CONFIG.
    vmm.send(SET_PROTOCOL_FEATURES, &words(&[1 << 3 | 1 << 9]), &[]);
    let features = words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]);
    vmm.set(SET_FEATURES, &features);
    assert_eq!(vmm.set_memory(&[&vmm.region]), 0);
    vmm.set(SET_VRING_NUM, &state(0, RING_SIZE.into()));
    vmm.set(SET_VRING_BASE, &state(0, 0));
    vmm.set(SET_VRING_ADDR, &vmm.addresses());
    assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    assert_eq!(vmm.config(2, 1), b"s");
    vmm.assert_serves();

    vmm.set(SET_VRING_ENABLE, &state(0, 0));
    vmm.assert_alive();
    vmm.hang_up().unwrap();
}

#[test]
fn a_ring_of_a_vmm_without_protocol_features_is_enabled_from_the_start() {
    let mut vmm = Vmm::new();
    let send = |request, body: &[u8]| vmm.send(request, body, &[]);
    send(SET_FEATURES, &words(&[DRIVER_FEATURES]));
    let table = [state(1, 0), vmm.region.encode()].concat();
    vmm.send(SET_MEM_TABLE, &table, &[vmm.region.file.as_fd()]);
    send(SET_VRING_NUM, &state(0, RING_SIZE.into()));
    send(SET_VRING_ADDR, &vmm.addresses());
    vmm.send(SET_VRING_CALL, &words(&[0]), &[vmm.call.0.as_fd()]);
    vmm.send(SET_VRING_KICK, &words(&[0]), &[vmm.kick.0.as_fd()]);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_ring_that_was_told_of_before_its_memory_waits_for_it() {
    let mut vmm = Vmm::agreed();
    vmm.set(SET_VRING_ADDR, &vmm.addresses());
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
    vmm.set(SET_VRING_NUM, &state(0, RING_SIZE.into()));
    assert_eq!(vmm.set_memory(&[&vmm.region]), 0);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_call_descriptor_is_replaced_while_the_ring_runs() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    let former = std::mem::replace(&mut vmm.call, Event::new());
    assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
    former.take();
    vmm.assert_serves();
    assert_eq!(former.take(), 0);

    // Without one the driver polls, and whoever is told again is told at once.
    vmm.set(SET_VRING_CALL, &words(&[0x100]));
    vmm.call.take();
    vmm.submit();
    while vmm.used() != vmm.next {
        std::thread::yield_now();
    }
    vmm.assert_answered();
    assert_eq!(vmm.call.take(), 0);
    assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
    assert_eq!(vmm.call.take(), 1);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_socket_or_a_pipe_will_do_as_call_descriptor() {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut vmm = Vmm::running();
    for (reader, writer) in [
        (OwnedFd::from(near), OwnedFd::from(far)),
        (reader.into(), writer.into()),
    ] {
        let word = words(&[0]);
        assert_eq!(vmm.ask(SET_VRING_CALL, &word, &[writer.as_fd()]), 0);
        vmm.call = Event(reader);
        vmm.submit();
        assert_eq!(vmm.call.wait(), 1);
        vmm.assert_answered();
    }
    vmm.hang_up().unwrap();
}

#[test]
fn a_ring_that_is_disabled_stands_still_and_then_goes_on() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    vmm.set(SET_VRING_ENABLE, &state(0, 0));
    vmm.submit();
    vmm.assert_alive();
    assert_eq!(vmm.used(), 1);
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    vmm.call.wait();
    vmm.assert_answered();
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    vmm.assert_serves();
    assert_eq!(vmm.base(), 3);
    vmm.hang_up().unwrap();
}

#[test]
fn where_the_ring_stopped_is_told_again_until_the_vmm_says_otherwise() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    assert_eq!((vmm.base(), vmm.base()), (1, 1));
    // The kick is forgotten, so that enabling it changes nothing.
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    vmm.submit();
    vmm.assert_alive();
    assert_eq!(vmm.used(), 1);
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.call.wait();
    vmm.assert_answered();
    assert_eq!(vmm.base(), 2);
    vmm.set(SET_VRING_BASE, &state(0, 0xfffe));
    assert_eq!(vmm.base(), 0xfffe);
    vmm.hang_up().unwrap();
}

#[test]
fn a_kick_descriptor_is_replaced_while_the_ring_runs() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    vmm.kick = Event::new();
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_reset_ends_the_ring_and_the_next_driver_starts_anew() {
    for reset in [RESET_DEVICE, RESET_OWNER] {
        let mut vmm = Vmm::running();
        vmm.assert_serves();
        vmm.assert_serves();
        vmm.set(reset, &[]);
        assert_eq!(vmm.base(), 0);
        vmm.submit();
        vmm.assert_alive();
        assert_eq!(vmm.used(), 2);

        // Memory, features and event descriptors are not told again.
        vmm.next = 0;
        vmm.region.write(AVAILABLE, &[0; 4]);
        vmm.region.write(USED, &[0; 4]);
        vmm.set(SET_VRING_NUM, &state(0, RING_SIZE.into()));
        vmm.set(SET_VRING_ADDR, &vmm.addresses());
        assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
        vmm.set(SET_VRING_ENABLE, &state(0, 1));
        vmm.assert_serves();
        vmm.hang_up().unwrap();
    }
}

#[test]
fn a_driver_that_breaks_the_ring_is_told_of_on_the_error_descriptor() {
    let vmm = Vmm::running();
    // More chains than the ring has descriptors.
    let beyond = RING_SIZE + 1;
    vmm.region.write(AVAILABLE + 2, &beyond.to_le_bytes());
    rustix::io::write(&vmm.kick.0, &1u64.to_ne_bytes()).unwrap();
    vmm.error.wait();
    vmm.assert_alive();

    // After a reset of the guest another driver works.
    let mut vmm = vmm;
    vmm.set(SET_VRING_ENABLE, &state(0, 0));
    vmm.base();
    vmm.region.write(AVAILABLE, &[0; 4]);
    vmm.region.write(USED, &[0; 4]);
    vmm.set(SET_VRING_BASE, &state(0, 0));
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn the_configuration_space_is_as_long_as_it_is_asked_for() {
    let vmm = Vmm::agreed();
    let mut whole = b"\x05\0share".to_vec();
    whole.resize(0x1000, 0);
    // The longest that fits a message.
    for (offset, size) in [(0, 7), (0, 1), (0, 2), (1, 3), (6, 2), (0, 256), (0, 4000)] {
        let expected = &whole[offset as usize..][..size as usize];
        assert_eq!(vmm.config(offset, size), expected, "{offset} {size}");
    }
    for offset in [7, 255, 256, 4095] {
        assert_eq!(vmm.config(offset, 1), [0], "{offset}");
    }
    vmm.hang_up().unwrap();
}

#[test]
fn one_byte_after_another_makes_the_tag() {
    let vmm = Vmm::agreed();
    let tag: Vec<u8> = (2..7).flat_map(|offset| vmm.config(offset, 1)).collect();
    assert_eq!(tag, b"share");
    vmm.hang_up().unwrap();
}

#[test]
fn features_that_come_after_a_ring_was_enabled_leave_it_so() {
    let mut vmm = Vmm::prepared();
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    let features = words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]);
    vmm.set(SET_FEATURES, &features);
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}
