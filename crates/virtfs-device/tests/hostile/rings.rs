//! Rings that cannot be.

use std::time::Instant;

use virtfs_device::{Device, GuestMemory, QueueSetup, StartError, Tag, features};
use virtfs_proto::Tversion;
use virtfs_tests::virtio::{Descriptor, Driver, DriverOptions, Placed, Segment, flags};
use virtfs_tests::{PATIENCE, Served, frame};
use virtfs_vfs::synth::Wait;

use crate::hand::{readable, then, writable};
use crate::site::{FILE, HELLO, NEXT_REGION, NEXT_SIZE, Site, read_of, wait_until_used};

#[test]
fn an_available_index_that_jumps_too_far_breaks_the_ring() {
    let mut site = Site::new();
    for far in [129, 130, 1000, 0x8000, u16::MAX] {
        site.breaks(|hand| {
            hand.chain(&[then(hand.request(), 1), hand.room()]);
            far
        });
    }
}

#[test]
fn a_head_beyond_the_table_breaks_the_ring() {
    let mut site = Site::new();
    for head in [128, 129, 0x8000, u16::MAX] {
        site.breaks(|hand| {
            hand.ring.set_available(hand.next, head);
            1
        });
    }
}

/// The driver cannot know what becomes of it, but nobody else notices.
#[test]
fn a_head_that_is_there_twice_harms_nobody_else() {
    for _ in 0..20 {
        let mut site = Site::new();
        let request = frame(3, read_of(FILE, 100));
        let placed = Placed::in_pieces(&site.ram, &request, &[request.len()], &[111]);
        let placed = placed.unwrap();
        let before = site.ram.snapshot();
        let head = site.driver.add(&placed.readable, &placed.writable).unwrap();
        let ring = site.driver.ring().clone();
        let index = site.driver.next_available();
        ring.set_available(index, head);
        ring.set_available_index(index.wrapping_add(1));
        let began = ring.used_index();
        ring.set_used_event(began);
        site.driver.kick();
        // Both are used, or the second is one tag too many.
        let until = Instant::now() + PATIENCE;
        while ring.used_index().wrapping_sub(began) < 2 && site.direct.breaks() == 0 {
            assert!(Instant::now() < until, "it hangs");
            std::thread::yield_now();
        }
        let table = Segment {
            address: ring.descriptors,
            length: 16 * u32::from(ring.size),
        };
        let mut allowed = placed.writable.clone();
        allowed.push(table);
        site.assert_unchanged(&before, &allowed);
        site.assert_starts_anew();
    }
}

#[test]
fn a_ring_that_cannot_be_is_not_started() {
    let site = Site::new();
    let direct = site.idle_device();
    let end = NEXT_REGION + NEXT_SIZE;
    let good = || direct.setup(&site.driver, 0);
    let refused = |setup: QueueSetup| {
        let what = format!(
            "{} at {:#x}, {:#x}, {:#x}",
            setup.size, setup.descriptors, setup.available, setup.used
        );
        match direct.device.start(setup) {
            Err(StartError::Queue(_)) => assert!(!direct.device.is_running()),
            other => panic!("{what}: {other:?}"),
        }
    };
    for size in [0, 3, 127, 129, 2048, 0x8000, u16::MAX] {
        refused(QueueSetup { size, ..good() });
    }
    let outside = [
        end,
        end - 8,
        1 << 40,
        u64::MAX - 0xfff,
        0xffff_ffff_ffff_fff0,
    ];
    for at in outside.into_iter().chain([0x1008, 0x1001]) {
        refused(QueueSetup {
            descriptors: at,
            ..good()
        });
    }
    for at in outside.into_iter().chain([0x1001, end - 16]) {
        refused(QueueSetup {
            available: at,
            ..good()
        });
    }
    for at in outside.into_iter().chain([0x1001, 0x1002, end - 64]) {
        refused(QueueSetup { used: at, ..good() });
    }
    assert_eq!(direct.device.stop(), 0);
    direct.device.reset();
    assert!(direct.device.start(good()).is_ok());
    assert!(matches!(
        direct.device.start(good()),
        Err(StartError::Queue(_))
    ));
}

#[test]
fn a_ring_without_memory_is_not_started() {
    let site = Site::new();
    let tag = Tag::new("none").unwrap();
    let server = Served::memory().server;
    let device = Device::new(server, tag);
    let refused = device.start(site.direct.setup(&site.driver, 0));
    assert!(matches!(refused, Err(StartError::Queue(_))), "{refused:?}");
    device.set_memory(GuestMemory::new());
    let refused = device.start(site.direct.setup(&site.driver, 0));
    assert!(matches!(refused, Err(StartError::Queue(_))), "{refused:?}");
}

