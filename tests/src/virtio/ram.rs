//! Guest memory, as the driver and the VMM see it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{MemfdFlags, memfd_create};
use vhost::VhostUserMemoryRegionInfo;
use virtfs_device::{GuestMemory, RegionSource, map_region};
use vm_memory::{Bytes, GuestAddress};

/// How far the VMM's addresses are from the guest's.
const VMM_OFFSET: u64 = 0x5500_0000_0000;

/// The memory of a guest: memfds, mapped for the driver's own use, and an allocator of the first
/// region's bytes.
#[derive(Debug)]
pub struct GuestRam {
    regions: Vec<RamRegion>,
    mapped: GuestMemory,
    /// Where free bytes begin, and how many there are.
    free: Mutex<BTreeMap<u64, u64>>,
}

/// A piece of guest memory.
#[derive(Debug)]
pub struct RamRegion {
    /// What holds its bytes, from `offset` on.
    pub file: File,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Where the guest sees it.
    pub address: u64,
}

impl GuestRam {
    /// So many bytes at the guest's address 0, and a page above 4 GiB.
    pub fn new(size: u64) -> Arc<Self> {
        Self::with_regions(&[(0, size), (1 << 32, 0x1000)])
    }

    /// With regions at these addresses and of these sizes, which lie apart in their files.
    pub fn with_regions(regions: &[(u64, u64)]) -> Arc<Self> {
        let regions: Vec<_> = regions
            .iter()
            .map(|&(address, size)| {
                let file: File = memfd_create("guest-ram", MemfdFlags::CLOEXEC)
                    .expect("a memfd")
                    .into();
                let offset = 0x2000;
                file.set_len(offset + size).expect("it can grow");
                RamRegion {
                    file,
                    offset,
                    size,
                    address,
                }
            })
            .collect();
        let first = &regions[0];
        // Nothing is ever placed at address 0.
        let start = first.address + 0x1000;
        let free = BTreeMap::from([(start, first.address + first.size - start)]);
        Arc::new(Self {
            mapped: map(&regions),
            regions,
            free: Mutex::new(free),
        })
    }

    /// Its regions.
    pub fn regions(&self) -> &[RamRegion] {
        &self.regions
    }

    /// The same memory mapped once more, for a device.
    pub fn device_memory(&self) -> GuestMemory {
        map(&self.regions)
    }

    /// The same without the region at `address`.
    pub fn device_memory_without(&self, address: u64) -> GuestMemory {
        let kept = self.regions.iter().filter(|r| r.address != address);
        map(kept)
    }

    /// The regions as vhost-user wants them.
    pub fn vhost_regions(&self) -> Vec<VhostUserMemoryRegionInfo> {
        let regions = self.regions.iter();
        regions
            .map(|region| VhostUserMemoryRegionInfo {
                guest_phys_addr: region.address,
                memory_size: region.size,
                userspace_addr: self.vmm_address(region.address),
                mmap_offset: region.offset,
                mmap_handle: region.file.as_raw_fd(),
            })
            .collect()
    }

    /// Where the VMM would see what the guest sees at this address.
    pub fn vmm_address(&self, address: u64) -> u64 {
        VMM_OFFSET + address
    }

    /// Some bytes that nobody uses, if there are any.
    pub fn allocate(&self, length: u64, align: u64) -> Option<u64> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, had, at) = free.iter().find_map(|(&start, &had)| {
            let at = start.next_multiple_of(align);
            (at + length <= start + had).then_some((start, had, at))
        })?;
        free.remove(&start);
        if at > start {
            free.insert(start, at - start);
        }
        let (end, had_to) = (at + length, start + had);
        if end < had_to {
            free.insert(end, had_to - end);
        }
        Some(at)
    }

    /// Gives back what was allocated.
    pub fn release(&self, mut at: u64, mut length: u64) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(behind) = free.remove(&(at + length)) {
            length += behind;
        }
        if let Some((&before, &had)) = free.range(..at).next_back()
            && before + had == at
        {
            (at, length) = (before, had + length);
        }
        free.insert(at, length);
    }

    /// Bytes from an address on.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        let read = self.mapped.read_slice(into, GuestAddress(at));
        read.expect("the driver reads its own memory");
    }

    /// The same as a vector.
    pub fn bytes(&self, at: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.read(at, &mut bytes);
        bytes
    }

    /// Writes bytes from an address on.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        let written = self.mapped.write_slice(bytes, GuestAddress(at));
        written.expect("the driver writes its own memory");
    }

    /// A little-endian number that the device may write.
    pub fn load(&self, at: u64) -> u16 {
        let value = self.mapped.load(GuestAddress(at), Ordering::Acquire);
        u16::from_le(value.expect("the driver reads its own memory"))
    }

    /// Writes a little-endian number that the device may read.
    pub fn store(&self, at: u64, value: u16) {
        let value = value.to_le();
        let stored = self
            .mapped
            .store(value, GuestAddress(at), Ordering::Release);
        stored.expect("the driver writes its own memory");
    }

    /// Every byte of every region, by the files: what a device did is seen here.
    pub fn snapshot(&self) -> Vec<Vec<u8>> {
        let regions = self.regions.iter();
        regions
            .map(|region| self.bytes(region.address, region.size as usize))
            .collect()
    }
}

fn map<'a>(regions: impl IntoIterator<Item = &'a RamRegion>) -> GuestMemory {
    let regions = regions.into_iter().map(|region| {
        let source = RegionSource {
            file: region.file.try_clone().expect("a descriptor once more"),
            offset: region.offset,
            size: region.size,
            guest_address: region.address,
        };
        map_region(source).expect("the region can be mapped")
    });
    GuestMemory::from_arc_regions(regions.collect()).expect("the regions lie apart")
}
