//! A VMM and its guest's driver, message by message and by hand: the connection's other end.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use virtfs_device::vhost_user::{Connection, Error, Stopper};
use virtfs_device::{Device, Tag};
use virtfs_server::{Export, Server};
use virtfs_vfs::memory::MemoryFs;

/// Types of messages, by the names of the vhost-user specification.
#[allow(dead_code)]
pub(crate) mod request {
    pub(crate) const GET_FEATURES: u32 = 1;
    pub(crate) const SET_FEATURES: u32 = 2;
    pub(crate) const SET_OWNER: u32 = 3;
    pub(crate) const RESET_OWNER: u32 = 4;
    pub(crate) const SET_MEM_TABLE: u32 = 5;
    pub(crate) const SET_VRING_NUM: u32 = 8;
    pub(crate) const SET_VRING_ADDR: u32 = 9;
    pub(crate) const SET_VRING_BASE: u32 = 10;
    pub(crate) const GET_VRING_BASE: u32 = 11;
    pub(crate) const SET_VRING_KICK: u32 = 12;
    pub(crate) const SET_VRING_CALL: u32 = 13;
    pub(crate) const SET_VRING_ERR: u32 = 14;
    pub(crate) const GET_PROTOCOL_FEATURES: u32 = 15;
    pub(crate) const SET_PROTOCOL_FEATURES: u32 = 16;
    pub(crate) const GET_QUEUE_NUM: u32 = 17;
    pub(crate) const SET_VRING_ENABLE: u32 = 18;
    pub(crate) const SET_BACKEND_REQ_FD: u32 = 21;
    pub(crate) const GET_CONFIG: u32 = 24;
    pub(crate) const SET_CONFIG: u32 = 25;
    pub(crate) const RESET_DEVICE: u32 = 34;
    pub(crate) const GET_MAX_MEM_SLOTS: u32 = 36;
    pub(crate) const ADD_MEM_REG: u32 = 37;
    pub(crate) const REM_MEM_REG: u32 = 38;
}

use request::*;

/// What a driver of this device takes: the tag, indirect descriptors, VERSION_1.
pub(crate) const DRIVER_FEATURES: u64 = 1 << 0 | 1 << 28 | 1 << 32;
/// `VHOST_USER_F_PROTOCOL_FEATURES`.
pub(crate) const PROTOCOL_FEATURES: u64 = 1 << 30;
/// MQ, REPLY_ACK, BACKEND_REQ, CONFIG, RESET_DEVICE, CONFIGURE_MEM_SLOTS.
pub(crate) const PROTOCOL: u64 = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 13 | 1 << 15;

const NEED_REPLY: u32 = 0x8;

/// How many descriptors the ring has.
pub(crate) const RING_SIZE: u16 = 8;
/// Where the parts of the ring are in the region, then the request and the reply.
pub(crate) const DESCRIPTORS: u64 = 0;
pub(crate) const AVAILABLE: u64 = 0x1000;
pub(crate) const USED: u64 = 0x2000;
const REQUEST: u64 = 0x3000;
const REPLY: u64 = 0x4000;

/// A region of guest memory, its file included.
pub(crate) struct Region {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) guest: u64,
    pub(crate) vmm: u64,
}

impl Region {
    /// One that begins within its file, as User-Mode Linux has it.
    pub(crate) fn new() -> Self {
        let file = File::from(memfd_create("guest-memory", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(0x1_0000).unwrap();
        Self {
            file,
            offset: 0x8000,
            size: 0x8000,
            guest: 0x10_0000,
            vmm: 0x7f00_0000_0000,
        }
    }

    /// As it is told: guest address, size, VMM address, offset.
    pub(crate) fn encode(&self) -> Vec<u8> {
        words(&[self.guest, self.size, self.vmm, self.offset])
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.offset + at).unwrap();
    }

    pub(crate) fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.file
            .read_exact_at(&mut bytes, self.offset + at)
            .unwrap();
        bytes
    }
}

/// These in a row.
pub(crate) fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// The body of messages about a ring.
pub(crate) fn state(index: u32, value: u32) -> Vec<u8> {
    [index.to_ne_bytes(), value.to_ne_bytes()].concat()
}

/// What a message to the front is made of.
pub(crate) fn message(request: u32, flags: u32, body: &[u8]) -> Vec<u8> {
    let head = [request, flags | 1, body.len() as u32];
    let head = head.iter().flat_map(|word| word.to_ne_bytes());
    head.chain(body.iter().copied()).collect()
}

/// An eventfd, and what is in it.
pub(crate) struct Event(pub(crate) OwnedFd);

impl Event {
    pub(crate) fn new() -> Self {
        Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap())
    }

    /// How often it was written to since the last look.
    pub(crate) fn take(&self) -> u64 {
        let mut count = [0; 8];
        match rustix::io::read(&self.0, &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    /// Waits until it is written to.
    pub(crate) fn wait(&self) -> u64 {
        let limit = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&limit)), Ok(1), "nothing came");
        self.take()
    }

    fn signal(&self) {
        rustix::io::write(&self.0, &1u64.to_ne_bytes()).unwrap();
    }
}

