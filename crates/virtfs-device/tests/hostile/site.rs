//! A device, its driver, and what must never happen.

use std::panic;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virtfs_proto::{
    GetattrMask, LopenFlags, NOFID, Names, Tattach, Tgetattr, Tlopen, Tmessage, Tread, Tversion,
    Twalk, kind,
};
use virtfs_server::Server;
use virtfs_tests::virtio::{
    Attached, Direct, Driver, DriverOptions, GuestRam, Layout, Placed, Segment,
};
use virtfs_tests::{PATIENCE, Served, frame};
use virtfs_vfs::synth::{File, Gate, Synth, Wait};

use crate::answer::Answer;
use crate::hand::Hand;

/// What the file `hello` holds.
pub(crate) const HELLO: &[u8] = b"hello, driver";
/// An open fid of the file `gate`.
pub(crate) const GATE: u32 = 1;
/// An open fid of the file `hello`.
pub(crate) const FILE: u32 = 2;

/// How much memory the guest has: little, because all of it is compared.
pub(crate) const RAM: u64 = 1 << 20;
/// A second region, right behind the first.
pub(crate) const NEXT_REGION: u64 = RAM;
pub(crate) const NEXT_SIZE: u64 = 64 << 10;

const MSIZE: u32 = 64 << 10;

