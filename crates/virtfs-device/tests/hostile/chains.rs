//! Chains that cannot be, and odd ones that can.

use virtfs_proto::kind;
use virtfs_tests::virtio::{Descriptor, DriverOptions, Segment, flags};
use virtfs_tests::{PATIENCE, frame};
use virtfs_vfs::synth::Wait;

use crate::hand::{Hand, readable, then, writable};
use crate::site::{FILE, HELLO, NEXT_REGION, NEXT_SIZE, Site, read_of, wait_until_used};

#[test]
fn a_chain_that_loops_breaks_the_ring() {
    let mut site = Site::new();
    site.breaks(|hand| hand.chain(&[then(hand.request(), 1), then(hand.room(), 0)]));
    site.breaks(|hand| hand.chain(&[then(hand.request(), 0)]));
    site.breaks(|hand| hand.chain(&[then(hand.request(), 1), then(hand.room(), 1)]));
}

#[test]
fn a_chain_that_leaves_the_table_breaks_the_ring() {
    let mut site = Site::new();
    for next in [128, 129, 0x7fff, u16::MAX] {
        site.breaks(|hand| hand.chain(&[then(hand.request(), 1), then(hand.room(), next)]));
    }
}

#[test]
fn an_indirect_chain_that_leaves_its_table_breaks_the_ring() {
    let mut site = Site::new();
    for next in [0, 1, 2, 127, u16::MAX] {
        site.breaks(|hand| hand.indirect(&[then(hand.request(), 1), then(hand.room(), next)], 32));
    }
}

#[test]
fn an_indirect_chain_of_1024_works_and_a_longer_one_breaks_the_ring() {
    let mut site = Site::new();
    let chain = |hand: &Hand<'_>, count: u16| {
        let room = hand.room();
        let mut all = vec![then(hand.request(), 1)];
        all.extend((2..count).map(|next| then(writable(room.address, 1), next)));
        all.push(room);
        hand.indirect(&all, 16 * u32::from(count))
    };
    site.breaks(|hand| chain(hand, 1025));
    site.breaks(|hand| chain(hand, 4096));
    let options = DriverOptions {
        queue_size: 1024,
        indirect: true,
        ..DriverOptions::default()
    };
    let mut site = Site::with(options, Wait::PROPER);
    let request = frame(3, read_of(FILE, 1000));
    let mut reply = vec![1; 1023 - request.len()];
    reply.push(500);
    let submitted = site.submit_in_pieces(&request, &vec![1; request.len()], &reply);
    assert_eq!(site.answer(submitted).payload(), HELLO);
}

#[test]
fn an_indirect_table_in_an_indirect_table_breaks_the_ring() {
    let mut site = Site::new();
    for (at, links) in [(0, 0), (1, 0), (0, flags::NEXT), (1, flags::NEXT)] {
        site.breaks(|hand| {
            let inner = hand.table(&[then(hand.request(), 1), hand.room()]);
            let nested = Descriptor {
                address: inner,
                length: 32,
                flags: flags::INDIRECT | links,
                next: 2,
            };
            let mut outer = vec![nested, hand.room(), hand.room()];
            if at == 1 {
                outer.insert(0, then(hand.request(), 1));
            }
            hand.indirect(&outer, 16 * outer.len() as u32)
        });
    }
}

#[test]
fn an_indirect_table_of_impossible_length_breaks_the_ring() {
    let mut site = Site::new();
    for length in [0, 1, 15, 17, 31, 33, u32::MAX, 0xffff_fff0, 16 * 65_537] {
        site.breaks(|hand| hand.indirect(&[then(hand.request(), 1), hand.room()], length));
    }
}

#[test]
fn an_indirect_table_outside_memory_breaks_the_ring() {
    let mut site = Site::new();
    let end = NEXT_REGION + NEXT_SIZE;
    for address in [
        end,
        end - 16,
        end + 0x1000,
        (1 << 32) + 0xff0,
        1 << 40,
        u64::MAX - 15,
    ] {
        site.breaks(|hand| {
            hand.chain(&[Descriptor {
                address,
                length: 32,
                flags: flags::INDIRECT,
                next: 0,
            }])
        });
    }
}

#[test]
fn a_table_behind_other_descriptors_works() {
    let mut site = Site::new();
    let request = frame(5, read_of(FILE, 100));
    let (begin, rest) = request.split_at(9);
    let hand = site.hand();
    let (begin, rest) = (hand.bytes(begin), hand.bytes(rest));
    let room = hand.room();
    let table = hand.table(&[then(readable(rest, request.len() as u32 - 9), 1), room]);
    let table = Descriptor {
        address: table,
        length: 32,
        flags: flags::INDIRECT,
        next: 0,
    };
    let before = site.ram.snapshot();
    hand.chain(&[then(readable(begin, 9), 1), table]);
    let index = hand.next;
    hand.ring.set_used_event(hand.ring.used_index());
    hand.ring.set_available_index(index.wrapping_add(1));
    site.driver.kick();
    wait_until_used(&site.driver, index.wrapping_add(1));
    let (head, length) = site.driver.ring().used_entry(index);
    assert_eq!((head, length as usize), (0, 11 + HELLO.len()));
    assert_eq!(site.ram.bytes(room.address + 11, HELLO.len()), HELLO);
    let segment = Segment {
        address: room.address,
        length,
    };
    let table = Segment {
        address: site.driver.ring().descriptors,
        length: 32,
    };
    site.assert_unchanged(&before, &[segment, table]);
}