/// A server with an empty tree.
pub(crate) fn server() -> Server {
    let export = Export::new("", Arc::new(MemoryFs::new()));
    Server::builder().export(export).build().unwrap()
}

/// A device of that.
pub(crate) fn device() -> Device {
    Device::new(server(), Tag::new("share").unwrap())
}

pub(crate) struct Vmm {
    pub(crate) socket: UnixStream,
    pub(crate) stopper: Stopper,
    pub(crate) front: JoinHandle<Result<(), Error>>,
    pub(crate) region: Region,
    pub(crate) kick: Event,
    pub(crate) call: Event,
    pub(crate) error: Event,
    /// The driver's index in the available ring.
    pub(crate) next: u16,
}

impl Vmm {
    /// Connected, and nothing said.
    pub(crate) fn new() -> Self {
        Self::of(device())
    }

    /// Connected to this device.
    pub(crate) fn of(device: Device) -> Self {
        let (socket, far) = UnixStream::pair().unwrap();
        let connection = Connection::new(far, device).unwrap();
        Self {
            socket,
            stopper: connection.stopper().unwrap(),
            front: spawn(|| connection.run()),
            region: Region::new(),
            kick: Event::new(),
            call: Event::new(),
            error: Event::new(),
            next: 0,
        }
    }

    /// Connected, and agreed on features.
    pub(crate) fn agreed() -> Self {
        let vmm = Self::new();
        assert_eq!(vmm.get(GET_FEATURES) & DRIVER_FEATURES, DRIVER_FEATURES);
        assert_eq!(vmm.get(GET_PROTOCOL_FEATURES), PROTOCOL);
        vmm.send(SET_PROTOCOL_FEATURES, &words(&[PROTOCOL]), &[]);
        vmm.set(SET_OWNER, &[]);
        vmm.set(SET_FEATURES, &words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]));
        vmm
    }

    /// With memory and a ring that was told of, but for kick and enable.
    pub(crate) fn prepared() -> Self {
        let vmm = Self::agreed();
        assert_eq!(vmm.set_memory(&[&vmm.region]), 0);
        vmm.set(SET_VRING_NUM, &state(0, RING_SIZE.into()));
        vmm.set(SET_VRING_BASE, &state(0, 0));
        vmm.set(SET_VRING_ADDR, &vmm.addresses());
        assert_eq!(vmm.set_event(SET_VRING_ERR, &vmm.error), 0);
        assert_eq!(vmm.set_event(SET_VRING_CALL, &vmm.call), 0);
        vmm
    }

    /// With a ring that runs.
    pub(crate) fn running() -> Self {
        let vmm = Self::prepared();
        assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
        vmm.set(SET_VRING_ENABLE, &state(0, 1));
        vmm
    }

    /// The body of SET_VRING_ADDR for the ring's proper place.
    pub(crate) fn addresses(&self) -> Vec<u8> {
        let at = |part| self.region.vmm + part;
        words(&[0, at(DESCRIPTORS), at(USED), at(AVAILABLE), 0])
    }

    /// Sends bytes with descriptors.
    pub(crate) fn send_raw(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        self.try_send_raw(bytes, fds, SendFlags::NOSIGNAL).unwrap();
    }

    pub(crate) fn try_send_raw(
        &self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> rustix::io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        }
        sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, flags)
    }

    /// Sends a message that is not acknowledged.
    pub(crate) fn send(&self, request: u32, body: &[u8], fds: &[BorrowedFd<'_>]) {
        self.send_raw(&message(request, 0, body), fds);
    }

    /// What comes back: the type and the body.
    pub(crate) fn receive(&self) -> (u32, Vec<u8>) {
        let mut head = [[0; 4]; 3];
        (&self.socket).read_exact(head.as_flattened_mut()).unwrap();
        let [request, flags, size] = head.map(u32::from_ne_bytes);
        assert_eq!(flags, 0x5, "version 1, a reply");
        let mut body = vec![0; size as usize];
        (&self.socket).read_exact(&mut body).unwrap();
        (request, body)
    }

    fn receive_word(&self, of: u32) -> u64 {
        let (request, body) = self.receive();
        assert_eq!(request, of);
        u64::from_ne_bytes(body.try_into().unwrap())
    }

    /// Asks for a number.
    pub(crate) fn get(&self, request: u32) -> u64 {
        self.send(request, &[], &[]);
        self.receive_word(request)
    }

    /// Sends a message to be acknowledged: 0 if it was done.
    pub(crate) fn ask(&self, request: u32, body: &[u8], fds: &[BorrowedFd<'_>]) -> u64 {
        self.send_raw(&message(request, NEED_REPLY, body), fds);
        self.receive_word(request)
    }

    /// Sends a message that must be done.
    pub(crate) fn set(&self, request: u32, body: &[u8]) {
        assert_eq!(self.ask(request, body, &[]), 0, "message {request}");
    }

    pub(crate) fn set_event(&self, request: u32, event: &Event) -> u64 {
        self.ask(request, &words(&[0]), &[event.0.as_fd()])
    }

    pub(crate) fn set_memory(&self, regions: &[&Region]) -> u64 {
        let mut body = state(regions.len() as u32, 0);
        regions
            .iter()
            .for_each(|region| body.extend(region.encode()));
        let fds: Vec<_> = regions.iter().map(|region| region.file.as_fd()).collect();
        self.ask(SET_MEM_TABLE, &body, &fds)
    }

    pub(crate) fn add_memory(&self, region: &Region) -> u64 {
        let body = [words(&[0]), region.encode()].concat();
        self.ask(ADD_MEM_REG, &body, &[region.file.as_fd()])
    }

    pub(crate) fn remove_memory(&self, region: &Region) -> u64 {
        self.ask(REM_MEM_REG, &[words(&[0]), region.encode()].concat(), &[])
    }

    /// Where the ring is to go on, once it has stopped.
    pub(crate) fn base(&self) -> u32 {
        self.send(GET_VRING_BASE, &state(0, 0), &[]);
        let (request, body) = self.receive();
        assert_eq!((request, &body[..4]), (GET_VRING_BASE, &[0; 4][..]));
        u32::from_ne_bytes(body[4..].try_into().unwrap())
    }

    /// So much of the configuration space.
    pub(crate) fn config(&self, offset: u32, size: u32) -> Vec<u8> {
        let head = [offset, size, 0].map(u32::to_ne_bytes);
        let body = [head.as_flattened(), &vec![0; size as usize]].concat();
        self.send(GET_CONFIG, &body, &[]);
        let (request, body) = self.receive();
        assert_eq!(request, GET_CONFIG);
        assert_eq!(&body[..12], head.as_flattened());
        body[12..].to_vec()
    }

    /// How many chains the device has used, modulo 2^16.
    pub(crate) fn used(&self) -> u16 {
        u16::from_le_bytes(self.region.read(USED + 2))
    }

    /// The driver asks for a version, and notifies the device.
    pub(crate) fn submit(&mut self) {
        let Region { guest, .. } = self.region;
        let tversion = b"\x15\0\0\0\x64\xff\xff\0\x10\0\0\x08\x009P2000.L";
        self.region.write(REQUEST, tversion);
        self.region.write(REPLY, &[0; 64]);
        let descriptor = |at: u64, length: u32, flags: u16, next: u16| {
            let (at, length) = ((guest + at).to_le_bytes(), length.to_le_bytes());
            let rest = [flags.to_le_bytes(), next.to_le_bytes()].concat();
            [&at[..], &length, &rest].concat()
        };
        // Readable and continued by the second; writable.
        let length = tversion.len() as u32;
        self.region
            .write(DESCRIPTORS, &descriptor(REQUEST, length, 1, 1));
        self.region
            .write(DESCRIPTORS + 16, &descriptor(REPLY, 64, 2, 0));
        let slot = u64::from(self.next % RING_SIZE);
        self.region.write(AVAILABLE + 4 + 2 * slot, &[0; 2]);
        self.next = self.next.wrapping_add(1);
        self.region.write(AVAILABLE + 2, &self.next.to_le_bytes());
        self.kick.signal();
    }

    /// The server has answered that request with the version.
    pub(crate) fn assert_answered(&self) {
        assert_eq!(self.used(), self.next, "chains used");
        let slot = u64::from(self.next.wrapping_sub(1) % RING_SIZE);
        let [id, length] = [4, 8].map(|at| self.region.read(USED + at + 8 * slot));
        assert_eq!([id, length].map(u32::from_le_bytes), [0, 21]);
        let rversion = self.region.read::<21>(REPLY);
        assert_eq!(&rversion[..7], b"\x15\0\0\0\x65\xff\xff");
        assert_eq!(&rversion[11..], b"\x08\x009P2000.L");
    }

    /// A request is answered, and the driver notified.
    pub(crate) fn assert_serves(&mut self) {
        self.call.take();
        self.submit();
        self.call.wait();
        self.assert_answered();
    }

    /// The front still answers.
    pub(crate) fn assert_alive(&self) {
        assert_ne!(self.get(GET_FEATURES), 0);
    }

    /// How it ends after the VMM has hung up.
    pub(crate) fn hang_up(self) -> Result<(), Error> {
        drop(self.socket);
        self.front.join().expect("the front does not panic")
    }

    /// How it ends while the VMM stays: it sees the other side hang up.
    pub(crate) fn ended(mut self) -> Result<(), Error> {
        let ended = self.front.join().expect("the front does not panic");
        // What it had not read is lost with it.
        let rest = self.socket.read_to_end(&mut Vec::new());
        let lost = |error: io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        assert!(rest.is_ok() || rest.is_err_and(lost));
        ended
    }
}
