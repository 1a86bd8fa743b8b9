//! What a VMM says on a vhost-user socket. The body of a frame is bytes for the socket; its tag says
//! which descriptors go with them: how many (three bits), then which, three bits each. Frames of
//! other types than 0 write their bodies to the ring's memory at the tag's address instead, and
//! kick.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;
use virtfs_device::{Device, Tag};
use virtfs_server::Server;
use virtfs_tests::Rng;

use self::vmm::request::*;
use self::vmm::{
    AVAILABLE, DESCRIPTORS, DRIVER_FEATURES, PROTOCOL, PROTOCOL_FEATURES, RING_SIZE, Region, USED,
    Vmm, message, server, state, words,
};
use super::Target;
use crate::frames::{CONTROL, frame, frames};
use crate::mutate;

#[allow(dead_code, reason = "the tests of the device use the rest of it")]
#[path = "../../../crates/virtfs-device/tests/vhost_user/vmm.rs"]
mod vmm;

pub(super) const TARGET: Target = Target {
    name: "vhost-user",
    run,
    mutate,
};

const PATIENCE: Duration = Duration::from_secs(60);

const MEMORY: u8 = 1;

fn run(input: &[u8]) {
    static SERVER: LazyLock<Server> = LazyLock::new(server);
    let tag = Tag::new("share").expect("a tag");
    let mut vmm = Vmm::of(Device::new(SERVER.clone(), tag));
    let zero = File::open("/dev/zero").expect("a device");
    let (socket, _peer) = UnixStream::pair().expect("a pair of sockets");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let all: [BorrowedFd<'_>; 8] = [
        vmm.region.file.as_fd(),
        vmm.kick.0.as_fd(),
        vmm.call.0.as_fd(),
        vmm.error.0.as_fd(),
        zero.as_fd(),
        socket.as_fd(),
        reader.as_fd(),
        writer.as_fd(),
    ];
    for frame in frames(input) {
        let (tag, body) = (frame.tag(), frame.body());
        if frame.kind() == Some(CONTROL) {
            let count = match tag & 7 {
                7 => 33,
                count => count,
            };
            let which = |at: u16| all[usize::from(tag >> (3 + 3 * (at % 4)) & 7)];
            let fds: Vec<_> = (0..count).map(which).collect();
            if body.is_empty() || vmm.try_send_raw(body, &fds, SendFlags::NOSIGNAL).is_err() {
                continue;
            }
        } else {
            let at = u64::from(tag % 0x8000);
            let room = 0x8000 - at as usize;
            vmm.region.write(at, &body[..body.len().min(room)]);
            let _ = rustix::io::write(&vmm.kick.0, &1u64.to_ne_bytes());
        }
    }
    vmm.submit();
    drop(vmm.socket);
    let until = Instant::now() + PATIENCE;
    while !vmm.front.is_finished() {
        assert!(Instant::now() < until, "the connection does not end");
        sleep(Duration::from_micros(20));
    }
    let _ = vmm.front.join().expect("the front does not panic");
}

/// What VMMs say, and a driver's ring.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let region = Region::new();
    let said = |request, body: &[u8], fds: u16| frame(CONTROL, fds, &message(request, 0, body));
    // One descriptor: this one.
    let one = |which: u16| 1 | which << 3;
    let single = [words(&[0]), region.encode()].concat();
    let table = [state(1, 0), region.encode()].concat();
    let config = [
        [0u32, 7, 0].map(u32::to_ne_bytes).as_flattened(),
        &[0; 7][..],
    ]
    .concat();
    let at = |part| region.vmm + part;
    let addresses = words(&[0, at(DESCRIPTORS), at(USED), at(AVAILABLE), 0]);
    let features = words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]);
    let none = words(&[0]);
    let mut all = vec![
        said(GET_FEATURES, &[], 0),
        said(GET_PROTOCOL_FEATURES, &[], 0),
        said(SET_PROTOCOL_FEATURES, &words(&[PROTOCOL]), 0),
        said(GET_QUEUE_NUM, &[], 0),
        said(GET_MAX_MEM_SLOTS, &[], 0),
        said(SET_BACKEND_REQ_FD, &[], one(5)),
        said(SET_OWNER, &[], 0),
        said(RESET_OWNER, &[], 0),
        said(SET_VRING_ERR, &none, one(3)),
        said(GET_CONFIG, &config, 0),
        said(SET_CONFIG, &config, 0),
        said(SET_FEATURES, &features, 0),
        said(ADD_MEM_REG, &single, one(0)),
        said(ADD_MEM_REG, &single, one(4)),
        said(REM_MEM_REG, &single, 0),
        said(SET_MEM_TABLE, &table, one(0)),
        said(
            SET_MEM_TABLE,
            &[table.clone(), vec![0; 32]].concat(),
            one(0),
        ),
        said(SET_VRING_NUM, &state(0, RING_SIZE.into()), 0),
        said(SET_VRING_BASE, &state(0, 0), 0),
        said(SET_VRING_ADDR, &addresses, 0),
        said(SET_VRING_KICK, &none, one(1)),
        said(SET_VRING_CALL, &none, one(2)),
        said(SET_VRING_KICK, &words(&[0x100]), 0),
        said(SET_VRING_ENABLE, &state(0, 1), 0),
        said(SET_VRING_ENABLE, &state(0, 0), 0),
        said(GET_VRING_BASE, &state(0, 0), 0),
        said(RESET_DEVICE, &[], 0),
        said(SET_VRING_CALL, &none, one(5)),
        said(SET_VRING_CALL, &none, one(7)),
        said(SET_VRING_ERR, &none, one(4)),
        frame(MEMORY, AVAILABLE as u16 + 2, &[1, 0]),
        frame(MEMORY, AVAILABLE as u16 + 2, &[0xff, 0x7f]),
        frame(MEMORY, DESCRIPTORS as u16, &[0; 16]),
    ];
    // To be acknowledged.
    let asked = all.clone().into_iter().map(|mut bytes| {
        if bytes.get(4) == Some(&CONTROL)
            && let Some(flags) = bytes.get_mut(11)
        {
            *flags |= 0x8;
        }
        bytes
    });
    let asked: Vec<_> = asked.collect();
    // All that makes the ring run, in one piece.
    let start = [2, 6, 11, 15, 17, 18, 19, 20, 21, 23];
    let start: Vec<u8> = start
        .into_iter()
        .filter_map(|at| all.get::<usize>(at))
        .flatten()
        .copied()
        .collect();
    all.push(start);
    all.extend(asked);
    all
});

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    mutate::frames(input, 0, &SAMPLES, random, limit);
    // A message's own size, so that a change leads past its header.
    if random.below(2) == 0 {
        for range in crate::frames::ranges(input) {
            let Some(frame) = input.get_mut(range) else {
                continue;
            };
            let size = (frame.len().saturating_sub(19) as u32).to_ne_bytes();
            if frame.get(4) == Some(&CONTROL)
                && let Some(to) = frame.get_mut(15..19)
            {
                to.copy_from_slice(&size);
            }
        }
    }
}
