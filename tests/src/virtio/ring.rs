//! Where the parts of a split virtqueue lie, and their bytes (virtio 1.3, 2.7).

use std::sync::Arc;

use super::GuestRam;

/// A piece of guest memory that a descriptor names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where it begins.
    pub address: u64,
    /// How many bytes it has.
    pub length: u32,
}

/// `struct virtq_desc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Where its bytes begin.
    pub address: u64,
    /// How many they are.
    pub length: u32,
    /// [`flags`].
    pub flags: u16,
    /// The next of the chain, with [`flags::NEXT`].
    pub next: u16,
}

/// `virtq_desc.flags`.
pub mod flags {
    /// The chain goes on at `next`.
    pub const NEXT: u16 = 0x1;
    /// For the device to write.
    pub const WRITE: u16 = 0x2;
    /// The bytes are a table of descriptors.
    pub const INDIRECT: u16 = 0x4;
}

/// How many bytes a descriptor has.
pub(super) const DESCRIPTOR: u64 = 16;

/// A split virtqueue in guest memory, with no idea of what it is used for.
#[derive(Clone, Debug)]
pub struct Ring {
    ram: Arc<GuestRam>,
    /// How many descriptors it has.
    pub size: u16,
    /// Where the descriptor table begins.
    pub descriptors: u64,
    /// Where the available ring begins.
    pub available: u64,
    /// Where the used ring begins.
    pub used: u64,
}

impl Descriptor {
    /// Its bytes.
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

impl Ring {
    /// A new one, all zeros.
    ///
    /// # Panics
    ///
    /// If the memory has no room for it.
    pub fn new(ram: &Arc<GuestRam>, size: u16) -> Self {
        let place = |length: u64, align| {
            let at = ram.allocate(length, align).expect("room for a ring");
            ram.write(at, &vec![0; length as usize]);
            at
        };
        let entries = u64::from(size);
        Self {
            ram: ram.clone(),
            size,
            descriptors: place(DESCRIPTOR * entries, 16),
            available: place(6 + 2 * entries, 2),
            used: place(6 + 8 * entries, 4),
        }
    }

    /// Writes a descriptor of the table.
    pub fn set_descriptor(&self, index: u16, descriptor: Descriptor) {
        let at = self.descriptors + DESCRIPTOR * u64::from(index);
        self.ram.write(at, &descriptor.encode());
    }

    /// Makes `head` the chain that the available ring has at this index, which may be any.
    pub fn set_available(&self, index: u16, head: u16) {
        let slot = u64::from(index % self.size);
        self.ram.store(self.available + 4 + 2 * slot, head);
    }

    /// `virtq_avail.idx`.
    pub fn set_available_index(&self, index: u16) {
        self.ram.store(self.available + 2, index);
    }

    /// `virtq_avail.flags`.
    pub fn set_available_flags(&self, flags: u16) {
        self.ram.store(self.available, flags);
    }

    /// `virtq_avail.used_event`: from which used entry on the driver wants to be told.
    pub fn set_used_event(&self, index: u16) {
        let at = self.available + 4 + 2 * u64::from(self.size);
        self.ram.store(at, index);
    }

    /// `virtq_used.idx`.
    pub fn used_index(&self) -> u16 {
        self.ram.load(self.used + 2)
    }

    /// Writes `virtq_used.idx`, which is the device's once it runs.
    pub fn set_used_index(&self, index: u16) {
        self.ram.store(self.used + 2, index);
    }

    /// `virtq_used.flags`.
    pub fn used_flags(&self) -> u16 {
        self.ram.load(self.used)
    }

    /// `virtq_used.avail_event`: from which available entry on the device wants to be told.
    pub fn available_event(&self) -> u16 {
        self.ram.load(self.used + 4 + 8 * u64::from(self.size))
    }

    /// The head and the length that the used ring has at this index, which may be any.
    pub fn used_entry(&self, index: u16) -> (u32, u32) {
        let slot = u64::from(index % self.size);
        let mut bytes = [0; 8];
        self.ram.read(self.used + 4 + 8 * slot, &mut bytes);
        let [a, b, c, d, e, f, g, h] = bytes;
        (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        )
    }
}
