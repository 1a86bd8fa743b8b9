//! What a driver puts into a virtqueue and the memory around it. Frames of 9P are requests in good
//! chains; frames of other types are the driver's doings:
//!
//! | Type | Meaning |
//! |---|---|
//! | 0 | makes as many chains available as the tag says, and those whose heads are in the body; waits |
//! | 1 | writes the body to the memory at the tag's address |
//! | 2 | writes the body, a descriptor, to the table at the tag's index |
//! | 3 | by the tag: stops the queue and goes on, resets it, takes memory away or gives it back |
//!
//! If the first frame's tag has bit 14, the server's files are the host's, so that payloads go between
//! them and the memory by one call.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use virtfs_device::{Patience, QueueSetup, features};
use virtfs_server::Server;
use virtfs_tests::virtio::{
    Attached, Descriptor, Direct, Driver, DriverOptions, Event, GuestRam, flags,
};
use virtfs_tests::{Rng, Served};

use super::Target;
use super::local::directory;
use super::samples::REQUESTS;
use crate::frames::{frame, frames};
use crate::mutate;

pub(super) const TARGET: Target = Target {
    name: "virtqueue",
    run,
    mutate,
};

const AVAILABLE: u8 = 0;
const WRITE: u8 = 1;
const DESCRIPTOR: u8 = 2;
const DEVICE: u8 = 3;

const QUEUE: u16 = 32;
/// The first region; a region of indirect tables behind it, and one apart.
const RAM: u64 = 0x1_0000;
const TABLES: u64 = RAM;
const HIGH: u64 = 1 << 32;
const SMALL: u64 = 0x1000;
/// Requests lie here, and the room for their replies.
const REQUEST: u64 = 0x4000;
const ROOM: u64 = 0x8000;
const SLOT: u64 = 0x200;

/// How long chains may take that wait for nothing.
const SHORT: Duration = Duration::from_millis(5);

thread_local! {
    static GUEST: RefCell<(Arc<GuestRam>, Driver)> = RefCell::new({
        let ram = GuestRam::with_regions(&[(0, RAM), (TABLES, SMALL), (HIGH, SMALL)]);
        let options = DriverOptions { queue_size: QUEUE, event_idx: true, indirect: true };
        let driver = Driver::new(&ram, options);
        (ram, driver)
    });
}

fn run(input: &[u8]) {
    GUEST.with_borrow(|(ram, driver)| {
        for (at, size) in [(0, RAM), (TABLES, SMALL), (HIGH, SMALL)] {
            ram.write(at, &vec![0; size as usize]);
        }
        let dir = directory();
        let first = frames(input).next().map_or(0, |frame| frame.tag());
        let served = match first & 1 << 14 {
            0 => Served::memory(),
            _ => Served::local(dir.path()),
        };
        let mut guest = Guest::new(&served.server, ram, driver);
        frames(input).for_each(|frame| guest.act(frame.kind(), frame.tag(), frame.bytes));
        guest.show(&[], 0);
        guest.direct.device.reset();
        assert!(!guest.direct.device.is_running());
    });
}

struct Guest<'a> {
    ram: &'a GuestRam,
    driver: &'a Driver,
    direct: Direct,
    kick: Event,
    /// The available index, and how many chains are not shown yet.
    available: u16,
    hidden: u16,
    slot: u16,
}

impl<'a> Guest<'a> {
    fn new(server: &Server, ram: &'a GuestRam, driver: &'a Driver) -> Self {
        let direct = Direct::new(server, ram);
        let mut guest = Self {
            ram,
            driver,
            direct,
            kick: Event::from(driver.kick_fd()),
            available: 0,
            hidden: 0,
            slot: 0,
        };
        guest.start(0xfffc, true);
        guest
    }

    /// Starts the queue at this index.
    fn start(&mut self, index: u16, event_idx: bool) {
        let ring = self.driver.ring();
        ring.set_available_index(index);
        ring.set_used_index(index);
        (self.available, self.hidden) = (index, 0);
        let setup = self.direct.setup(self.driver, index);
        let features = match event_idx {
            true => setup.features,
            false => setup.features & !features::EVENT_IDX,
        };
        let started = self.direct.device.start(QueueSetup { features, ..setup });
        started.expect("the queue starts");
    }

    fn act(&mut self, kind: Option<u8>, tag: u16, bytes: &[u8]) {
        let body = bytes.get(7..).unwrap_or_default();
        match kind {
            Some(AVAILABLE) => self.show(body, tag & 0x3fff),
            Some(WRITE) => {
                let room = (RAM - u64::from(tag)) as usize;
                self.ram.write(tag.into(), &body[..body.len().min(room)]);
            }
            Some(DESCRIPTOR) => {
                let mut all = [0; 16];
                for (to, from) in all.iter_mut().zip(body) {
                    *to = *from;
                }
                let table = if tag & 0x100 == 0 {
                    self.driver.ring().descriptors
                } else {
                    TABLES
                };
                self.ram.write(table + 16 * u64::from(tag % QUEUE), &all);
            }
            Some(DEVICE) => self.control(tag),
            _ => self.request(bytes),
        }
    }