/// Panics of the device's threads, in all tests of this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A session over a queue.
pub(crate) struct Site {
    pub(crate) ram: Arc<GuestRam>,
    pub(crate) driver: Driver,
    pub(crate) direct: Direct,
    pub(crate) gate: Gate,
    served: Served,
    options: DriverOptions,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(DriverOptions::default(), Wait::PROPER)
    }

    pub(crate) fn with(options: DriverOptions, wait: Wait) -> Self {
        count_panics();
        let gate = Gate::new();
        let tree = Synth::new()
            .file("gate", gate.file_with(wait))
            .file("hello", File::bytes(HELLO));
        let served = Served::synth(tree);
        let regions = [(0, RAM), (NEXT_REGION, NEXT_SIZE), (1 << 32, 0x1000)];
        let ram = GuestRam::with_regions(&regions);
        let driver = Driver::new(&ram, options);
        let direct = Direct::attach(&served.server, &driver);
        let mut site = Self {
            ram,
            driver,
            direct,
            gate,
            served,
            options,
        };
        site.begin();
        site
    }

    /// The device's server.
    pub(crate) fn server(&self) -> &Server {
        &self.served.server
    }

    /// Another device of the same server, whose queue does not run.
    pub(crate) fn idle_device(&self) -> Direct {
        Direct::new(&self.served.server, &self.ram)
    }

    /// Attaches fid 0 and opens the two files.
    pub(crate) fn begin(&mut self) {
        let version = b"9P2000.L";
        let msize = MSIZE;
        let reply = self.call(Tversion { msize, version });
        assert_eq!(reply.kind(), kind::RVERSION);
        let attach = Tattach {
            fid: 0,
            afid: NOFID,
            uname: b"root",
            aname: b"",
            n_uname: 0,
        };
        assert_eq!(self.call(attach).kind(), kind::RATTACH);
        for (newfid, name) in [(GATE, &b"gate"[..]), (FILE, b"hello")] {
            let names = [name];
            let walk = Twalk {
                fid: 0,
                newfid,
                names: Names::from_slice(&names),
            };
            assert_eq!(self.call(walk).kind(), kind::RWALK);
            let flags = LopenFlags::RDONLY;
            let open = Tlopen { fid: newfid, flags };
            assert_eq!(self.call(open).kind(), kind::RLOPEN);
        }
    }

    /// Puts a request into the ring.
    pub(crate) fn submit(&mut self, frame: &[u8], room: usize) -> (u16, Placed) {
        let placed = Placed::new(&self.ram, frame, room, Layout::Whole, 2).expect("memory");
        self.offer(placed)
    }

    /// Puts a request in pieces of these lengths into the ring.
    pub(crate) fn submit_in_pieces(
        &mut self,
        frame: &[u8],
        request: &[usize],
        reply: &[usize],
    ) -> (u16, Placed) {
        let placed = Placed::in_pieces(&self.ram, frame, request, reply).expect("memory");
        self.offer(placed)
    }

    /// Puts a request into the ring that lies in memory.
    pub(crate) fn offer(&mut self, placed: Placed) -> (u16, Placed) {
        let head = self.driver.add(&placed.readable, &placed.writable);
        self.driver.publish();
        (head.expect("room in the ring"), placed)
    }

    /// Waits for the answer to the one request that is in flight.
    pub(crate) fn answer(&mut self, submitted: (u16, Placed)) -> Answer {
        let (head, placed) = submitted;
        let used = self.driver.wait_used(PATIENCE).expect("an answer");
        assert_eq!(used.head, head);
        assert!(placed.is_intact(), "the device wrote beside a buffer");
        Answer {
            bytes: placed.reply(used.length as usize),
        }
    }

    /// Sends a request in one piece and waits for its answer.
    pub(crate) fn send(&mut self, frame: &[u8], room: usize) -> Answer {
        let submitted = self.submit(frame, room);
        self.answer(submitted)
    }

    /// The same with room enough.
    pub(crate) fn call<'a>(&mut self, message: impl Into<Tmessage<'a>>) -> Answer {
        self.send(&frame(7, message), 8192)
    }

    /// Submits so many reads of the gate with tags from `first` on, and waits until all are in it.
    pub(crate) fn block(&mut self, first: u16, count: usize) -> Vec<(u16, Placed)> {
        let before = self.gate.blocked();
        let submitted = (0..count)
            .map(|at| self.submit(&frame(first + at as u16, read_of(GATE, 100)), 111))
            .collect();
        assert!(self.gate.wait_for_blocked(before + count, PATIENCE));
        submitted
    }

    /// What writes chains by hand.
    pub(crate) fn hand(&self) -> Hand<'_> {
        Hand {
            ram: &self.ram,
            ring: self.driver.ring(),
            next: self.driver.next_available(),
        }
    }

    /// Whether the session goes on: its fids are there.
    pub(crate) fn assert_serves(&mut self) {
        let reply = self.call(read_of(FILE, 100));
        assert_eq!(reply.payload(), HELLO);
    }

    /// Lets `offer` write chains (or worse) into the ring, which says how far the available index
    /// moves, and asserts that this breaks the ring and does nothing else.
    #[track_caller]
    pub(crate) fn breaks(&mut self, offer: impl FnOnce(&Hand<'_>) -> u16) {
        let breaks = self.direct.breaks();
        let before_index = self.driver.ring().used_index();
        let hand = self.hand();
        let count = offer(&hand);
        let before = self.ram.snapshot();
        let index = hand.next.wrapping_add(count);
        self.driver.ring().set_available_index(index);
        self.driver.kick();
        assert!(
            self.direct.broken().wait(PATIENCE),
            "the ring is not broken"
        );
        assert!(!self.direct.device.is_running());
        // It may come back, but with nothing in it.
        let used_index = self.driver.ring().used_index();
        assert!(used_index.wrapping_sub(before_index) <= count);
        for index in 0..used_index.wrapping_sub(before_index) {
            let (_, length) = self
                .driver
                .ring()
                .used_entry(before_index.wrapping_add(index));
            assert_eq!(length, 0);
        }
        self.assert_unchanged(&before, &[]);
        self.assert_starts_anew();
        assert_eq!(self.direct.breaks(), breaks + 1, "it is told once");
    }

    /// Asserts that no byte of guest memory has changed but those of the ring, which the device
    /// may write, and of these buffers.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self, before: &[Vec<u8>], but: &[Segment]) {
        let ring = self.driver.ring();
        let length = 6 + 8 * u32::from(ring.size);
        let used = Segment {
            address: ring.used,
            length,
        };
        // What the driver writes by itself.
        let wanted = Segment {
            address: ring.available,
            length: 6 + 2 * u32::from(ring.size),
        };
        let allowed: Vec<_> = but.iter().copied().chain([used, wanted]).collect();
        let after = self.ram.snapshot();
        for (region, (before, after)) in self.ram.regions().iter().zip(before.iter().zip(&after)) {
            if before == after {
                continue;
            }
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                let address = region.address + at as u64;
                let is_allowed = |segment: &Segment| {
                    address
                        .checked_sub(segment.address)
                        .is_some_and(|into| into < u64::from(segment.length))
                };
                assert!(
                    before == after || allowed.iter().any(is_allowed),
                    "{address:#x} was {before:#x} and is {after:#x}"
                );
            }
        }
    }

    /// Resets the device and asserts that a new driver finds it as on the first day.
    #[track_caller]
    pub(crate) fn assert_starts_anew(&mut self) {
        self.direct.device.reset();
        assert!(!self.direct.device.is_running());
        self.driver = Driver::new(&self.ram, self.options);
        self.direct
            .start(&self.driver, 0)
            .expect("the queue starts");
        assert!(self.direct.device.is_running());
        let (msize, version) = (MSIZE, b"9P2000.L");
        let reply = self.call(Tversion { msize, version });
        assert_eq!(reply.kind(), kind::RVERSION);
        for fid in [0, GATE, FILE] {
            let request_mask = GetattrMask::BASIC;
            let reply = self.call(Tgetattr { fid, request_mask });
            assert_eq!(reply.ecode(), Some(virtfs_tests::errno::ENOENT));
        }
        self.begin();
        self.assert_serves();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.gate.open();
        self.direct.device.reset();
        if !thread::panicking() {
            assert_eq!(PANICS.load(Ordering::SeqCst), 0, "threads have panicked");
        }
    }
}

/// Waits until the used ring has this index.
#[track_caller]
pub(crate) fn wait_until_used(driver: &Driver, index: u16) {
    let until = Instant::now() + PATIENCE;
    while driver.ring().used_index() != index {
        assert!(Instant::now() < until, "nothing is used");
        // An interrupt may be an older one.
        let _ = driver.call().wait(Duration::from_millis(10));
    }
}

/// A request that reads from the start of an open file.
pub(crate) fn read_of(fid: u32, count: u32) -> Tread {
    Tread {
        fid,
        offset: 0,
        count,
    }
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let name = thread::current().name().map(str::to_owned);
            if name.is_some_and(|name| name.starts_with("9p-")) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}
