//! The end of a queue with requests in flight.

use std::time::Duration;

use virtfs_device::Patience;
use virtfs_proto::{LopenFlags, Names, Tlcreate, Tlopen, Tread, Twalk, Twrite};
use virtfs_tests::virtio::{Direct, Driver, DriverOptions, GuestRam, Placed, Segment};
use virtfs_tests::{PATIENCE, Served, frame, frame_with};
use virtfs_vfs::synth::{Gate, Wait};

use crate::site::{GATE, Site, read_of};

/// What is interrupted ends, sooner or later.
const SOON: Patience = Patience {
    undisturbed: Duration::from_millis(200),
    in_all: PATIENCE,
};

/// For what never ends.
const NEVER: Patience = Patience {
    undisturbed: Duration::from_millis(200),
    in_all: Duration::from_secs(1),
};

/// How many requests are in flight.
const MANY: usize = 60;

fn table(site: &Site) -> Segment {
    let ring = site.driver.ring();
    Segment {
        address: ring.descriptors,
        length: 16 * u32::from(ring.size),
    }
}

#[test]
fn a_stop_answers_all_that_was_taken() {
    for wait in [Wait::PROPER, Wait::SILENT] {
        let mut site = Site::with(DriverOptions::default(), wait);
        let start = site.driver.next_available();
        let submitted = site.block(100, MANY);
        let next = site.direct.device.stop_within(SOON);
        assert_eq!(next.wrapping_sub(start), MANY as u16);
        assert_eq!(site.driver.ring().used_index(), next);
        assert_eq!(site.gate.blocked(), 0);
        let before = site.ram.snapshot();
        site.gate.open();
        for _ in 0..MANY {
            let used = site.driver.next_used().expect("it is there already");
            let placed = &submitted.iter().find(|(head, _)| *head == used.head);
            assert!(placed.expect("one of them").1.is_intact());
        }
        assert!(!site.direct.device.is_running());
        assert_eq!(
            site.direct.device.stop_within(SOON),
            next,
            "it is there but once"
        );
        site.assert_unchanged(&before, &[]);
        // It goes on, with the fids that it had.
        site.direct.start(&site.driver, next).unwrap();
        site.assert_serves();
        assert_eq!(site.direct.breaks(), 0);
    }
}

#[test]
fn what_was_not_taken_before_a_stop_is_taken_after_the_next_start() {
    let mut site = Site::new();
    let next = site.direct.device.stop_within(SOON);
    let before = site.ram.snapshot();
    let request = frame(9, read_of(crate::site::FILE, 100));
    let submitted = site.submit(&request, 200);
    site.driver.kick();
    assert!(site.driver.next_used().is_none());
    let allowed = [table(&site), submitted.1.readable[0]];
    let canaries = Segment {
        address: submitted.1.writable[0].address - 8,
        length: 400,
    };
    site.assert_unchanged(&before, &[allowed[0], allowed[1], canaries]);
    site.direct.start(&site.driver, next).unwrap();
    assert_eq!(site.answer(submitted).payload(), crate::site::HELLO);
}

#[test]
fn a_reset_leaves_memory_alone_at_once() {
    for wait in [Wait::PROPER, Wait::SILENT, Wait::STUBBORN] {
        let mut site = Site::with(DriverOptions::default(), wait);
        let _submitted = site.block(100, MANY);
        site.direct.device.reset();
        let before = site.ram.snapshot();
        site.gate.open();
        assert!(site.gate.wait_for_blocked(0, PATIENCE));
        assert!(site.driver.next_used().is_none(), "nothing is answered");
        site.assert_unchanged(&before, &[]);
        site.assert_starts_anew();
    }
}

#[test]
fn a_device_that_is_dropped_leaves_memory_alone_at_once() {
    for wait in [Wait::PROPER, Wait::STUBBORN] {
        let mut site = Site::with(DriverOptions::default(), wait);
        let _submitted = site.block(100, MANY);
        let other = site.idle_device();
        drop(std::mem::replace(&mut site.direct, other));
        let before = site.ram.snapshot();
        site.gate.open();
        assert!(site.gate.wait_for_blocked(0, PATIENCE));
        site.assert_unchanged(&before, &[]);
    }
}

/// It waits as long as it can; then what the host keeps is given up.
#[test]
fn a_stop_gives_up_what_the_host_keeps() {
    let mut site = Site::with(DriverOptions::default(), Wait::STUBBORN);
    let _submitted = site.block(100, 3);
    site.direct.device.stop_within(NEVER);
    let before = site.ram.snapshot();
    let used = site.driver.ring().used_index();
    site.gate.open();
    assert!(site.gate.wait_for_blocked(0, PATIENCE));
    assert_eq!(site.driver.ring().used_index(), used);
    site.assert_unchanged(&before, &[]);
    site.assert_starts_anew();
}

