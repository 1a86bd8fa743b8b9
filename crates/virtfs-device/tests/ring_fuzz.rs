//! A fuzzer of the ring that needs nothing but `cargo test`: random descriptor tables, indirect
//! tables, available rings and requests. Each chain is used or breaks the ring, in bounded time;
//! nothing panics; nothing is written but what a writable descriptor names.
//!
//! It runs for a second from a fixed seed, or for `VIRTFS_FUZZ_SECONDS` from a new one. The seed
//! is printed, also with every failure; `VIRTFS_FUZZ_SEED` repeats it, as far as threads let it.
#![forbid(unsafe_code)]

use std::env;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use virtfs_device::{Patience, QueueSetup};
use virtfs_proto::{NOFID, Tattach, Tversion};
use virtfs_tests::virtio::{
    Attached, Descriptor, Direct, Driver, DriverOptions, GuestRam, Ring, flags,
};
use virtfs_tests::{PATIENCE, Rng, Served, frame, requests_on};

/// The fixed seed, chosen without a thought.
const SEED: u64 = 0x9b20_0026_4c75_0126;

const QUEUE: u16 = 64;
/// The first region, and what lies where in it: the ring comes first.
const RAM: u64 = 0x1_0000;
/// Requests, each at a multiple of [`REQUEST`].
const REQUESTS: u64 = 0x4000;
const REQUEST: u64 = 0x200;
/// What the device may write.
const ROOM: u64 = 0x8000;
/// A region right behind the first one: indirect tables, up to its end.
const TABLES: u64 = RAM;
const TABLES_SIZE: u64 = 0x1000;
/// A region apart.
const HIGH: u64 = 1 << 32;
const HIGH_SIZE: u64 = 0x1000;

#[test]
fn random_rings_are_used_or_broken_and_nothing_else_is_written() {
    let panics = Arc::new(AtomicUsize::new(0));
    count_panics(&panics);
    let seconds = number("VIRTFS_FUZZ_SECONDS");
    let seed = number("VIRTFS_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(SEED, |now| now.as_nanos() as u64),
        None => SEED,
    });
    println!("VIRTFS_FUZZ_SEED={seed}");
    let mut fuzzer = Fuzzer::new(seed);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    let mut rounds = 0;
    while Instant::now() < end {
        if rounds % 256 == 0 {
            // What clients have made does not grow for ever.
            fuzzer.serve();
        }
        fuzzer.round(&format!("VIRTFS_FUZZ_SEED={seed}, round {rounds}"));
        rounds += 1;
    }
    fuzzer.direct.device.reset();
    let (answered, broken) = (fuzzer.answered, fuzzer.broken);
    println!("{rounds} rounds: {answered} chains answered, the ring broken {broken} times");
    assert!(answered > 0 && broken > 0, "the fuzzer is one-sided");
    assert_eq!(panics.load(Ordering::SeqCst), 0, "threads have panicked");
}

struct Fuzzer {
    random: Rng,
    served: Served,
    ram: Arc<GuestRam>,
    driver: Driver,
    direct: Direct,
    /// Messages to change.
    corpus: Vec<Vec<u8>>,
    /// The ring's indices.
    available: u16,
    tag: u16,
    answered: u64,
    broken: u64,
}

impl Fuzzer {
    fn new(seed: u64) -> Self {
        let ram = GuestRam::with_regions(&[(0, RAM), (TABLES, TABLES_SIZE), (HIGH, HIGH_SIZE)]);
        let options = DriverOptions {
            queue_size: QUEUE,
            ..DriverOptions::default()
        };
        let driver = Driver::new(&ram, options);
        assert!(driver.ring().used < REQUESTS - 0x400);
        let served = Served::memory();
        let direct = Direct::new(&served.server, &ram);
        let fids = [0, 1, 2, 9];
        let requests = fids.iter().flat_map(|&fid| requests_on(fid, 0, 1 + fid));
        let corpus = requests
            .map(|request| {
                let mut bytes = frame(0, request);
                if bytes[4] == virtfs_proto::kind::TWRITE {
                    bytes.extend([7; 64]);
                }
                bytes
            })
            .collect();
        Self {
            random: Rng::new(seed),
            served,
            ram,
            driver,
            direct,
            corpus,
            available: 0,
            tag: 0,
            answered: 0,
            broken: 0,
        }
    }

    /// A new server.
    fn serve(&mut self) {
        self.served = Served::memory();
        self.direct = Direct::new(&self.served.server, &self.ram);
    }

    fn ring(&self) -> Ring {
        self.driver.ring().clone()
    }

