//! What the VMM has told of the ring so far.

use std::os::fd::OwnedFd;

use super::refusal::Refusal;
use super::regions::Regions;
use crate::Device;

#[derive(Default)]
pub(super) struct Ring {
    /// How many descriptors; 0 as long as the VMM has not said.
    pub(super) size: u16,
    pub(super) addresses: Option<Addresses>,
    /// Where in the available ring to go on.
    pub(super) next_available: u16,
    pub(super) kick: Option<OwnedFd>,
    pub(super) enabled: bool,
    /// The device was given it, and has not been stopped since.
    pub(super) started: bool,
}

/// Where the ring's parts are, in the VMM.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
}

impl Ring {
    /// A ring of which nothing is known. It is enabled from the start only for a VMM that cannot
    /// enable it.
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            ..Self::default()
        }
    }

    pub(super) fn set_size(&mut self, size: u32) -> Result<(), Refusal> {
        let refused = Refusal::RingSize(size);
        let size = u16::try_from(size).unwrap_or(0);
        if !size.is_power_of_two() || size > Device::MAX_QUEUE_SIZE {
            return Err(refused);
        }
        self.unless_it_changes_while_running(size == self.size)?;
        self.size = size;
        Ok(())
    }

    pub(super) fn set_addresses(&mut self, addresses: Addresses) -> Result<(), Refusal> {
        self.unless_it_changes_while_running(self.addresses == Some(addresses))?;
        self.addresses = Some(addresses);
        Ok(())
    }

    pub(super) fn set_next_available(&mut self, index: u32) -> Result<(), Refusal> {
        let next = u16::try_from(index).map_err(|_| Refusal::RingIndex(index))?;
        self.unless_it_changes_while_running(false)?;
        self.next_available = next;
        Ok(())
    }

    /// Whether all of its parts are in these regions, as far as they are known.
    pub(super) fn lies_in(&self, regions: &Regions) -> bool {
        self.addresses.is_none_or(|parts| {
            let parts = [parts.descriptors, parts.available, parts.used];
            parts
                .iter()
                .all(|part| regions.guest_address(*part).is_some())
        })
    }

    /// What is needed to start it, when all of it is there and it does not run already.
    pub(super) fn startable(&self) -> Option<(Addresses, &OwnedFd)> {
        if self.started || !self.enabled || self.size == 0 {
            return None;
        }
        self.addresses.zip(self.kick.as_ref())
    }

    fn unless_it_changes_while_running(&self, same: bool) -> Result<(), Refusal> {
        if self.started && !same {
            return Err(Refusal::RingRuns);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: Addresses = Addresses {
        descriptors: 0x1000,
        available: 0x2000,
        used: 0x3000,
    };

    #[test]
    fn a_ring_has_a_power_of_two_of_descriptors_up_to_the_devices_limit() {
        let mut ring = Ring::default();
        for size in [1, 2, 128, 256, 1024] {
            assert!(ring.set_size(size).is_ok(), "{size}");
            assert_eq!(u32::from(ring.size), size);
        }
        for size in [0, 3, 1023, 2048, 65536, 65537, u32::MAX] {
            assert!(ring.set_size(size).is_err(), "{size}");
        }
        assert_eq!(ring.size, 1024);
    }

    #[test]
    fn it_starts_when_all_is_there_in_whatever_order() {
        let kick = || OwnedFd::from(std::io::pipe().unwrap().0);
        let steps: [&dyn Fn(&mut Ring); 4] = [
            &|ring| ring.set_size(8).unwrap(),
            &|ring| ring.set_addresses(ADDRESSES).unwrap(),
            &|ring| ring.kick = Some(kick()),
            &|ring| ring.enabled = true,
        ];
        for missing in 0..steps.len() {
            let mut ring = Ring::new(false);
            for step in (0..steps.len()).filter(|step| *step != missing).rev() {
                steps[step](&mut ring);
            }
            assert!(ring.startable().is_none(), "without step {missing}");
            steps[missing](&mut ring);
            assert!(ring.startable().is_some(), "with step {missing} last");
            ring.started = true;
            assert!(ring.startable().is_none(), "not twice");
        }
    }

    #[test]
    fn nothing_changes_while_it_runs() {
        let mut ring = Ring::default();
        ring.set_size(8).unwrap();
        ring.set_addresses(ADDRESSES).unwrap();
        ring.started = true;
        let other = Addresses {
            used: 0x4000,
            ..ADDRESSES
        };
        assert!(ring.set_size(8).is_ok() && ring.set_size(16).is_err());
        assert!(ring.set_addresses(ADDRESSES).is_ok());
        assert!(ring.set_addresses(other).is_err());
        assert!(ring.set_next_available(0).is_err());
        ring.started = false;
        assert!(ring.set_size(16).is_ok());
        assert!(ring.set_addresses(other).is_ok());
        assert!(ring.set_next_available(0xffff).is_ok());
        assert!(ring.set_next_available(0x1_0000).is_err());
    }
}
