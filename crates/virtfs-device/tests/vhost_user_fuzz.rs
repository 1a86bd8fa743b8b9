//! A mutation fuzzer of the vhost-user front that needs nothing but `cargo test`: a VMM says what
//! VMMs say, changed, with whatever descriptors, around a ring of garbage. Nothing panics, the
//! connection always ends when the VMM hangs up, and nothing is left of it.
//!
//! It runs for a second from a fixed seed, or for `VIRTFS_FUZZ_SECONDS` from a new one. The seed is
//! printed; `VIRTFS_FUZZ_SEED` repeats it, as far as threads allow.
#![cfg(feature = "vhost-user")]

#[allow(dead_code)]
#[path = "vhost_user/vmm.rs"]
mod vmm;

use std::env;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use rustix::net::SendFlags;
use virtfs_device::{Device, Tag};
use vmm::request::*;
use vmm::*;

/// The fixed seed, chosen without a thought.
const SEED: u64 = 0x9b20_00d0_4c75_0075;

/// How long a connection may take to end: long enough for the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Panics in any thread, the device's own included.
static PANICS: AtomicU64 = AtomicU64::new(0);

#[test]
fn mutated_conversations_neither_panic_nor_hang_nor_leave_anything() {
    let seconds = number("VIRTFS_FUZZ_SECONDS");
    let seed = number("VIRTFS_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(SEED, |now| now.as_nanos() as u64),
        None => SEED,
    });
    println!("VIRTFS_FUZZ_SEED={seed}");
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        default(panic);
    }));

    let server = server();
    let fuzz = |random: &mut Random| {
        let device = Device::new(server.clone(), Tag::new("share").unwrap());
        let outcome = converse(Vmm::of(device), random);
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "a thread panicked");
        outcome
    };
    let mut random = Random(seed);
    // What is made once and kept.
    fuzz(&mut random);
    let before = Held::now();

    let (mut runs, mut clean) = (0u64, 0u64);
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    while runs == 0 || Instant::now() < end {
        for _ in 0..16 {
            let outcome = fuzz(&mut random);
            runs += 1;
            clean += u64::from(outcome.clean && !outcome.unchanged);
        }
        before.assert_nothing_was_added();
    }
    println!("{runs} conversations, of which {clean} were changed and ended cleanly");
    assert!(clean > 0, "the fuzzer only made garbage");
}

/// What came of a conversation.
struct Outcome {
    unchanged: bool,
    clean: bool,
}

/// A message, and which descriptors go with it.
#[derive(Clone)]
struct Said {
    bytes: Vec<u8>,
    fds: Vec<usize>,
}

fn converse(mut vmm: Vmm, random: &mut Random) -> Outcome {
    let zero = File::open("/dev/zero").unwrap();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let fds: [BorrowedFd<'_>; 8] = [
        vmm.region.file.as_fd(),
        vmm.kick.0.as_fd(),
        vmm.call.0.as_fd(),
        vmm.error.0.as_fd(),
        zero.as_fd(),
        socket.as_fd(),
        reader.as_fd(),
        writer.as_fd(),
    ];
    let corpus = conversation(&vmm);
    let mut script = corpus.clone();
    let mutations = random.below(6);
    for _ in 0..mutations {
        mutate(&mut script, &corpus, random);
    }
    let garbage = mutations > 0 && random.below(4) == 0;
    for said in &script {
        let fds: Vec<_> = said.fds.iter().map(|which| fds[*which]).collect();
        // Torn in two, now and then.
        let at = if mutations > 0 && random.below(32) == 0 {
            random.below(said.bytes.len() + 1)
        } else {
            said.bytes.len()
        };
        let (first, second) = said.bytes.split_at(at);
        let send = |bytes, fds: &[_]| vmm.try_send_raw(bytes, fds, SendFlags::NOSIGNAL);
        let (Ok(_), Ok(_)) = (send(first, &fds), send(second, &[])) else {
            break;
        };
        if garbage {
            let at = [DESCRIPTORS, AVAILABLE, USED][random.below(3)] + random.below(64) as u64;
            vmm.region.write(at, &random.next().to_le_bytes());
            let _ = rustix::io::write(&vmm.kick.0, &1u64.to_ne_bytes());
        }
    }
    vmm.submit();
    let unchanged = mutations == 0;
    if unchanged {
        // By the ring's first life, its second, or both.
        vmm.call.wait();
        assert_ne!(vmm.used(), 0);
    }
    drop(vmm.socket);
    let ended = Instant::now() + PATIENCE;
    while !vmm.front.is_finished() {
        assert!(Instant::now() < ended, "the connection does not end");
        sleep(Duration::from_micros(50));
    }
    let ended = vmm.front.join().expect("the front does not panic");
    let clean = ended.is_ok();
    assert!(clean || !unchanged, "{ended:?}");
    Outcome { unchanged, clean }
}

