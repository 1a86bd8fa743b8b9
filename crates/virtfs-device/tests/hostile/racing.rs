//! A driver that goes on writing where the device reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use virtfs_proto::{Twrite, kind};
use virtfs_tests::{PATIENCE, Rng, frame, frame_with};
use virtfs_vfs::synth::Gate;

use crate::site::{FILE, GATE, Site, read_of};

#[test]
fn a_request_that_is_rewritten_after_it_was_taken_is_what_it_was() {
    let mut site = Site::new();
    let blocked = site.block(30, 1).pop().unwrap();
    let request = blocked.1.readable[0];
    // Another kind, another tag, another size; the same request again; nothing.
    let stat = frame(31, virtfs_proto::Tclunk { fid: GATE });
    for other in [stat, frame(32, read_of(FILE, 50_000)), vec![0xff; 23]] {
        let length = other.len().min(request.length as usize);
        site.ram.write(request.address, &other[..length]);
    }
    site.gate.open();
    let reply = site.answer(blocked);
    assert_eq!(reply.tag(), 30);
    assert_eq!(reply.payload(), Gate::TEXT);
    let reply = site.call(read_of(GATE, 100));
    assert_eq!(reply.payload(), Gate::TEXT, "the fid is still there");
}

#[test]
fn a_request_that_is_rewritten_all_the_time_does_no_harm() {
    let mut site = Site::new();
    site.gate.open();
    let request = frame_with(
        5,
        Twrite {
            fid: GATE,
            offset: 0,
            count: 100,
        },
        &[7; 100],
    );
    let room = 300;
    let placed =
        virtfs_tests::virtio::Placed::in_pieces(&site.ram, &request, &[request.len()], &[room])
            .unwrap();
    let before = site.ram.snapshot();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (ram, at, stop) = (site.ram.clone(), placed.readable[0], &stop);
        scope.spawn(move || {
            let mut random = Rng::new(4);
            while !stop.load(Ordering::Relaxed) {
                let size = random.pick(&[123, 0, 7, 23, 22, 124, 200, u32::MAX]);
                ram.write(at.address, &size.to_le_bytes());
                let kind = random.pick(&[kind::TWRITE, kind::TREAD, kind::TGETATTR, 99]);
                ram.write(at.address + 4, &[kind]);
                let count = random.pick(&[100, 0, 99, 101, 1000, u32::MAX]);
                ram.write(at.address + 19, &count.to_le_bytes());
            }
        });
        // The tag and the fid stay, and there is one at a time.
        for _ in 0..3000 {
            let head = site.driver.add(&placed.readable, &placed.writable).unwrap();
            site.driver.publish();
            let used = site.driver.wait_used(PATIENCE).expect("an answer");
            assert_eq!(used.head, head);
            let length = used.length as usize;
            assert!(length <= room);
            let reply = placed.reply(length);
            if length > 0 {
                assert_eq!(reply[..4], used.length.to_le_bytes());
                assert_eq!(reply[5..7], 5_u16.to_le_bytes());
            }
            assert!(placed.is_intact());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let ring = site.driver.ring();
    let table = virtfs_tests::virtio::Segment {
        address: ring.descriptors,
        length: 16 * u32::from(ring.size),
    };
    let allowed = [placed.readable[0], placed.writable[0], table];
    site.assert_unchanged(&before, &allowed);
    assert_eq!(site.direct.breaks(), 0);
    site.assert_serves();
}
