//! The device: the life of its queue, and of the session behind it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{debug, warn};
use virtfs_server::{Refused, Server, SessionHandle};
use virtio_queue::{Queue, QueueT};
use vm_memory::GuestAddress;

use crate::ring::{Notifier, Ring};
use crate::{GuestMemory, Tag, transport};

/// The virtio feature bits of the device.
pub mod features {
    /// `VIRTIO_9P_MOUNT_TAG`: the configuration space tells the tag.
    pub const MOUNT_TAG: u64 = 1 << 0;
    /// `VIRTIO_F_INDIRECT_DESC`. Without it Linux cannot send its largest requests.
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// `VIRTIO_F_EVENT_IDX`.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// `VIRTIO_F_VERSION_1`.
    pub const VERSION_1: u64 = 1 << 32;
    /// All that the device offers.
    pub const OFFERED: u64 = MOUNT_TAG | INDIRECT_DESC | EVENT_IDX | VERSION_1;
}

/// How often requests are interrupted that keep a queue from stopping.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a session may take to let go of its fids.
const LETTING_GO: Duration = Duration::from_secs(1);

/// How long a queue that stops waits for the requests that were taken from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// So long they are left alone. Who is interrupted then is answered `EINTR`.
    pub undisturbed: Duration,
    /// So long in all. Then the session is given up: its driver's fids are gone, and what the
    /// host still keeps is never answered.
    pub in_all: Duration,
}