/// What a VMM says in good order: QEMU's way, then a stop, a reset and some memory.
fn conversation(vmm: &Vmm) -> Vec<Said> {
    let said = |request, body: &[u8], fds: &[usize]| Said {
        bytes: message(request, 0, body),
        fds: fds.to_vec(),
    };
    let single = [words(&[0]), vmm.region.encode()].concat();
    let table = [state(1, 0), vmm.region.encode()].concat();
    let config = [
        [0u32, 7, 0].map(u32::to_ne_bytes).as_flattened(),
        &[0; 7][..],
    ]
    .concat();
    let start = |fds: [usize; 2]| {
        [
            said(SET_VRING_NUM, &state(0, RING_SIZE.into()), &[]),
            said(SET_VRING_BASE, &state(0, 0), &[]),
            said(SET_VRING_ADDR, &vmm.addresses(), &[]),
            said(SET_VRING_KICK, &words(&[0]), &fds[..1]),
            said(SET_VRING_CALL, &words(&[0]), &fds[1..]),
            said(SET_VRING_ENABLE, &state(0, 1), &[]),
        ]
    };
    let mut all = vec![
        said(GET_FEATURES, &[], &[]),
        said(GET_PROTOCOL_FEATURES, &[], &[]),
        said(SET_PROTOCOL_FEATURES, &words(&[PROTOCOL]), &[]),
        said(GET_QUEUE_NUM, &[], &[]),
        said(GET_MAX_MEM_SLOTS, &[], &[]),
        said(SET_BACKEND_REQ_FD, &[], &[5]),
        said(SET_OWNER, &[], &[]),
        said(SET_VRING_ERR, &words(&[0]), &[3]),
        said(GET_CONFIG, &config, &[]),
        said(
            SET_FEATURES,
            &words(&[DRIVER_FEATURES | PROTOCOL_FEATURES]),
            &[],
        ),
        said(ADD_MEM_REG, &single, &[0]),
    ];
    all.extend(start([1, 2]));
    all.extend([
        said(SET_VRING_ENABLE, &state(0, 0), &[]),
        said(GET_VRING_BASE, &state(0, 0), &[]),
        said(RESET_DEVICE, &[], &[]),
        said(REM_MEM_REG, &single, &[]),
        said(SET_MEM_TABLE, &table, &[0]),
        said(SET_MEM_TABLE, &[table, vec![0; 32]].concat(), &[0]),
        said(SET_CONFIG, &config, &[]),
    ]);
    all.extend(start([1, 2]));
    all
}

/// Changes a conversation in one place.
fn mutate(script: &mut Vec<Said>, corpus: &[Said], random: &mut Random) {
    let at = random.below(script.len());
    match random.below(8) {
        0 => drop(script.remove(at)),
        1 => script.insert(at, corpus[random.below(corpus.len())].clone()),
        2 => {
            let other = random.below(script.len());
            script.swap(at, other);
        }
        3 => {
            let bytes = (0..random.below(64)).map(|_| random.next() as u8).collect();
            let fds = vec![];
            script.insert(at, Said { bytes, fds });
        }
        4 => {
            let count = [0, 1, 1, 2, 33][random.below(5)];
            script[at].fds = (0..count).map(|_| random.below(8)).collect();
        }
        // An acknowledgement is asked for, or some other flag.
        5 => {
            if let Some(flags) = script[at].bytes.get_mut(4) {
                *flags ^= 1 << [3, 3, 3, 2, 0, 7][random.below(6)];
            }
        }
        _ => change(&mut script[at].bytes, random),
    }
    if script.is_empty() {
        script.extend_from_slice(corpus);
    }
}

/// Changes a message; its body rather than its header.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let from = if bytes.len() > 12 && random.below(8) != 0 {
        12
    } else {
        0
    };
    let at = from + random.below(bytes.len() - from + 1);
    match random.below(6) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next() as u8),
        2 | 3 => {
            // Addresses and sizes break at their edges.
            let edges = [0, 1, 0x1000, 0x8000, 0x1_0001, u64::MAX, u64::MAX << 12];
            let value = edges[random.below(edges.len())].to_ne_bytes();
            let places = bytes.iter_mut().skip(at & !3);
            places.zip(value).for_each(|(byte, value)| *byte = value);
        }
        4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
    }
    // A size that is right leads past the first check.
    if bytes.len() >= 12 && random.below(4) != 0 {
        let size = (bytes.len() - 12) as u32;
        bytes[8..12].copy_from_slice(&size.to_ne_bytes());
    }
}

/// What this process holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    descriptors: usize,
    guest_mappings: usize,
}

impl Held {
    fn now() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        Self {
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            guest_mappings: maps.matches("guest-memory").count(),
        }
    }

    /// The device's threads may take a moment to end.
    fn assert_nothing_was_added(self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = Self::now();
            if now.descriptors <= self.descriptors && now.guest_mappings <= self.guest_mappings {
                return;
            }
            assert!(Instant::now() < end, "{self:?} has become {now:?}");
            sleep(Duration::from_millis(1));
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

/// SplitMix64, a public-domain generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
