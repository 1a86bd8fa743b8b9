//! What each message of the VMM does.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{debug, info, warn};
use vhost::VhostUserMemoryRegionBase;
use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags, VhostUserInflight,
    VhostUserLog, VhostUserMemoryRegion, VhostUserProtocolFeatures, VhostUserShMemConfig,
    VhostUserSharedMsg, VhostUserSingleMemoryRegion, VhostUserVirtioFeatures,
    VhostUserVringAddrFlags, VhostUserVringState,
};
use vhost::vhost_user::{Backend, GpuBackend, Result as Answer, VhostUserBackendReqHandler};

use super::error::Error;
use super::events::{Events, Signal, kick};
use super::quota::Quota;
use super::refusal::Refusal;
use super::regions::{MAX_REGIONS, Place, Regions};
use super::ring::{Addresses, Ring};
use crate::{Device, Patience, QueueSetup, features};

/// The feature bit that announces protocol features. It is the transport's, not the driver's.
const PROTOCOL_FEATURES: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();

/// The protocol features that are offered.
const OFFERED: VhostUserProtocolFeatures = VhostUserProtocolFeatures::CONFIG
    .union(VhostUserProtocolFeatures::MQ)
    .union(VhostUserProtocolFeatures::REPLY_ACK)
    .union(VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS)
    .union(VhostUserProtocolFeatures::BACKEND_REQ)
    .union(VhostUserProtocolFeatures::RESET_DEVICE);

/// A device and what its VMM has said.
pub(super) struct Front {
    device: Device,
    events: Arc<Events>,
    quota: Arc<Quota>,
    /// One thread at a time has it, for a whole message. The device's own threads never do.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The VMM has asked for the features that it takes.
    offered: bool,
    /// The virtio features that the VMM took for the driver.
    features: u64,
    protocol_features: u64,
    regions: Regions,
    ring: Ring,
    /// Nothing is ever asked of the VMM. User-Mode Linux cannot set up an interrupt without this
    /// channel, up to 6.1 at least.
    backend_requests: Option<Backend>,
}

impl Front {
    pub(super) fn new(device: Device) -> Self {
        let quota = Arc::<Quota>::default();
        Self {
            device,
            events: Arc::new(Events::new(quota.clone())),
            quota,
            state: Mutex::default(),
        }
    }

    /// Whether a refusal can be told by an acknowledgement.
    pub(super) fn acknowledges(&self) -> bool {
        let ack = VhostUserProtocolFeatures::REPLY_ACK.bits();
        let state = self.state();
        state.offered && state.protocol_features & ack != 0
    }

    /// Logs what the VMM was refused, as long as it does not make a habit of it.
    pub(super) fn warn(&self, refused: &Error) {
        if self.quota.take() {
            warn!("{refused}");
        } else {
            debug!("{refused}");
        }
    }

    /// Answers what the driver asked for.
    pub(super) fn drain(&self) {
        self.stop(&mut self.state(), Patience::SHORT);
    }