impl Default for Patience {
    /// For a VM that is paused and will go on: 10 seconds, and a minute in all. Its VMM waits.
    fn default() -> Self {
        Self {
            undisturbed: Duration::from_secs(10),
            in_all: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// For an end: a second, and four in all.
    pub const SHORT: Self = Self {
        undisturbed: Duration::from_secs(1),
        in_all: Duration::from_secs(4),
    };
}

/// A queue, as the front learnt it from its VMM. Addresses are the guest's physical ones.
pub struct QueueSetup {
    /// How many descriptors: a power of two, [`Device::MAX_QUEUE_SIZE`] at most.
    pub size: u16,
    /// The descriptor table.
    pub descriptors: u64,
    /// The available ring.
    pub available: u64,
    /// The used ring.
    pub used: u64,
    /// Where in the available ring to go on.
    pub next_available: u16,
    /// The feature bits that the driver took.
    pub features: u64,
    /// An eventfd that is written to when the driver notifies the device. It is never read.
    pub kick: OwnedFd,
    /// How the device tells of used buffers.
    pub notifier: Arc<dyn Notifier>,
}

/// Why a queue was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// What the driver or the VMM said of it makes no sense.
    Queue(&'static str),
    /// The server takes no session.
    Session(Refused),
    /// The host failed.
    Host(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(what) => write!(f, "the queue cannot be started: {what}"),
            Self::Session(refused) => write!(f, "the queue cannot be started: {refused}"),
            Self::Host(error) => write!(f, "the queue cannot be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Queue(_) => None,
            Self::Session(refused) => Some(refused),
            Self::Host(error) => Some(error),
        }
    }
}

/// A virtio-9p device: one queue, and a session for each driver that uses it.
///
/// A front hands over the guest's memory, starts and stops the queue, and answers reads of the
/// configuration space from [`Device::tag`]. When it is dropped, its session ends.
pub struct Device {
    tag: Tag,
    server: Server,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    memory: Option<GuestMemory>,
    session: Option<Session>,
    /// The driver's kick, while the queue runs, or stands because its driver broke it.
    kick: Option<OwnedFd>,
    /// Where the queue stopped.
    next_available: u16,
}

/// A session, from the first start of a driver's queue on.
struct Session {
    ring: Arc<Ring>,
    handle: SessionHandle,
}

impl Device {
    /// How many queues it has.
    pub const QUEUES: u16 = 1;

    /// The largest size of its queue.
    pub const MAX_QUEUE_SIZE: u16 = 1024;

    /// A device through which guests reach a server's exports.
    pub fn new(server: Server, tag: Tag) -> Self {
        Self {
            tag,
            server,
            state: Mutex::default(),
        }
    }

    /// Its mount tag, and with it its configuration space.
    pub fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Gives it the guest's memory, or what has become of it. Waits until nobody touches what it
    /// had before. A request whose buffers are gone is answered with `EIO`.
    pub fn set_memory(&self, memory: GuestMemory) {
        let mut state = self.state();
        if let Some(session) = &state.session {
            session.ring.replace_memory(memory.clone());
        }
        state.memory = Some(memory);
    }

    /// Starts the queue. If it goes on where [`Device::stop`] left it, so does the session;
    /// otherwise a session begins. Refused while the queue runs.
    pub fn start(&self, setup: QueueSetup) -> Result<(), StartError> {
        let mut state = self.state();
        if state.kick.is_some() {
            return Err(StartError::Queue("it runs already"));
        }
        let memory = state.memory.clone();
        let memory = memory.ok_or(StartError::Queue("the guest has no memory"))?;
        let queue = queue_of(&setup, &memory)?;
        let goes_on = setup.next_available == state.next_available
            && state.session.as_ref().is_some_and(Session::lives);
        if !goes_on {
            if let Some(session) = state.session.take() {
                session.end();
            }
            state.session = Some(self.begin_session()?);
        }
        if let Some(session) = &state.session {
            let kick = setup.kick.as_fd();
            let started = session.ring.start(queue, memory, setup.notifier, kick);
            started.map_err(StartError::Host)?;
            state.kick = Some(setup.kick);
        }
        Ok(())
    }

    /// Stops the queue, and returns where it is to go on. Requests that were taken are answered
    /// before, with the default [`Patience`].
    pub fn stop(&self) -> u16 {
        self.stop_within(Patience::default())
    }

    /// Stops the queue, and returns where it is to go on. Requests that were taken are answered
    /// before: those that take long are interrupted, and if even that does not end them, the
    /// session is given up. A request that may touch guest memory is always waited for.
    pub fn stop_within(&self, patience: Patience) -> u16 {
        let mut state = self.state();
        let Some(kick) = state.kick.take() else {
            return state.next_available;
        };
        let Some(session) = state.session.take() else {
            return state.next_available;
        };
        let ring = session.ring.clone();
        ring.stop();
        let drained = ring.wait_until_drained(patience.undisturbed)
            || session
                .interrupt_until_drained(patience.in_all.saturating_sub(patience.undisturbed));
        if !drained {
            warn!("requests do not end though they were interrupted: their session is given up");
        }
        match drained && !ring.is_broken() {
            true => state.session = Some(session),
            false => session.end(),
        }
        ring.close(kick.as_fd());
        state.next_available = ring.next_available();
        state.next_available
    }

    /// Ends what the driver began, as if it had never been there: the queue stops, requests are
    /// interrupted and not answered, fids are let go of.
    pub fn reset(&self) {
        let mut state = self.state();
        let kick = state.kick.take();
        if let Some(session) = state.session.take() {
            session.ring.abandon();
            session.handle.abort();
            if let Some(kick) = kick {
                session.ring.close(kick.as_fd());
            }
            session.end();
        }
        state.next_available = 0;
    }

    /// Whether the queue was started and not stopped: neither by [`Device::stop`], nor because its
    /// driver broke it, nor because the server ended its session.
    pub fn is_running(&self) -> bool {
        let state = self.state();
        let session = state.session.as_ref();
        session.is_some_and(|session| !session.ring.is_stopped())
    }

    fn begin_session(&self) -> Result<Session, StartError> {
        let ring = Arc::new(Ring::new().map_err(StartError::Host)?);
        let (transport, receiver) = transport::open(ring.clone());
        let handle = self.server.serve_transport(transport, receiver);
        let handle = handle.map_err(StartError::Session)?;
        debug!("{handle:?} begins for a driver");
        Ok(Session { ring, handle })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.reset();
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

impl Session {
    fn lives(&self) -> bool {
        !self.ring.has_ended() && !self.handle.has_ended()
    }

    fn interrupt_until_drained(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            self.handle.interrupt();
            if self.ring.wait_until_drained(AGAIN) {
                return true;
            }
        }
        false
    }

    /// Ends it, and waits until it has let go of its fids, unless the host keeps it.
    fn end(self) {
        self.handle.abort();
        if !self.handle.wait_for(LETTING_GO) {
            warn!(
                "{:?} waits for the host and ends when that answers",
                self.handle
            );
        }
    }
}

fn queue_of(setup: &QueueSetup, memory: &GuestMemory) -> Result<Queue, StartError> {
    let refused = |what| move |_| StartError::Queue(what);
    let mut queue = Queue::new(Device::MAX_QUEUE_SIZE).map_err(refused("no queue"))?;
    queue
        .try_set_size(setup.size)
        .map_err(refused("its size is no power of two, or too large"))?;
    queue
        .try_set_desc_table_address(GuestAddress(setup.descriptors))
        .and_then(|()| queue.try_set_avail_ring_address(GuestAddress(setup.available)))
        .and_then(|()| queue.try_set_used_ring_address(GuestAddress(setup.used)))
        .map_err(refused("its parts are not aligned"))?;
    queue.set_event_idx(setup.features & features::EVENT_IDX != 0);
    queue.set_next_avail(setup.next_available);
    queue.set_ready(true);
    if !queue.is_valid(memory) {
        return Err(StartError::Queue("it lies outside the guest's memory"));
    }
    let used = queue.used_idx(memory, std::sync::atomic::Ordering::Acquire);
    let used = used.map_err(refused("its used ring cannot be read"))?;
    queue.set_next_used(used.0);
    Ok(queue)
}