    fn control(&mut self, what: u16) {
        let device = &self.direct.device;
        match what % 5 {
            0 if device.is_running() => {
                let next = device.stop_within(Patience::SHORT);
                let setup = self.direct.setup(self.driver, next);
                device.start(setup).expect("it goes on");
            }
            1 | 2 => {
                device.reset();
                self.start(what >> 3, what % 5 == 1);
            }
            3 => device.set_memory(self.ram.device_memory_without(HIGH)),
            4 => device.set_memory(self.ram.device_memory()),
            _ => {}
        }
    }

    /// A request in a chain of two, or in one of several pieces as Linux cuts it, which is made
    /// available and not shown yet.
    fn request(&mut self, bytes: &[u8]) {
        let ring = self.driver.ring();
        let slot = self.slot % (QUEUE / 2);
        self.slot += 1;
        let (request, room) = (
            REQUEST + SLOT * u64::from(slot),
            ROOM + 2 * SLOT * u64::from(slot),
        );
        let length = bytes.len().min(SLOT as usize);
        self.ram.write(request, &bytes[..length]);
        let indirect = slot % 4 < 2;
        let heads = match indirect && slot.is_multiple_of(2) {
            true => [23.min(length), 11],
            false => [length, 0],
        };
        let pieces = [
            (request, heads[0], 0),
            (request + heads[0] as u64, length - heads[0], 0),
            (room, heads[1], flags::WRITE),
            (
                room + heads[1] as u64,
                2 * SLOT as usize - heads[1],
                flags::WRITE,
            ),
        ];
        let pieces: Vec<_> = pieces.into_iter().filter(|piece| piece.1 > 0).collect();
        let table = TABLES + 64 * u64::from(slot);
        let first = if indirect { 0 } else { 2 * slot };
        for (at, &(address, length, kind)) in (0..).zip(&pieces) {
            let last = usize::from(at) + 1 == pieces.len();
            let descriptor = Descriptor {
                address,
                length: length as u32,
                flags: kind | if last { 0 } else { flags::NEXT },
                next: (first + at + 1) % QUEUE,
            };
            match indirect {
                true => self
                    .ram
                    .write(table + 16 * u64::from(at), &descriptor.encode()),
                false => ring.set_descriptor((first + at) % QUEUE, descriptor),
            }
        }
        if indirect {
            let whole = Descriptor {
                address: table,
                length: 16 * pieces.len() as u32,
                flags: flags::INDIRECT,
                next: 0,
            };
            ring.set_descriptor(2 * slot, whole);
        }
        self.make_available(2 * slot);
    }

    fn make_available(&mut self, head: u16) {
        let index = self.available.wrapping_add(self.hidden);
        self.driver.ring().set_available(index, head);
        self.hidden += 1;
    }

    /// Shows the device what was made available, these heads, and so many more as there may be none
    /// of; waits until they are used or the ring is broken.
    fn show(&mut self, heads: &[u8], more: u16) {
        heads
            .iter()
            .for_each(|head| self.make_available(u16::from(*head)));
        let ring = self.driver.ring();
        let count = self.hidden.wrapping_add(more);
        let used = ring.used_index().wrapping_add(count);
        self.available = self.available.wrapping_add(count);
        self.hidden = 0;
        ring.set_available_index(self.available);
        self.kick.signal();
        let until = Instant::now() + SHORT;
        while ring.used_index() != used
            && self.direct.device.is_running()
            && self.direct.breaks() == 0
            && Instant::now() < until
        {
            sleep(Duration::from_micros(20));
        }
        self.direct.broken().take();
    }
}

static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut all = REQUESTS.clone();
    let several = all.len() / 16;
    for at in 0..several as u16 {
        all.push(frame(AVAILABLE, 0, &[]));
        all.push(frame(AVAILABLE, 0, &[at as u8 % 32]));
        all.push(frame(AVAILABLE, at % 40, &[]));
        all.push(frame(AVAILABLE, 1 << 14, &[]));
        all.push(frame(DEVICE, at, &[]));
        let addresses = [REQUEST, ROOM, TABLES, HIGH, RAM - 8, TABLES + 0x10, 0];
        for (index, address) in addresses.into_iter().enumerate() {
            let descriptor = Descriptor {
                address,
                length: [16, 32, 64, 160, 0, 0x1000, 1][(index + usize::from(at)) % 7],
                flags: at % 8,
                next: (at + 1) % 32,
            };
            all.push(frame(
                DESCRIPTOR,
                at | (index as u16 & 1) << 8,
                &descriptor.encode(),
            ));
        }
    }
    all
});

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    if random.below(64) == 0 && !input.starts_with(&frame(AVAILABLE, 1 << 14, &[])) {
        input.splice(..0, frame(AVAILABLE, 1 << 14, &[]));
    }
    mutate::frames(input, 0, &SAMPLES, random, limit);
}