    /// Ends what the driver began.
    pub(super) fn reset(&self) {
        self.device.reset();
        let mut state = self.state();
        state.ring = Ring::new(state.is_enabled_from_the_start());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the ring if it can be. Without memory it waits for some.
    fn start_if_ready(&self, state: &mut State) -> Result<(), Refusal> {
        let Some((addresses, kick)) = state.ring.startable() else {
            return Ok(());
        };
        if state.regions.is_empty() {
            return Ok(());
        }
        let translate = |part, address| {
            let guest = state.regions.guest_address(address);
            guest.ok_or(Refusal::OutsideMemory { part, address })
        };
        let (size, features) = (state.ring.size, state.features & features::OFFERED);
        let setup = QueueSetup {
            size,
            descriptors: translate("descriptor table", addresses.descriptors)?,
            available: translate("available ring", addresses.available)?,
            used: translate("used ring", addresses.used)?,
            next_available: state.ring.next_available,
            features,
            kick: kick.try_clone().map_err(Refusal::Host)?,
            notifier: self.events.clone(),
        };
        self.device.start(setup).map_err(Refusal::Start)?;
        state.ring.started = true;
        if self.quota.take() {
            info!("the ring runs: {size} descriptors, features {features:#x}");
        }
        Ok(())
    }

    fn stop(&self, state: &mut State, patience: Patience) {
        if state.ring.started {
            state.ring.next_available = self.device.stop_within(patience);
            state.ring.started = false;
        }
    }

    /// The device has the new memory, and nobody touches the old one, when this returns.
    fn set_regions(&self, state: &mut State, regions: Regions) -> Result<(), Refusal> {
        let memory = regions.memory()?;
        // A VMM may take the ring's region away to put a longer one in its place.
        if !state.ring.lies_in(&regions) {
            self.stop(state, Patience::default());
        }
        self.device.set_memory(memory);
        state.regions = regions;
        match self.start_if_ready(state) {
            Err(Refusal::OutsideMemory { .. }) => Ok(()),
            other => other,
        }
    }
}

impl State {
    fn is_enabled_from_the_start(&self) -> bool {
        self.features & PROTOCOL_FEATURES == 0
    }
}

/// There is one ring.
fn first(index: impl Into<u32>) -> Result<(), Refusal> {
    match index.into() {
        0 => Ok(()),
        index => Err(Refusal::NoSuchRing(index)),
    }
}

impl VhostUserBackendReqHandler for Front {
    fn set_owner(&self) -> Answer<()> {
        Ok(())
    }

    fn reset_owner(&self) -> Answer<()> {
        self.reset();
        Ok(())
    }

    /// Memory, features, call and error descriptors stay: VMMs do not tell them again.
    fn reset_device(&self) -> Answer<()> {
        self.reset();
        Ok(())
    }

    fn get_features(&self) -> Answer<u64> {
        self.state().offered = true;
        Ok(features::OFFERED | PROTOCOL_FEATURES)
    }

    fn set_features(&self, features: u64) -> Answer<()> {
        let unknown = features & !(features::OFFERED | PROTOCOL_FEATURES);
        if unknown != 0 {
            return Err(Refusal::Features(unknown).into());
        }
        let mut state = self.state();
        if state.ring.started && state.features != features {
            return Err(Refusal::RingRuns.into());
        }
        state.features = features;
        if !state.ring.started && state.is_enabled_from_the_start() {
            state.ring.enabled = true;
        }
        Ok(self.start_if_ready(&mut state)?)
    }

    fn get_protocol_features(&self) -> Answer<VhostUserProtocolFeatures> {
        Ok(OFFERED)
    }

    fn set_protocol_features(&self, features: u64) -> Answer<()> {
        let unknown = features & !OFFERED.bits();
        if unknown != 0 {
            return Err(Refusal::Features(unknown).into());
        }
        self.state().protocol_features = features;
        Ok(())
    }

    fn get_queue_num(&self) -> Answer<u64> {
        Ok(Device::QUEUES.into())
    }

    fn set_mem_table(
        &self,
        table: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _postcopy_listening: Option<bool>,
    ) -> Answer<Option<Vec<VhostUserMemoryRegionBase>>> {
        let mut regions = Regions::default();
        for (region, file) in table.iter().zip(files) {
            regions = regions.with(region.into(), region.mmap_offset, file)?;
        }
        self.set_regions(&mut self.state(), regions)?;
        Ok(None)
    }

    fn get_max_mem_slots(&self) -> Answer<u64> {
        Ok(MAX_REGIONS as u64)
    }

    fn add_mem_region(
        &self,
        region: &VhostUserSingleMemoryRegion,
        file: File,
        _postcopy_listening: Option<bool>,
    ) -> Answer<Option<VhostUserMemoryRegionBase>> {
        let mut state = self.state();
        let regions = state.regions.clone();
        let regions = regions.with(Place::from(&**region), region.mmap_offset, file)?;
        self.set_regions(&mut state, regions)?;
        Ok(None)
    }

    fn remove_mem_region(&self, region: &VhostUserSingleMemoryRegion) -> Answer<()> {
        let mut state = self.state();
        let regions = state.regions.clone().without(Place::from(&**region))?;
        Ok(self.set_regions(&mut state, regions)?)
    }

    fn set_vring_num(&self, index: u32, num: u32) -> Answer<()> {
        first(index)?;
        let mut state = self.state();
        state.ring.set_size(num)?;
        Ok(self.start_if_ready(&mut state)?)
    }