#[test]
fn queues_of_every_size_work() {
    for queue_size in [2, 4, 8, 1024] {
        for event_idx in [false, true] {
            let options = DriverOptions {
                queue_size,
                event_idx,
                indirect: false,
            };
            let mut site = Site::with(options, Wait::PROPER);
            // Often around.
            for _ in 0..3000 / usize::from(queue_size) {
                site.assert_serves();
            }
        }
    }
}

/// Its one descriptor names a table.
#[test]
fn a_queue_of_one_descriptor_works() {
    let options = DriverOptions {
        queue_size: 1,
        event_idx: true,
        indirect: false,
    };
    let site = Site::new();
    let direct = site.idle_device();
    let mut driver = Driver::new(&site.ram, options);
    direct.start(&driver, 0).unwrap();
    let version = Tversion {
        msize: 8192,
        version: b"9P2000.L",
    };
    let request = frame(1, version);
    let (at, room) = (
        site.ram.allocate(64, 1).unwrap(),
        site.ram.allocate(64, 1).unwrap(),
    );
    site.ram.write(at, &request);
    let descriptors = [
        then(readable(at, request.len() as u32), 1),
        writable(room, 64),
    ];
    let bytes: Vec<_> = descriptors.iter().flat_map(|d| d.encode()).collect();
    let table = site.ram.allocate(32, 16).unwrap();
    site.ram.write(table, &bytes);
    for round in 0..3_u16 {
        driver.ring().set_descriptor(
            0,
            Descriptor {
                address: table,
                length: 32,
                flags: flags::INDIRECT,
                next: 0,
            },
        );
        driver.ring().set_available(round, 0);
        driver.ring().set_used_event(round);
        driver.ring().set_available_index(round + 1);
        driver.kick();
        wait_until_used(&driver, round + 1);
        assert_eq!(driver.ring().used_entry(round), (0, 21));
    }
}

#[test]
fn indices_wrap() {
    let site = Site::new();
    let direct = site.idle_device();
    // As if it had run for long.
    let mut driver = Driver::starting_at(&site.ram, DriverOptions::default(), u16::MAX - 5);
    direct.start(&driver, u16::MAX - 5).unwrap();
    for tag in 0..300 {
        let version = Tversion {
            msize: 8192,
            version: b"9P2000.L",
        };
        let request = frame(tag, version);
        let placed = Placed::in_pieces(&site.ram, &request, &[request.len()], &[64]).unwrap();
        let head = driver.add(&placed.readable, &placed.writable).unwrap();
        driver.publish();
        let used = driver.wait_used(PATIENCE).unwrap();
        assert_eq!((used.head, used.length), (head, 21));
    }
    assert_eq!(direct.device.stop(), 294);
}

/// A kick for nothing, and chains that are there without one.
#[test]
fn kicks_for_nothing_do_nothing() {
    let mut site = Site::new();
    let before = site.ram.snapshot();
    for _ in 0..1000 {
        site.driver.kick();
    }
    site.assert_unchanged(&before, &[]);
    site.assert_serves();
}

/// Goes on with no interrupt on its way.
fn without_interrupts(site: &Site) {
    // What the device does behind a used entry it has done when it has stopped.
    let next = site.direct.device.stop();
    site.driver.call().take();
    site.direct.start(&site.driver, next).unwrap();
}

/// Sends a request, and looks at the ring alone for its reply.
fn read_without_sleep(site: &mut Site, tag: u16) {
    let (head, placed) = site.submit(&frame(tag, read_of(FILE, 100)), 111);
    let until = Instant::now() + PATIENCE;
    let used = loop {
        if let Some(used) = site.driver.next_used() {
            break used;
        }
        assert!(Instant::now() < until);
        std::thread::yield_now();
    };
    assert_eq!(used.head, head);
    assert_eq!(placed.reply(used.length as usize)[11..], *HELLO);
}

#[test]
fn a_driver_that_wants_no_interrupt_gets_none() {
    let options = DriverOptions {
        event_idx: false,
        ..DriverOptions::default()
    };
    let mut site = Site::with(options, Wait::PROPER);
    without_interrupts(&site);
    site.driver.ring().set_available_flags(1);
    for tag in 0..50 {
        read_without_sleep(&mut site, tag);
    }
    site.direct.device.stop();
    assert_eq!(site.driver.call().take(), 0);
}

#[test]
fn with_event_idx_an_interrupt_comes_where_it_is_asked_for() {
    let mut site = Site::new();
    assert_ne!(site.driver.features() & features::EVENT_IDX, 0);
    without_interrupts(&site);
    let start = site.driver.ring().used_index();
    site.driver.ring().set_used_event(start.wrapping_add(9));
    for tag in 0..30 {
        read_without_sleep(&mut site, tag);
    }
    site.direct.device.stop();
    assert_eq!(site.driver.call().take(), 1);
}
