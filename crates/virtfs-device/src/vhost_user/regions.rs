//! The guest's memory as the VMM hands it over, and the VMM's own addresses in it.

use std::fs::File;
use std::sync::Arc;

use rustix::io::{FdFlags, fcntl_setfd};
use vhost::vhost_user::message::VhostUserMemoryRegion;
use vm_memory::GuestRegionMmap;

use super::refusal::Refusal;
use crate::{GuestMemory, RegionError, RegionSource, map_region};

/// How many regions there may be: what other back ends offer.
pub(super) const MAX_REGIONS: usize = 509;

/// All regions, in the order of their guest addresses.
#[derive(Default, Clone)]
pub(super) struct Regions(Vec<Region>);

#[derive(Clone)]
struct Region {
    place: Place,
    mapping: Arc<GuestRegionMmap<()>>,
}

/// Where a region is, beyond its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Its guest-physical address.
    pub(super) guest: u64,
    /// Its address in the VMM, by which the VMM names the parts of a ring.
    pub(super) vmm: u64,
    /// How many bytes it has.
    pub(super) size: u64,
}

impl From<&VhostUserMemoryRegion> for Place {
    fn from(region: &VhostUserMemoryRegion) -> Self {
        Self {
            guest: region.guest_phys_addr,
            vmm: region.user_addr,
            size: region.memory_size,
        }
    }
}

impl Place {
    fn overlaps(&self, other: &Self) -> bool {
        let shares =
            |a: u64, b: u64| a < b.saturating_add(other.size) && b < a.saturating_add(self.size);
        shares(self.guest, other.guest) || shares(self.vmm, other.vmm)
    }
}

impl Regions {
    /// These and one more, `offset` bytes into its file.
    pub(super) fn with(mut self, place: Place, offset: u64, file: File) -> Result<Self, Refusal> {
        if self.0.len() >= MAX_REGIONS {
            return Err(Refusal::TooManyRegions);
        }
        if place.vmm.checked_add(place.size).is_none() {
            return Err(Refusal::Region(RegionError::Invalid));
        }
        if self.0.iter().any(|region| region.place.overlaps(&place)) {
            return Err(Refusal::Overlap);
        }
        // The crate that received it did not.
        fcntl_setfd(&file, FdFlags::CLOEXEC).map_err(|errno| Refusal::Host(errno.into()))?;
        let source = RegionSource {
            file,
            offset,
            size: place.size,
            guest_address: place.guest,
        };
        let mapping = map_region(source).map_err(Refusal::Region)?;
        let at = self
            .0
            .partition_point(|region| region.place.guest < place.guest);
        self.0.insert(at, Region { place, mapping });
        Ok(self)
    }

    /// These without one.
    pub(super) fn without(mut self, place: Place) -> Result<Self, Refusal> {
        let at = self.0.iter().position(|region| region.place == place);
        self.0.remove(at.ok_or(Refusal::NoSuchRegion)?);
        Ok(self)
    }

    /// Whether there is no memory.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The memory as the device takes it.
    pub(super) fn memory(&self) -> Result<GuestMemory, Refusal> {
        if self.0.is_empty() {
            return Ok(GuestMemory::new());
        }
        let mappings = self.0.iter().map(|region| region.mapping.clone());
        GuestMemory::from_arc_regions(mappings.collect()).map_err(|_| Refusal::Overlap)
    }

    /// The guest's address for one of the VMM's, if it is in a region.
    pub(super) fn guest_address(&self, vmm: u64) -> Option<u64> {
        self.0.iter().find_map(|Region { place, .. }| {
            let offset = vmm.checked_sub(place.vmm)?;
            // It is below the region's end, which is an address.
            (offset < place.size).then(|| place.guest + offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x10000).unwrap();
        file
    }

    fn place(guest: u64, vmm: u64, size: u64) -> Place {
        Place { guest, vmm, size }
    }

    #[test]
    fn addresses_of_the_vmm_become_the_guests() {
        let regions = Regions::default()
            .with(place(0x10_0000, 0x7000, 0x1000), 0, file())
            .and_then(|regions| regions.with(place(0, 0x9000, 0x2000), 0x1000, file()))
            .unwrap();
        let cases = [
            (0x6fff, None),
            (0x7000, Some(0x10_0000)),
            (0x7fff, Some(0x10_0fff)),
            (0x8000, None),
            (0x9000, Some(0)),
            (0xafff, Some(0x1fff)),
            (0xb000, None),
            (u64::MAX, None),
        ];
        for (vmm, guest) in cases {
            assert_eq!(regions.guest_address(vmm), guest, "{vmm:#x}");
        }
        assert!(regions.memory().is_ok());
    }

    #[test]
    fn regions_that_share_an_address_on_either_side_are_refused() {
        let one = Regions::default()
            .with(place(0x1000, 0x20_0000, 0x2000), 0, file())
            .unwrap();
        let overlaps = [
            place(0x1000, 0x90_0000, 0x1000),
            place(0, 0x90_0000, 0x1001),
            place(0x2fff, 0x90_0000, 0x1000),
            place(0, 0x90_0000, 0x8000),
            place(0x8000, 0x20_1000, 0x1000),
        ];
        for place in overlaps {
            let refused = one.clone().with(place, 0, file());
            assert!(matches!(refused, Err(Refusal::Overlap)), "{place:x?}");
        }
        for place in [
            place(0x3000, 0x20_2000, 0x1000),
            place(0, 0x1f_f000, 0x1000),
        ] {
            assert!(one.clone().with(place, 0, file()).is_ok(), "{place:x?}");
        }
    }

    #[test]
    fn a_region_is_removed_by_its_addresses_and_size() {
        let there = place(0x1000, 0x20_0000, 0x2000);
        let one = Regions::default().with(there, 0, file()).unwrap();
        for other in [
            place(0x1000, 0x20_0000, 0x1000),
            place(0x2000, 0x20_0000, 0x2000),
            place(0x1000, 0x20_1000, 0x2000),
        ] {
            let refused = one.clone().without(other);
            assert!(matches!(refused, Err(Refusal::NoSuchRegion)), "{other:x?}");
        }
        let none = one.without(there).unwrap();
        assert!(none.is_empty() && none.memory().is_ok());
        assert_eq!(none.guest_address(0x20_0000), None);
    }

    #[test]
    fn there_are_509_regions_at_most() {
        let file = file();
        let with = |regions: Regions, index: u64| {
            let place = place(index * 0x1000, index * 0x1000, 0x1000);
            regions.with(place, 0, file.try_clone().unwrap())
        };
        let full = (0..509).try_fold(Regions::default(), with).unwrap();
        assert!(matches!(with(full, 509), Err(Refusal::TooManyRegions)));
    }

    #[test]
    fn a_region_that_wraps_around_in_the_vmm_is_refused() {
        let place = place(0, u64::MAX - 0xfff, 0x2000);
        let refused = Regions::default().with(place, 0, file());
        assert!(matches!(
            refused,
            Err(Refusal::Region(RegionError::Invalid))
        ));
    }
}
