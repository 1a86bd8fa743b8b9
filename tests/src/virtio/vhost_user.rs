//! A driver at a device of another process, or of this one, by vhost-user.

use std::os::unix::net::UnixStream;

use vhost::vhost_user::message::{
    VhostUserConfigFlags, VhostUserHeaderFlag, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{Error, VhostBackend, VringConfigData};

use super::sys::vmm_event;
use super::{Attached, Driver, Event, GuestRam};

/// A VMM's end of a vhost-user connection. The device is reset when it is dropped.
pub struct VhostUser {
    frontend: Frontend,
    broken: Event,
}

impl VhostUser {
    /// Says hello as a VMM does, hands over the memory and starts the driver's queue.
    pub fn attach(socket: UnixStream, driver: &Driver) -> Result<Self, Error> {
        let attached = Self::hello(socket, driver.features(), driver.ram())?;
        attached.start(driver, 0)?;
        Ok(attached)
    }

    /// Agrees on features and hands over the memory.
    pub fn hello(socket: UnixStream, features: u64, ram: &GuestRam) -> Result<Self, Error> {
        let mut frontend = Frontend::from_stream(socket, 1);
        frontend.set_owner()?;
        let offered = frontend.get_features()?;
        assert_eq!(features & !offered, 0, "the device offers what is needed");
        let protocol = frontend.get_protocol_features()?;
        let wanted = VhostUserProtocolFeatures::CONFIG | VhostUserProtocolFeatures::REPLY_ACK;
        frontend.set_protocol_features(protocol & wanted)?;
        if protocol.contains(VhostUserProtocolFeatures::REPLY_ACK) {
            frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        }
        frontend.set_features(features | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits())?;
        frontend.set_mem_table(&ram.vhost_regions())?;
        Ok(Self {
            frontend,
            broken: Event::new(),
        })
    }

    /// Starts the driver's queue, at this available index.
    pub fn start(&self, driver: &Driver, next_available: u16) -> Result<(), Error> {
        let (ring, ram) = (driver.ring(), driver.ram());
        self.frontend.set_vring_num(0, ring.size)?;
        let addresses = VringConfigData {
            queue_max_size: ring.size,
            queue_size: ring.size,
            desc_table_addr: ram.vmm_address(ring.descriptors),
            avail_ring_addr: ram.vmm_address(ring.available),
            used_ring_addr: ram.vmm_address(ring.used),
            ..VringConfigData::default()
        };
        self.frontend.set_vring_addr(0, &addresses)?;
        self.frontend.set_vring_base(0, next_available)?;
        let [call, err, kick] = [driver.call_fd(), self.broken.share(), driver.kick_fd()];
        self.frontend.set_vring_call(0, &vmm_event(call))?;
        self.frontend.set_vring_err(0, &vmm_event(err))?;
        self.frontend.set_vring_kick(0, &vmm_event(kick))?;
        self.frontend.clone().set_vring_enable(0, true)
    }

    /// Stops the queue; its next available index.
    pub fn stop(&self) -> Result<u16, Error> {
        let index = self.frontend.get_vring_base(0)?;
        Ok(u16::try_from(index).expect("an index of a split ring"))
    }

    /// So many bytes of the configuration space.
    pub fn config(&mut self, length: u32) -> Result<Vec<u8>, Error> {
        let space = vec![0; length as usize];
        let flags = VhostUserConfigFlags::empty();
        let (_, bytes) = self.frontend.get_config(0, length, flags, &space)?;
        Ok(bytes)
    }

    /// The VMM's end itself.
    pub fn frontend(&mut self) -> &mut Frontend {
        &mut self.frontend
    }
}

impl Attached for VhostUser {
    fn broken(&self) -> &Event {
        &self.broken
    }
}