    /// Starts the queue anywhere, and a session in it.
    fn start(&mut self) {
        self.direct.device.reset();
        let ring = self.ring();
        self.available = self.random.next_u64() as u16;
        ring.set_available_index(self.available);
        ring.set_used_index(self.random.next_u64() as u16);
        let setup = self.direct.setup(&self.driver, self.available);
        let features = match self.random.below(2) {
            0 => setup.features & !virtfs_device::features::EVENT_IDX,
            _ => setup.features,
        };
        let setup = QueueSetup { features, ..setup };
        self.direct.device.start(setup).expect("the queue starts");
        self.direct.broken().take();
        let version = Tversion {
            msize: 8192,
            version: b"9P2000.L",
        };
        let attach = Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"root",
            aname: b"",
            n_uname: 0,
        };
        for request in [frame(1, version), frame(1, attach)] {
            self.ram.write(REQUESTS, &request);
            let request = Descriptor {
                address: REQUESTS,
                length: request.len() as u32,
                flags: flags::NEXT,
                next: 1,
            };
            ring.set_descriptor(0, request);
            let room = Descriptor {
                address: ROOM,
                length: 100,
                flags: flags::WRITE,
                next: 0,
            };
            ring.set_descriptor(1, room);
            ring.set_available(self.available, 0);
            self.publish(1, "a good session");
        }
    }

    fn round(&mut self, what: &str) {
        if !self.direct.device.is_running() {
            self.start();
        }
        let ring = self.ring();
        for slot in 0..RAM / REQUEST {
            let at = REQUESTS + slot * REQUEST;
            if at >= ROOM {
                break;
            }
            if self.random.below(3) == 0 {
                let message = self.message();
                self.ram.write(at, &message);
            }
        }
        let mut tables = Vec::new();
        for _ in 0..TABLES_SIZE / 16 {
            tables.extend(self.descriptor(256).encode());
        }
        self.good_chain(&mut tables, 0);
        self.ram.write(TABLES, &tables);
        let mut table = Vec::new();
        for _ in 0..QUEUE {
            table.extend(self.descriptor(QUEUE).encode());
        }
        for at in 0..6 - self.random.below(8) / 7 {
            self.good_chain(&mut table, 8 * at as usize);
        }
        self.ram.write(ring.descriptors, &table);

        let count = 1 + self.random.below(6) as u16;
        for at in 0..count {
            let head = match self.random.below(24) {
                0 => self.random.below(u64::from(QUEUE) + 2) as u16,
                _ => 8 * self.random.below(6) as u16,
            };
            ring.set_available(self.available.wrapping_add(at), head);
        }
        let shown = match self.random.below(64) {
            0 => self.random.next_u64() as u16,
            1 => QUEUE,
            _ => count,
        };
        self.publish(shown, what);
        match self.random.below(16) {
            0 => self.direct.device.set_memory(self.ram.device_memory()),
            1 if self.direct.device.is_running() => {
                let next = self.direct.device.stop_within(Patience::SHORT);
                let setup = self.direct.setup(&self.driver, next);
                self.direct.device.start(setup).expect("it goes on");
            }
            2 => self.direct.device.reset(),
            _ => {}
        }
    }

    /// Shows the device so many chains, and waits until they are used or the ring is broken.
    fn publish(&mut self, count: u16, what: &str) {
        let ring = self.ring();
        let began = ring.used_index();
        self.driver.call().take();
        ring.set_used_event(began.wrapping_add(count).wrapping_sub(1));
        let before = self.ram.snapshot();
        self.available = self.available.wrapping_add(count);
        ring.set_available_index(self.available);
        self.driver.kick();
        let until = Instant::now() + PATIENCE;
        // Chains that break the ring may come back before it is broken.
        while ring.used_index() != began.wrapping_add(count) && self.direct.device.is_running() {
            assert!(Instant::now() < until, "{what}: it hangs");
            let time = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let mut fds = [
                PollFd::new(self.driver.call(), PollFlags::IN),
                PollFd::new(self.direct.broken(), PollFlags::IN),
            ];
            poll(&mut fds, Some(&time)).expect("it can be waited");
            self.driver.call().take();
        }
        if !self.direct.device.is_running() {
            self.broken += 1;
            // Nobody writes any more.
            self.direct.device.reset();
        }
        let used = ring.used_index().wrapping_sub(began);
        assert!(used <= count, "{what}: {used} of {count} chains are used");
        for at in 0..used {
            let (head, length) = ring.used_entry(began.wrapping_add(at));
            assert!(head < u32::from(QUEUE), "{what}: head {head}");
            self.answered += u64::from(length > 0);
        }
        self.compare(&before, what);
    }

    /// Asserts that nothing has changed but the used ring, the available index and what writable
    /// descriptors name.
    fn compare(&self, before: &[Vec<u8>], what: &str) {
        let ring = self.driver.ring();
        let mut allowed = vec![
            (ring.used, 6 + 8 * u64::from(QUEUE)),
            (ring.available + 2, 2),
        ];
        let direct = self.ram.bytes(ring.descriptors, 16 * usize::from(QUEUE));
        let indirect = self.ram.bytes(TABLES, TABLES_SIZE as usize);
        for descriptor in direct.chunks(16).chain(indirect.chunks(16)) {
            let number = |from: usize, to: usize| {
                let mut number = [0; 8];
                number[..to - from].copy_from_slice(&descriptor[from..to]);
                u64::from_le_bytes(number)
            };
            if number(12, 14) as u16 & flags::WRITE != 0 {
                allowed.push((number(0, 8), number(8, 12)));
            }
        }
        let after = self.ram.snapshot();
        for (region, (before, after)) in self.ram.regions().iter().zip(before.iter().zip(&after)) {
            if before == after {
                continue;
            }
            // Most of it has not changed.
            let pieces = before.chunks(64).zip(after.chunks(64)).enumerate();
            for (piece, (before, after)) in pieces.filter(|(_, (before, after))| before != after) {
                let changed = before.iter().zip(after).enumerate();
                for (at, _) in changed.filter(|(_, (before, after))| before != after) {
                    let at = region.address + (64 * piece + at) as u64;
                    let is_allowed = |(from, length): &(u64, u64)| {
                        at.checked_sub(*from).is_some_and(|into| into < *length)
                    };
                    assert!(
                        allowed.iter().any(is_allowed),
                        "{what}: {at:#x} was written"
                    );
                }
            }
        }
    }

    /// Puts a chain that can be answered into a table.
    fn good_chain(&mut self, table: &mut [u8], at: usize) {
        let slots = (ROOM - REQUESTS) / REQUEST;
        let address = REQUESTS + self.random.below(slots) * REQUEST;
        let size = self.ram.bytes(address, 4);
        let length = u32::from_le_bytes(size.try_into().expect("four bytes")).min(500);
        let split = self.random.below(u64::from(length) + 1) as u32;
        let room = ROOM + self.random.below(0x6000);
        let chain = [
            (address, split, flags::NEXT),
            (address + u64::from(split), length - split, flags::NEXT),
            (room, 11, flags::NEXT | flags::WRITE),
            (
                room + 0x100,
                self.random.pick(&[0, 1, 200, 4096]),
                flags::WRITE,
            ),
        ];
        for (index, (address, length, flags)) in chain.into_iter().enumerate() {
            let next = (at + index + 1) as u16;
            let descriptor = Descriptor {
                address,
                length,
                flags,
                next,
            };
            table[16 * (at + index)..][..16].copy_from_slice(&descriptor.encode());
        }
    }

    /// A descriptor of a table with so many, right or wrong.
    fn descriptor(&mut self, count: u16) -> Descriptor {
        let random = &mut self.random;
        let wrong = [
            RAM + TABLES_SIZE,
            RAM + TABLES_SIZE - 8,
            HIGH - 8,
            HIGH + HIGH_SIZE - 8,
            HIGH + HIGH_SIZE,
            1 << 48,
            u64::MAX,
            u64::MAX - 64,
        ];
        let lengths = [0, 1, 2, 6, 7, 11, 16, 23, 64, 100, 500, 4096, u32::MAX];
        let mut length = random.pick(&lengths);
        let mut bits = match random.below(16) {
            0 => random.below(16) as u16,
            1 => random.next_u64() as u16,
            2 => flags::INDIRECT,
            3..8 => flags::WRITE | flags::NEXT,
            8..10 => flags::WRITE,
            10..15 => flags::NEXT,
            _ => 0,
        };
        let mut address = match random.below(24) {
            0 => random.pick(&wrong),
            1 => random.next_u64(),
            2 => HIGH + random.below(HIGH_SIZE),
            _ => REQUESTS + random.below((ROOM - REQUESTS) / REQUEST) * REQUEST,
        };
        // What the device writes must not be what it reads descriptors from: nobody could say
        // then what it may write. It reads those from tables that were made here alone.
        if bits & flags::INDIRECT != 0 {
            bits &= !flags::WRITE;
            address = match random.below(8) {
                0 => random.pick(&wrong),
                _ => TABLES + 16 * random.below(TABLES_SIZE / 16),
            };
            if random.below(4) != 0 {
                length = 16 * (1 + random.below(16) as u32);
            }
        } else if bits & flags::WRITE != 0 && address < ROOM {
            address = ROOM + random.below(0x6000);
            length = length.min(0x1000);
        } else if bits & flags::WRITE != 0 && address < HIGH {
            address = HIGH;
        }
        Descriptor {
            address,
            length,
            flags: bits,
            next: match random.below(8) {
                0 => random.next_u64() as u16,
                _ => random.below(u64::from(count)) as u16,
            },
        }
    }

    /// A message with some changes.
    fn message(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let at = random.index(self.corpus.len());
        let mut bytes = self.corpus[at].clone();
        for _ in 0..random.below(3) {
            let at = random.index(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at.max(7)),
                1 => bytes[at] = random.next_u64() as u8,
                2 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.insert(at, random.next_u64() as u8),
            }
        }
        bytes.truncate(REQUEST as usize - 16);
        if random.below(8) != 0 {
            let size = bytes.len() as u32;
            bytes[..4].copy_from_slice(&size.to_le_bytes());
        }
        self.tag = self.tag.wrapping_add(1);
        bytes[5..7].copy_from_slice(&self.tag.to_le_bytes());
        bytes
    }
}

fn count_panics(panics: &Arc<AtomicUsize>) {
    let (before, panics) = (panic::take_hook(), panics.clone());
    panic::set_hook(Box::new(move |info| {
        let name = thread::current().name().map(str::to_owned);
        if name.is_some_and(|name| name.starts_with("9p-")) {
            panics.fetch_add(1, Ordering::SeqCst);
        }
        before(info);
    }));
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {value}")),
    )
}
