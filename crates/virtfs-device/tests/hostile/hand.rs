//! Chains that are written by hand.

use std::sync::Arc;

use virtfs_proto::{GetattrMask, Tgetattr};
use virtfs_tests::frame;
use virtfs_tests::virtio::{Descriptor, GuestRam, Ring, flags};

/// What a test breaks the ring with.
pub(crate) struct Hand<'a> {
    pub(crate) ram: &'a Arc<GuestRam>,
    pub(crate) ring: &'a Ring,
    /// Where in the available ring the next chain goes.
    pub(crate) next: u16,
}

impl Hand<'_> {
    /// Puts these descriptors at the table's begin and offers the first as a chain.
    pub(crate) fn chain(&self, descriptors: &[Descriptor]) -> u16 {
        for (index, descriptor) in descriptors.iter().enumerate() {
            self.ring.set_descriptor(index as u16, *descriptor);
        }
        self.ring.set_available(self.next, 0);
        1
    }

    /// Puts these descriptors into memory and offers that as an indirect table of `length` bytes.
    pub(crate) fn indirect(&self, descriptors: &[Descriptor], length: u32) -> u16 {
        let address = self.table(descriptors);
        self.chain(&[Descriptor {
            address,
            length,
            flags: flags::INDIRECT,
            next: 0,
        }])
    }

    /// Puts these descriptors into memory.
    pub(crate) fn table(&self, descriptors: &[Descriptor]) -> u64 {
        let bytes: Vec<_> = descriptors.iter().flat_map(Descriptor::encode).collect();
        self.bytes(&bytes)
    }

    /// Puts these bytes into memory.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> u64 {
        let length = bytes.len().max(1) as u64;
        let at = self.ram.allocate(length, 16).expect("memory");
        self.ram.write(at, bytes);
        at
    }

    /// A request that the device could answer.
    pub(crate) fn request(&self) -> Descriptor {
        let request_mask = GetattrMask::BASIC;
        let bytes = frame(
            9,
            Tgetattr {
                fid: 0,
                request_mask,
            },
        );
        readable(self.bytes(&bytes), bytes.len() as u32)
    }

    /// Room for its reply.
    pub(crate) fn room(&self) -> Descriptor {
        writable(self.bytes(&[0xee; 256]), 256)
    }
}

pub(crate) fn readable(address: u64, length: u32) -> Descriptor {
    Descriptor {
        address,
        length,
        flags: 0,
        next: 0,
    }
}

pub(crate) fn writable(address: u64, length: u32) -> Descriptor {
    Descriptor {
        flags: flags::WRITE,
        ..readable(address, length)
    }
}

/// The descriptor with another behind it.
pub(crate) fn then(descriptor: Descriptor, next: u16) -> Descriptor {
    Descriptor {
        flags: descriptor.flags | flags::NEXT,
        next,
        ..descriptor
    }
}
