//! The guest's memory.

use std::fs::File;
use std::os::fd::AsFd;

use crate::vmm::request::*;
use crate::vmm::*;

fn elsewhere(region: &Region) -> Region {
    Region {
        guest: region.guest + 0x100_0000,
        vmm: region.vmm + 0x100_0000,
        ..Region::new()
    }
}

#[test]
fn a_region_beyond_its_files_end_is_refused() {
    let vmm = Vmm::agreed();
    let cases = [(0, 0x1_0001), (0x8000, 0x8001), (0x1_1000, 0x1000)];
    for (offset, size) in cases {
        let beyond = Region {
            offset,
            size,
            ..Region::new()
        };
        assert_eq!(vmm.set_memory(&[&beyond]), 1, "{offset:#x} {size:#x}");
        assert_eq!(vmm.add_memory(&beyond), 1, "{offset:#x} {size:#x}");
    }
    let device = Region {
        file: File::open("/dev/zero").unwrap(),
        ..Region::new()
    };
    assert_eq!(vmm.add_memory(&device), 1);
    assert_eq!(vmm.add_memory(&vmm.region), 0);
    vmm.hang_up().unwrap();
}

#[test]
fn regions_that_overlap_are_refused() {
    let vmm = Vmm::agreed();
    let other = elsewhere(&vmm.region);
    let same_guest = Region {
        guest: vmm.region.guest + 0x1000,
        ..elsewhere(&vmm.region)
    };
    let same_vmm = Region {
        vmm: vmm.region.vmm - 0x1000,
        ..elsewhere(&vmm.region)
    };
    for overlapping in [&same_guest, &same_vmm, &vmm.region] {
        assert_eq!(vmm.set_memory(&[&vmm.region, overlapping]), 1);
    }
    assert_eq!(vmm.set_memory(&[&other, &vmm.region]), 0);
    for overlapping in [&same_guest, &same_vmm, &vmm.region, &other] {
        assert_eq!(vmm.add_memory(overlapping), 1);
    }
    vmm.hang_up().unwrap();
}

#[test]
fn a_table_that_is_refused_leaves_the_former_one() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    let beyond = Region {
        size: 0x1_0000,
        ..elsewhere(&vmm.region)
    };
    assert_eq!(vmm.set_memory(&[&beyond]), 1);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn memory_comes_and_goes_beside_a_ring_that_runs() {
    let mut vmm = Vmm::running();
    let other = elsewhere(&vmm.region);
    for _ in 0..3 {
        assert_eq!(vmm.add_memory(&other), 0);
        vmm.assert_serves();
        assert_eq!(vmm.remove_memory(&other), 0);
        vmm.assert_serves();
    }
    assert_eq!(vmm.remove_memory(&other), 1, "it is gone");
    assert_eq!(vmm.set_memory(&[&vmm.region, &other]), 0);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_ring_outside_the_memory_does_not_start() {
    let vmm = Vmm::prepared();
    let (start, size) = (vmm.region.vmm, vmm.region.size);
    let [descriptors, used, available] = [start + DESCRIPTORS, start + USED, start + AVAILABLE];
    let outside = [
        [start - 0x1000, used, available],
        [descriptors, start + size, available],
        [descriptors, used, 0],
        // The guest's address is none of the VMM's.
        [vmm.region.guest, used, available],
        // It begins inside.
        [descriptors, start + size - 4, available],
    ];
    assert_eq!(vmm.set_event(SET_VRING_KICK, &vmm.kick), 0);
    for [descriptors, used, available] in outside {
        vmm.set(
            SET_VRING_ADDR,
            &words(&[0, descriptors, used, available, 0]),
        );
        assert_eq!(vmm.ask(SET_VRING_ENABLE, &state(0, 1), &[]), 1);
        vmm.set(SET_VRING_ENABLE, &state(0, 0));
    }
    let mut vmm = vmm;
    vmm.set(SET_VRING_ADDR, &vmm.addresses());
    vmm.set(SET_VRING_ENABLE, &state(0, 1));
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

/// As User-Mode Linux sends it.
fn long_table(count: u32, region: &Region) -> Vec<u8> {
    [state(count, 0), region.encode(), vec![0; 32]].concat()
}

#[test]
fn a_table_with_room_for_more_regions_than_it_has_is_taken() {
    let mut vmm = Vmm::running();
    let table = long_table(1, &vmm.region);
    let file = vmm.region.file.try_clone().unwrap();
    for _ in 0..2 {
        vmm.assert_serves();
        assert_eq!(vmm.ask(SET_MEM_TABLE, &table, &[file.as_fd()]), 0);
        vmm.assert_serves();
        vmm.send(SET_MEM_TABLE, &table, &[file.as_fd()]);
    }
    let beyond = Region {
        size: 0x1_0000,
        ..Region::new()
    };
    let table = long_table(1, &beyond);
    assert_eq!(vmm.ask(SET_MEM_TABLE, &table, &[beyond.file.as_fd()]), 1);
    vmm.assert_serves();
    vmm.hang_up().unwrap();
}

#[test]
fn a_long_table_that_is_no_table_ends_the_connection() {
    let region = Region::new();
    let file = region.file.as_fd();
    let cases = [
        (long_table(0, &region), vec![]),
        (long_table(1, &region), vec![]),
        (long_table(1, &region), vec![file; 2]),
        (long_table(3, &region), vec![file; 3]),
        (long_table(33, &region), vec![file; 32]),
        (long_table(u32::MAX, &region), vec![file]),
    ];
    for (table, files) in cases {
        let vmm = Vmm::agreed();
        vmm.send(SET_MEM_TABLE, &table, &files);
        let line = vmm.ended().unwrap_err().to_string();
        assert!(line.contains("bad SET_MEM_TABLE"), "{line}");
    }
    // Cut short, and in pieces.
    let whole = message(SET_MEM_TABLE, 0, &long_table(1, &region));
    for length in [20, whole.len() - 1] {
        let vmm = Vmm::agreed();
        vmm.send_raw(&whole[..length], &[file]);
        assert!(vmm.hang_up().is_err());
    }
    let vmm = Vmm::agreed();
    vmm.send_raw(&whole[..30], &[file]);
    vmm.send_raw(&whole[30..], &[]);
    vmm.assert_alive();
    // Descriptors with each piece.
    vmm.send_raw(&whole[..30], &[file]);
    vmm.send_raw(&whole[30..], &[file]);
    vmm.assert_alive();
    vmm.hang_up().unwrap();
}

#[test]
fn the_stopper_ends_a_connection_within_a_long_table() {
    let vmm = Vmm::agreed();
    let whole = message(SET_MEM_TABLE, 0, &long_table(1, &vmm.region));
    vmm.send_raw(&whole[..50], &[vmm.region.file.as_fd()]);
    vmm.stopper.stop();
    vmm.ended().unwrap();
}

#[test]
fn a_region_can_be_replaced_beside_a_ring_that_runs_in_it() {
    let mut vmm = Vmm::running();
    vmm.assert_serves();
    let region = Region {
        file: vmm.region.file.try_clone().unwrap(),
        ..vmm.region
    };
    for _ in 0..3 {
        assert_eq!(vmm.remove_memory(&region), 0);
        vmm.call.take();
        vmm.submit();
        assert_eq!(vmm.add_memory(&region), 0);
        vmm.call.wait();
        vmm.assert_answered();
        vmm.assert_serves();
    }
    assert_eq!(vmm.error.take(), 0, "the driver broke nothing");
    vmm.hang_up().unwrap();
}
