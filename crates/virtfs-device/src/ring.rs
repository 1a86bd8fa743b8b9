//! The virtqueue while it runs: chains are taken from it and given back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use crate::GuestMemory;
use crate::chain::Chain;

/// `VRING_AVAIL_F_NO_INTERRUPT` (virtio 1.2, 2.7.6).
const NO_INTERRUPT: u16 = 0x1;

const LOST: &str = "the ring lies outside the guest's memory";

/// So many chains are published before more are looked at: a driver that is told early works beside
/// the device.
const CONGESTED: usize = 32;

/// Chains that are kept for their memory.
const SPARE: usize = 128;

/// How the device tells its VMM something. A front implements it.
pub trait Notifier: Send + Sync + 'static {
    /// There are used buffers that the driver wants to hear of.
    fn used(&self);

    /// The driver broke the ring, or a rule of the protocol; the queue has stopped until it is
    /// set up anew.
    fn broken(&self);
}

/// A queue from its start to its stop.
pub(crate) struct Ring {
    /// Whoever touches guest memory holds it for that time; `None`: the ring is closed.
    memory: RwLock<Option<GuestMemory>>,
    queue: Mutex<Queue>,
    finished: Mutex<Vec<Used>>,
    /// How many chains were taken and not given back.
    taken: Mutex<usize>,
    all_given_back: Condvar,
    spare: Mutex<Vec<(Chain, Vec<u8>)>>,
    /// No more chains are taken.
    stopped: AtomicBool,
    broken: AtomicBool,
    notifier: Arc<dyn Notifier>,
}

/// A chain that goes back to the driver.
struct Used {
    head: u16,
    /// How many bytes of it were written.
    length: u32,
}

impl Ring {
    pub(crate) fn new(queue: Queue, memory: GuestMemory, notifier: Arc<dyn Notifier>) -> Self {
        Self {
            memory: RwLock::new(Some(memory)),
            queue: Mutex::new(queue),
            finished: Mutex::default(),
            taken: Mutex::default(),
            all_given_back: Condvar::new(),
            spare: Mutex::default(),
            stopped: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            notifier,
        }
    }

    /// Touches guest memory; `None` if the ring is closed.
    pub(crate) fn touch<R>(&self, with: impl FnOnce(&GuestMemory) -> R) -> Option<R> {
        self.memory().as_ref().map(with)
    }

    /// Takes the next chain, if there is one. Errors say what is wrong with the ring.
    pub(crate) fn take(&self) -> Result<Option<(Chain, Vec<u8>)>, &'static str> {
        let memory = self.memory();
        let Some(memory) = &*memory else {
            return Ok(None);
        };
        let mut queue = lock(&self.queue);
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let index = queue.avail_idx(memory, Ordering::Acquire);
        if index.map_err(|_| LOST)?.0 == queue.next_avail() {
            return Ok(None);
        }
        let mut available = queue
            .iter(memory)
            .map_err(|_| "the available index makes no sense")?;
        let descriptors = available.next().ok_or(LOST)?;
        let (mut chain, head) = lock(&self.spare).pop().unwrap_or_default();
        chain.read(memory, descriptors)?;
        *lock(&self.taken) += 1;
        Ok(Some((chain, head)))
    }

    /// Whether a chain can be taken; if not, the driver is asked to notify of the next.
    pub(crate) fn has_available(&self) -> Result<bool, &'static str> {
        let memory = self.memory();
        let Some(memory) = &*memory else {
            return Ok(false);
        };
        let mut queue = lock(&self.queue);
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let index = queue.avail_idx(memory, Ordering::Acquire);
        if index.map_err(|_| LOST)?.0 == queue.next_avail()
            && !queue.enable_notification(memory).map_err(|_| LOST)?
        {
            return Ok(false);
        }
        queue.disable_notification(memory).map_err(|_| LOST)?;
        Ok(true)
    }

    /// Gives a chain back, `length` bytes of which were written. The driver sees it after
    /// [`Ring::publish`].
    pub(crate) fn give_back(&self, chain: Chain, mut head: Vec<u8>, length: u32) {
        let used = Used {
            head: chain.head,
            length,
        };
        head.clear();
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE && head.capacity() <= 4096 {
            spare.push((chain, head));
        }
        drop(spare);
        lock(&self.finished).push(used);
    }

    /// Whether so many wait to be published that the driver should hear of them first: it may
    /// put more into the ring without end.
    pub(crate) fn is_congested(&self) -> bool {
        lock(&self.finished).len() >= CONGESTED
    }

    /// Whether chains wait to be published.
    pub(crate) fn has_finished(&self) -> bool {
        !lock(&self.finished).is_empty()
    }

    /// Lets the driver see what was given back, and notifies it if it wants that.
    pub(crate) fn publish(&self) {
        let memory = self.memory();
        let mut queue = lock(&self.queue);
        let used = std::mem::take(&mut *lock(&self.finished));
        if used.is_empty() {
            return;
        }
        let mut notify = false;
        if let (Some(memory), false) = (&*memory, self.broken.load(Ordering::Relaxed)) {
            // Where it fails the driver has lost its own ring.
            let added = used
                .iter()
                .try_for_each(|used| queue.add_used(memory, used.head, used.length));
            notify = added.is_ok() && wants_notification(&mut queue, memory);
        }
        drop(queue);
        drop(memory);
        if notify {
            self.notifier.used();
        }
        let mut taken = lock(&self.taken);
        *taken -= used.len();
        // Who waits has stopped the ring before; a notification is a call of the kernel.
        if *taken == 0 && self.stopped.load(Ordering::Relaxed) {
            self.all_given_back.notify_all();
        }
    }

    /// Takes no more chains.
    pub(crate) fn stop(&self) {
        // Who takes one right now is waited for.
        let _queue = lock(&self.queue);
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Stops it because its driver broke it.
    pub(crate) fn break_off(&self) {
        self.stop();
        if !self.broken.swap(true, Ordering::Relaxed) {
            self.notifier.broken();
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Waits until every chain that was taken is given back; `false` if that takes longer.
    pub(crate) fn wait_until_drained(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut taken = lock(&self.taken);
        while *taken > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.all_given_back.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until nobody touches guest memory, and lets nobody any more.
    pub(crate) fn close(&self) {
        self.replace_memory(None);
    }

    /// Puts other memory in its place, once nobody touches what there was.
    pub(crate) fn replace_memory(&self, memory: Option<GuestMemory>) {
        let mut place = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, memory);
        drop(place);
        drop(before);
    }

    /// Where the next chain will be taken from the available ring.
    pub(crate) fn next_available(&self) -> u16 {
        lock(&self.queue).next_avail()
    }

    fn memory(&self) -> RwLockReadGuard<'_, Option<GuestMemory>> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wants_notification(queue: &mut Queue, memory: &GuestMemory) -> bool {
    let wanted = queue.needs_notification(memory).unwrap_or(false);
    if queue.event_idx_enabled() {
        return wanted;
    }
    let flags = memory.read_obj::<u16>(GuestAddress(queue.avail_ring()));
    flags.is_ok_and(|flags| u16::from_le(flags) & NO_INTERRUPT == 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
