//! A descriptor chain: where in guest memory a request lies, and the room for its reply.

use virtio_queue::DescriptorChain;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, VolatileSlice};

use crate::GuestMemory;
use crate::sys::Pieces;

/// The most descriptors in a chain, as in QEMU. A request of Linux has some 130 at most.
const LONGEST: usize = 1024;

/// A chain that was checked when it was taken from the ring: all of it lies in guest memory.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The index that goes back to the driver in the used ring.
    pub(crate) head: u16,
    pub(crate) readable: Buffers,
    pub(crate) writable: Buffers,
}

/// Buffers one behind the other, as if they were one.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pieces: Vec<(GuestAddress, usize)>,
    length: usize,
}

impl Chain {
    /// Takes a chain in; the errors say what is wrong with it. `self` is one that was used before.
    pub(crate) fn read(
        &mut self,
        memory: &GuestMemory,
        descriptors: DescriptorChain<&GuestMemory>,
    ) -> Result<(), &'static str> {
        self.readable.clear();
        self.writable.clear();
        self.head = descriptors.head_index();
        let mut count = 0;
        let mut last: Option<Descriptor> = None;
        for descriptor in descriptors {
            count += 1;
            if count > LONGEST {
                return Err("a chain has too many descriptors");
            }
            let buffers = match descriptor.is_write_only() {
                true => &mut self.writable,
                false if self.writable.pieces.is_empty() => &mut self.readable,
                false => return Err("a readable buffer stands behind a writable one"),
            };
            let (address, length) = (descriptor.addr(), descriptor.len() as usize);
            if length > 0 && !memory.check_range(address, length) {
                return Err("a buffer lies outside the guest's memory");
            }
            buffers.push(address, length);
            last = Some(descriptor);
        }
        match last {
            // The iterator ends early where the table does, or a loop was closed.
            Some(last) if last.has_next() => Err("a chain does not end"),
            Some(_) => Ok(()),
            None => Err("a chain has no descriptor"),
        }
    }
}

impl Buffers {
    /// How many bytes they have.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.length = 0;
    }

    fn push(&mut self, address: GuestAddress, length: usize) {
        // A writable buffer without bytes counts for the order of buffers.
        self.pieces.push((address, length));
        self.length += length;
    }

    /// Copies bytes out, from `offset` on; how many there were.
    pub(crate) fn copy_to(&self, memory: &GuestMemory, offset: usize, into: &mut [u8]) -> usize {
        let mut copied = 0;
        self.each(memory, offset, into.len(), |slice| {
            if let Some(to) = into.get_mut(copied..copied + slice.len()) {
                copied += slice.copy_to(to);
            }
            true
        });
        copied
    }

    /// Copies bytes in, from `offset` on; how many had room.
    pub(crate) fn copy_from(&self, memory: &GuestMemory, offset: usize, from: &[u8]) -> usize {
        let mut copied = 0;
        self.each(memory, offset, from.len(), |slice| {
            if let Some(from) = from.get(copied..copied + slice.len()) {
                slice.copy_from(from);
                copied += from.len();
            }
            true
        });
        copied
    }

    /// The `count` bytes from `offset` on, as far as one call of the kernel takes them; `None` if
    /// their memory was taken away.
    pub(crate) fn gather<'m>(
        &self,
        memory: &'m GuestMemory,
        offset: usize,
        count: usize,
    ) -> Option<Pieces<'m>> {
        let mut pieces = Pieces::new();
        let (mut gathered, mut full) = (0, false);
        self.each(memory, offset, count, |slice| {
            full = !pieces.push(slice);
            gathered += slice.len();
            !full
        });
        (full || gathered == count).then_some(pieces)
    }

    /// Calls `with` for the pieces of memory from `offset` on, `count` bytes at most, until it
    /// says `false`. Ends early where memory was taken away.
    fn each<'m>(
        &self,
        memory: &'m GuestMemory,
        offset: usize,
        count: usize,
        mut with: impl FnMut(&VolatileSlice<'m>) -> bool,
    ) {
        let (mut skip, mut left) = (offset, count);
        for (address, length) in &self.pieces {
            if left == 0 {
                return;
            }
            if skip >= *length {
                skip -= length;
                continue;
            }
            let Some(from) = address.checked_add(skip as u64) else {
                return;
            };
            let wanted = (length - skip).min(left);
            skip = 0;
            for slice in memory.get_slices(from, wanted) {
                let Ok(slice) = slice else { return };
                left -= slice.len();
                if !with(&slice) {
                    return;
                }
            }
        }
    }
}