/// Reads into guest memory and writes from it, of a file of the host.
#[test]
fn transfers_in_flight_leave_memory_alone_after_the_end() {
    const LENGTH: usize = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("read"), vec![0x11; 1 << 20]).unwrap();
    let served = Served::local(dir.path());
    for round in 0..30 {
        let ram = GuestRam::new(16 << 20);
        let options = DriverOptions {
            queue_size: 256,
            ..DriverOptions::default()
        };
        let mut driver = Driver::new(&ram, options);
        let direct = Direct::attach(&served.server, &driver);
        begin(&ram, &mut driver);
        let mut placed = Vec::new();
        for tag in 0..60_u16 {
            let offset = u64::from(tag % 16) * LENGTH as u64;
            let count = LENGTH as u32;
            let (request, room) = if tag % 2 == 0 {
                let fid = 1;
                (frame(tag, Tread { fid, offset, count }), 11 + LENGTH)
            } else {
                let fid = 2;
                let write = Twrite { fid, offset, count };
                (frame_with(tag, write, &[0x22; LENGTH]), 64)
            };
            let request_cut = [request.len().min(23), request.len() - request.len().min(23)];
            let one = Placed::in_pieces(&ram, &request, &request_cut, &[11, room - 11]).unwrap();
            driver.add(&one.readable, &one.writable).unwrap();
            placed.push(one);
        }
        driver.publish();
        // Somewhere in the middle.
        for _ in 0..round {
            let _ = driver.wait_used(PATIENCE);
        }
        match round % 3 {
            0 => {
                let next = direct.device.stop_within(SOON);
                assert_eq!(driver.ring().used_index(), next, "all that it took");
            }
            1 => direct.device.reset(),
            _ => drop(direct),
        }
        let before = ram.snapshot();
        let used = driver.ring().used_index();
        // Whoever still ran has time to do harm.
        let mut other = served.session();
        for _ in 0..50 {
            other.getattr(0).unwrap();
        }
        assert_eq!(driver.ring().used_index(), used);
        assert!(ram.snapshot() == before);
        assert!(placed.iter().all(Placed::is_intact));
        let written = std::fs::read(dir.path().join("written")).unwrap();
        assert!(written.iter().all(|byte| [0, 0x22].contains(byte)));
    }
}

fn begin(ram: &std::sync::Arc<GuestRam>, driver: &mut Driver) {
    let version = b"9P2000.L";
    let msize = 1 << 20;
    let attach = virtfs_proto::Tattach {
        fid: 0,
        afid: virtfs_proto::NOFID,
        uname: b"root",
        aname: b"",
        n_uname: 0,
    };
    let walk = |newfid, names: &[&'static [u8]]| {
        let names = Names::from_slice(names);
        frame(
            1,
            Twalk {
                fid: 0,
                newfid,
                names,
            },
        )
    };
    let create = Tlcreate {
        fid: 2,
        name: b"written",
        flags: LopenFlags::RDWR,
        mode: 0o644,
        gid: 0,
    };
    let open = Tlopen {
        fid: 1,
        flags: LopenFlags::RDONLY,
    };
    let requests = [
        frame(
            virtfs_proto::NOTAG,
            virtfs_proto::Tversion { msize, version },
        ),
        frame(1, attach),
        walk(1, &[b"read"]),
        frame(1, open),
        walk(2, &[]),
        frame(1, create),
    ];
    for request in requests {
        let placed = Placed::in_pieces(ram, &request, &[request.len()], &[300]).unwrap();
        driver.add(&placed.readable, &placed.writable).unwrap();
        driver.publish();
        let used = driver.wait_used(PATIENCE).unwrap();
        let reply = placed.reply(used.length as usize);
        assert_eq!(reply[4], request[4] + 1, "{request:?} {reply:?}");
    }
}

#[test]
fn a_stopped_device_can_be_reset_and_a_reset_one_stopped() {
    let mut site = Site::new();
    site.direct.device.stop_within(SOON);
    site.direct.device.reset();
    assert_eq!(site.direct.device.stop_within(SOON), 0);
    site.direct.device.reset();
    site.assert_starts_anew();
    for _ in 0..50 {
        let next = site.direct.device.stop_within(SOON);
        site.direct.start(&site.driver, next).unwrap();
        site.assert_serves();
    }
    assert_eq!(site.direct.breaks(), 0);
}

#[test]
fn a_driver_that_starts_elsewhere_gets_a_new_session() {
    let mut site = Site::new();
    site.direct.device.stop_within(SOON);
    site.driver = Driver::new(&site.ram, DriverOptions::default());
    site.direct.start(&site.driver, 0).unwrap();
    let reply = site.call(read_of(GATE, 10));
    assert!(reply.ecode().is_some(), "no version was agreed on");
    site.begin();
    site.assert_serves();
    site.gate.open();
    assert_eq!(site.call(read_of(GATE, 10)).payload(), Gate::TEXT);
}

#[test]
fn a_server_that_shuts_down_does_not_say_that_the_driver_broke_the_ring() {
    let site = Site::new();
    assert!(site.server().shut_down(PATIENCE));
    assert!(!site.direct.device.is_running());
    assert_eq!(site.direct.breaks(), 0);
}