#[test]
fn a_buffer_outside_memory_breaks_the_ring() {
    let mut site = Site::new();
    let end = NEXT_REGION + NEXT_SIZE;
    let high = 1 << 32;
    for (address, length) in [
        (end, 1),
        (end - 10, 11),
        (end - 10, u32::MAX),
        (0, u32::MAX),
        (high - 10, 20),
        (high + 0xff0, 17),
        (high + 0x1000, 1),
        (u64::MAX, 1),
        (u64::MAX, 2),
        (u64::MAX - 100, 101),
        (u64::MAX - 100, 200),
        (u64::MAX - 0xffff_fffe, u32::MAX),
    ] {
        site.breaks(|hand| hand.chain(&[then(readable(address, length), 1), hand.room()]));
        site.breaks(|hand| hand.chain(&[then(hand.request(), 1), writable(address, length)]));
        site.breaks(|hand| {
            let request = then(hand.request(), 1);
            let odd = then(readable(address, length), 2);
            hand.chain(&[request, odd, hand.room()])
        });
        site.breaks(|hand| {
            let list = [then(hand.request(), 1), writable(address, length)];
            hand.indirect(&list, 32)
        });
    }
}

#[test]
fn buffers_that_are_longer_in_all_than_memory_do_no_harm() {
    let mut site = Site::new();
    // Each is right, and all are the same: 127 MiB of request that claims to be a small one.
    site.assert_serves();
    let hand = site.hand();
    let room = hand.room();
    let bytes = hand.bytes(&frame(5, read_of(FILE, 100)));
    let whole = readable(0, NEXT_REGION as u32);
    let mut all = vec![then(readable(bytes, 23), 1)];
    all.extend((2..127).map(|next| then(whole, next)));
    all.push(room);
    hand.chain(&all);
    let index = hand.next;
    hand.ring.set_used_event(hand.ring.used_index());
    hand.ring.set_available_index(index.wrapping_add(1));
    site.driver.kick();
    wait_until_used(&site.driver, index.wrapping_add(1));
    let (_, length) = site.driver.ring().used_entry(index);
    assert_eq!(length, 11);
    assert_eq!(site.ram.bytes(room.address + 4, 1), [kind::RLERROR]);
}

#[test]
fn a_readable_buffer_behind_a_writable_one_breaks_the_ring() {
    let mut site = Site::new();
    site.breaks(|hand| hand.chain(&[then(hand.room(), 1), hand.request()]));
    site.breaks(|hand| {
        let behind = readable(hand.room().address, 0);
        hand.chain(&[then(hand.request(), 1), then(hand.room(), 2), behind])
    });
    site.breaks(|hand| {
        let empty = writable(hand.room().address, 0);
        hand.chain(&[then(empty, 1), then(hand.request(), 2), hand.room()])
    });
    site.breaks(|hand| hand.indirect(&[then(hand.room(), 1), hand.request()], 32));
}

#[test]
fn a_chain_of_one_kind_breaks_the_ring() {
    let mut site = Site::new();
    site.breaks(|hand| hand.chain(&[hand.request()]));
    site.breaks(|hand| hand.chain(&[hand.room()]));
    site.breaks(|hand| hand.chain(&[then(hand.request(), 1), writable(0x1000, 0)]));
    site.breaks(|hand| hand.chain(&[then(readable(0x1000, 0), 1), hand.room()]));
    site.breaks(|hand| hand.chain(&[then(readable(0x1000, 6), 1), hand.room()]));
    site.breaks(|hand| hand.chain(&[then(hand.request(), 1), writable(0x1000, 6)]));
    site.breaks(|hand| hand.chain(&[readable(0, 0)]));
}

#[test]
fn buffers_of_no_byte_and_of_one_byte_work() {
    for indirect in [false, true] {
        let options = DriverOptions {
            indirect,
            ..DriverOptions::default()
        };
        let mut site = Site::with(options, Wait::PROPER);
        let request = frame(3, read_of(FILE, 100));
        let count = request.len();
        let ones = vec![1; count];
        let mut gaps = vec![0; 5];
        gaps.extend(ones.iter().flat_map(|_| [1, 0]));
        let replies: [&[usize]; 4] = [&[111], &[1; 40], &[0, 7, 0, 4, 0, 100, 0], &[3, 9, 1, 98]];
        for pieces in [&ones, &gaps, &vec![count, 0], &vec![0, 6, 1, count - 7]] {
            for reply in replies {
                let submitted = site.submit_in_pieces(&request, pieces, reply);
                assert_eq!(site.answer(submitted).payload(), HELLO);
            }
        }
    }
}

/// A virtual machine's memory may come in pieces that the guest cannot tell apart.
#[test]
fn a_buffer_across_two_regions_that_touch_works() {
    let mut site = Site::new();
    let request = frame(3, read_of(FILE, 100));
    for before in [1, 5, 10, 11, 12, 20] {
        let hand = site.hand();
        let at = hand.bytes(&request);
        let request = Segment {
            address: at,
            length: request.len() as u32,
        };
        let room = Segment {
            address: NEXT_REGION - before,
            length: 111,
        };
        let head = site.driver.add(&[request], &[room]).unwrap();
        site.driver.publish();
        let used = site.driver.wait_used(PATIENCE).unwrap();
        assert_eq!((used.head, used.length as usize), (head, 11 + HELLO.len()));
        assert_eq!(site.ram.bytes(room.address + 11, HELLO.len()), HELLO);
    }
}
