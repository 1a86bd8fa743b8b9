//! Memory that comes and goes.

use virtfs_proto::{
    LopenFlags, NOFID, NOTAG, Names, Tattach, Tlopen, Tread, Tversion, Twalk, kind,
};
use virtfs_tests::virtio::{Attached, Direct, Driver, DriverOptions, GuestRam, Placed, Segment};
use virtfs_tests::{PATIENCE, Served, frame};
use virtfs_vfs::synth::Gate;

use crate::hand::{then, writable};
use crate::site::{FILE, GATE, HELLO, NEXT_REGION, NEXT_SIZE, Site, read_of};

/// Where the payload of a read goes that blocks: into memory that will be taken away.
fn blocked_into(site: &mut Site, payload: u64) -> (u16, Segment) {
    let request = frame(20, read_of(GATE, 100));
    let at = site.ram.allocate(64, 1).unwrap();
    site.ram.write(at, &request);
    let request = Segment {
        address: at,
        length: request.len() as u32,
    };
    let head = Segment {
        address: site.ram.allocate(11, 1).unwrap(),
        length: 11,
    };
    let payload = Segment {
        address: payload,
        length: 100,
    };
    let id = site.driver.add(&[request], &[head, payload]).unwrap();
    site.driver.publish();
    assert!(site.gate.wait_for_blocked(1, PATIENCE));
    (id, head)
}

#[test]
fn memory_that_is_taken_away_is_not_written_any_more() {
    let mut site = Site::new();
    let (id, head) = blocked_into(&mut site, NEXT_REGION);
    let memory = site.ram.device_memory_without(NEXT_REGION);
    site.direct.device.set_memory(memory);
    let pattern = vec![0x5a; NEXT_SIZE as usize];
    site.ram.write(NEXT_REGION, &pattern);
    site.gate.open();
    let used = site.driver.wait_used(PATIENCE).unwrap();
    assert_eq!(used.head, id);
    // The head had room: the reply is an error, not a read of nothing.
    assert_eq!(used.length, 11);
    let reply = site.ram.bytes(head.address, 11);
    assert_eq!(reply[4], kind::RLERROR);
    assert!(site.ram.bytes(NEXT_REGION, NEXT_SIZE as usize) == pattern);
    site.assert_serves();
    // It comes back.
    site.direct.device.set_memory(site.ram.device_memory());
    let (id, head) = blocked_into_open(&mut site);
    let used = site.driver.wait_used(PATIENCE).unwrap();
    assert_eq!(
        (used.head, used.length as usize),
        (id, 11 + Gate::TEXT.len())
    );
    assert_eq!(
        site.ram.bytes(head.address, 1),
        [11 + Gate::TEXT.len() as u8]
    );
    assert_eq!(site.ram.bytes(NEXT_REGION, Gate::TEXT.len()), Gate::TEXT);
}

fn blocked_into_open(site: &mut Site) -> (u16, Segment) {
    site.gate.close();
    let blocked = blocked_into(site, NEXT_REGION);
    site.gate.open();
    blocked
}

#[test]
fn a_buffer_in_memory_that_was_taken_away_breaks_the_ring() {
    let mut site = Site::new();
    let without = site.ram.device_memory_without(NEXT_REGION);
    site.direct.device.set_memory(without);
    site.breaks(|hand| {
        let room = writable(NEXT_REGION, 256);
        hand.chain(&[then(hand.request(), 1), room])
    });
}

#[test]
fn a_ring_whose_memory_is_taken_away_is_broken() {
    let mut site = Site::new();
    let submitted = site.block(30, 5);
    let without = site.ram.device_memory_without(0);
    site.direct.device.set_memory(without);
    let before = site.ram.snapshot();
    site.driver.kick();
    assert!(site.direct.broken().wait(PATIENCE));
    site.gate.open();
    assert!(site.gate.wait_for_blocked(0, PATIENCE));
    assert!(!site.direct.device.is_running());
    site.direct.device.stop();
    site.assert_unchanged(&before, &[]);
    assert_eq!(site.direct.breaks(), 1);
    drop(submitted);
    site.direct.device.set_memory(site.ram.device_memory());
    site.assert_starts_anew();
}

#[test]
fn memory_that_is_replaced_by_the_same_changes_nothing() {
    let mut site = Site::new();
    let blocked = site.block(30, 1).pop().unwrap();
    for _ in 0..100 {
        site.direct.device.set_memory(site.ram.device_memory());
        assert_eq!(site.gate.blocked(), 1);
    }
    site.gate.open();
    assert_eq!(site.answer(blocked).payload(), Gate::TEXT);
    let reply = site.call(read_of(FILE, 100));
    assert_eq!(reply.payload(), HELLO);
}

#[test]
fn memory_that_is_mapped_anew_under_load_loses_nothing() {
    const LENGTH: usize = 32 << 10;
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<_> = (0..16 * LENGTH).map(|at| (at * 7 % 251) as u8).collect();
    std::fs::write(dir.path().join("f"), &content).unwrap();
    let served = Served::local(dir.path());
    let ram = GuestRam::new(8 << 20);
    let mut driver = Driver::new(&ram, DriverOptions::default());
    let direct = Direct::attach(&served.server, &driver);
    let names: [&[u8]; 1] = [b"f"];
    let (msize, version) = (1 << 20, b"9P2000.L");
    let attach = Tattach {
        fid: 0,
        afid: NOFID,
        uname: b"root",
        aname: b"",
        n_uname: 0,
    };
    let walk = Twalk {
        fid: 0,
        newfid: 1,
        names: Names::from_slice(&names),
    };
    let flags = LopenFlags::RDONLY;
    let begin = [
        frame(NOTAG, Tversion { msize, version }),
        frame(1, attach),
        frame(1, walk),
        frame(1, Tlopen { fid: 1, flags }),
    ];
    for request in begin {
        let placed = Placed::in_pieces(&ram, &request, &[request.len()], &[300]).unwrap();
        driver.add(&placed.readable, &placed.writable).unwrap();
        driver.publish();
        assert!(driver.wait_used(PATIENCE).is_some());
    }
    let mut in_flight: Vec<_> = (0..driver.ring().size).map(|_| None).collect();
    let (mut sent, mut came) = (0_usize, 0);
    while came < 600 {
        while sent < 600 && sent - came < 20 {
            let offset = (sent % 16 * LENGTH) as u64;
            let count = LENGTH as u32;
            let read = Tread {
                fid: 1,
                offset,
                count,
            };
            let request = frame(sent as u16, read);
            let room = [11, 1000, LENGTH - 1000];
            let placed = Placed::in_pieces(&ram, &request, &[request.len()], &room).unwrap();
            let head = driver.add(&placed.readable, &placed.writable).unwrap();
            in_flight[usize::from(head)] = Some((offset as usize, placed));
            sent += 1;
        }
        driver.publish();
        direct.device.set_memory(ram.device_memory());
        let used = driver.wait_used(PATIENCE).unwrap();
        let (offset, placed) = in_flight[usize::from(used.head)].take().unwrap();
        let reply = placed.reply(used.length as usize);
        assert!(reply[11..] == content[offset..][..LENGTH]);
        assert!(placed.is_intact());
        came += 1;
    }
    assert_eq!(direct.breaks(), 0);
}