    fn set_vring_addr(
        &self,
        index: u32,
        flags: VhostUserVringAddrFlags,
        descriptors: u64,
        used: u64,
        available: u64,
        _log: u64,
    ) -> Answer<()> {
        first(index)?;
        if flags.contains(VhostUserVringAddrFlags::VHOST_VRING_F_LOG) {
            return Err(Refusal::Unsupported.into());
        }
        let mut state = self.state();
        state.ring.set_addresses(Addresses {
            descriptors,
            available,
            used,
        })?;
        Ok(self.start_if_ready(&mut state)?)
    }

    fn set_vring_base(&self, index: u32, base: u32) -> Answer<()> {
        first(index)?;
        Ok(self.state().ring.set_next_available(base)?)
    }

    fn get_vring_base(&self, index: u32) -> Answer<VhostUserVringState> {
        first(index)?;
        let mut state = self.state();
        self.stop(&mut state, Patience::default());
        state.ring.kick = None;
        let next = state.ring.next_available;
        Ok(VhostUserVringState::new(index, next.into()))
    }

    fn set_vring_kick(&self, index: u8, fd: Option<File>) -> Answer<()> {
        first(index)?;
        let kick = kick(fd.ok_or(Refusal::Polling)?)?;
        let mut state = self.state();
        self.stop(&mut state, Patience::default());
        state.ring.kick = Some(kick);
        Ok(self.start_if_ready(&mut state)?)
    }

    fn set_vring_call(&self, index: u8, fd: Option<File>) -> Answer<()> {
        first(index)?;
        let call = fd.map(Signal::try_from).transpose()?;
        self.events.set_call(call, self.state().ring.started);
        Ok(())
    }

    fn set_vring_err(&self, index: u8, fd: Option<File>) -> Answer<()> {
        first(index)?;
        let error = fd.map(Signal::try_from).transpose()?;
        self.events.set_error(error);
        Ok(())
    }

    fn set_vring_enable(&self, index: u32, enable: bool) -> Answer<()> {
        first(index)?;
        let mut state = self.state();
        state.ring.enabled = enable;
        if !enable {
            self.stop(&mut state, Patience::default());
        }
        Ok(self.start_if_ready(&mut state)?)
    }

    /// Exactly as long as it was asked for: some VMMs die of less.
    fn get_config(&self, offset: u32, size: u32, _flags: VhostUserConfigFlags) -> Answer<Vec<u8>> {
        // The crate lets at most 4,096 bytes through.
        let mut config = vec![0; size as usize];
        self.device.tag().read_config(offset as usize, &mut config);
        Ok(config)
    }

    fn set_config(&self, _offset: u32, _buf: &[u8], _flags: VhostUserConfigFlags) -> Answer<()> {
        Err(Refusal::ReadOnly.into())
    }

    fn set_backend_req_fd(&self, requests: Backend) {
        self.state().backend_requests = Some(requests);
    }

    fn set_gpu_socket(&self, _gpu_backend: GpuBackend) -> Answer<()> {
        Err(Refusal::Unsupported.into())
    }

    fn get_shared_object(&self, _uuid: VhostUserSharedMsg) -> Answer<File> {
        Err(Refusal::Unsupported.into())
    }

    fn get_inflight_fd(&self, _inflight: &VhostUserInflight) -> Answer<(VhostUserInflight, File)> {
        Err(Refusal::Unsupported.into())
    }

    fn set_inflight_fd(&self, _inflight: &VhostUserInflight, _file: File) -> Answer<()> {
        Err(Refusal::Unsupported.into())
    }

    fn set_device_state_fd(
        &self,
        _direction: VhostTransferStateDirection,
        _phase: VhostTransferStatePhase,
        _fd: File,
    ) -> Answer<Option<File>> {
        Err(Refusal::Unsupported.into())
    }

    fn check_device_state(&self) -> Answer<()> {
        Err(Refusal::Unsupported.into())
    }

    fn get_shmem_config(&self) -> Answer<VhostUserShMemConfig> {
        Err(Refusal::Unsupported.into())
    }

    fn set_log_base(&self, _log: &VhostUserLog, _file: File) -> Answer<()> {
        Err(Refusal::Unsupported.into())
    }
}
