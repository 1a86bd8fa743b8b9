//! The virtqueue: chains are taken from it and given back.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use crate::GuestMemory;
use crate::chain::Chain;
use crate::doorbell::Doorbell;

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

/// The queue of a session. It may stop and go on; the session does not end with it.
pub(crate) struct Ring {
    /// Whoever touches guest memory holds it for that time; `None` while the queue is stopped.
    open: RwLock<Option<Open>>,
    queue: Mutex<Option<Queue>>,
    finished: Finished,
    /// How many chains were taken and not given back.
    taken: Mutex<usize>,
    all_given_back: Condvar,
    spare: Mutex<Vec<(Chain, Vec<u8>)>>,
    /// No more chains are taken.
    stopped: AtomicBool,
    broken: AtomicBool,
    /// The session takes no more requests, ever.
    ended: AtomicBool,
    bell: Doorbell,
}

/// What a queue has that runs.
struct Open {
    memory: GuestMemory,
    notifier: Arc<dyn Notifier>,
}

/// Chains that wait to be published.
#[derive(Default)]
struct Finished {
    chains: Mutex<Vec<Used>>,
    count: AtomicUsize,
}

/// A chain that goes back to the driver.
struct Used {
    head: u16,
    /// How many bytes of it were written.
    length: u32,
}

impl Finished {
    fn push(&self, used: Used) {
        let mut chains = lock(&self.chains);
        chains.push(used);
        self.count.store(chains.len(), Ordering::Release);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Calls `with` for each, and forgets them; how many there were.
    fn drain(&self, with: impl FnMut(Used)) -> usize {
        let mut chains = lock(&self.chains);
        let count = chains.len();
        chains.drain(..).for_each(with);
        self.count.store(0, Ordering::Release);
        count
    }
}

impl Ring {
    /// The ring of a session to be, whose queue is stopped.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            open: RwLock::default(),
            queue: Mutex::default(),
            finished: Finished::default(),
            taken: Mutex::default(),
            all_given_back: Condvar::new(),
            spare: Mutex::default(),
            stopped: AtomicBool::new(true),
            broken: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            bell: Doorbell::new()?,
        })
    }

    /// Lets chains be taken from a queue that `kick` tells of.
    pub(crate) fn start(
        &self,
        queue: Queue,
        memory: GuestMemory,
        notifier: Arc<dyn Notifier>,
        kick: BorrowedFd<'_>,
    ) -> io::Result<()> {
        self.bell.listen_to(kick)?;
        *self.open.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Open { memory, notifier });
        let mut place = lock(&self.queue);
        *place = Some(queue);
        self.stopped.store(false, Ordering::Relaxed);
        drop(place);
        self.bell.ring();
        Ok(())
    }

    /// Touches guest memory; `None` if the queue is stopped.
    pub(crate) fn touch<R>(&self, with: impl FnOnce(&GuestMemory) -> R) -> Option<R> {
        self.open().as_ref().map(|open| with(&open.memory))
    }

    /// Sleeps until the driver has something to tell, or the ring's state has changed. May return
    /// early.
    pub(crate) fn sleep(&self) -> io::Result<()> {
        self.bell.wait()
    }

    /// The session takes no more requests.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Takes the next chain, if there is one. Errors say what is wrong with the ring.
    pub(crate) fn take(&self) -> Result<Option<(Chain, Vec<u8>)>, &'static str> {
        let open = self.open();
        let mut queue = lock(&self.queue);
        let (Some(Open { memory, .. }), Some(queue)) = (&*open, &mut *queue) else {
            return Ok(None);
        };
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
        let open = self.open();
        let mut queue = lock(&self.queue);
        let (Some(Open { memory, .. }), Some(queue)) = (&*open, &mut *queue) else {
            return Ok(false);
        };
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
        self.finished.push(used);
    }

    /// Whether so many wait to be published that the driver should hear of them first: it may
    /// put more into the ring without end.
    pub(crate) fn is_congested(&self) -> bool {
        self.finished.count() >= CONGESTED
    }

    /// Whether chains wait to be published.
    pub(crate) fn has_finished(&self) -> bool {
        self.finished.count() > 0
    }

    /// Lets the driver see what was given back, and notifies it if it wants that.
    pub(crate) fn publish(&self) {
        let open = self.open();
        let mut queue = lock(&self.queue);
        let mut notify = false;
        let count = match (&*open, &mut *queue) {
            (Some(open), Some(queue)) if !self.is_broken() => {
                // Where it fails the driver has lost its own ring.
                let mut added = true;
                let count = self.finished.drain(|used| {
                    let done = queue.add_used(&open.memory, used.head, used.length);
                    added &= done.is_ok();
                });
                notify = count > 0 && added && wants_notification(queue, &open.memory);
                count
            }
            _ => self.finished.drain(drop),
        };
        drop(queue);
        if let (Some(open), true) = (&*open, notify) {
            open.notifier.used();
        }
        drop(open);
        if count == 0 {
            return;
        }
        let mut taken = lock(&self.taken);
        *taken = taken.saturating_sub(count);
        // Who waits has stopped the ring before; a notification is a call of the kernel.
        if *taken == 0 && self.is_stopped() {
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
        if !self.broken.swap(true, Ordering::Relaxed)
            && let Some(open) = &*self.open()
        {
            open.notifier.broken();
        }
    }

    /// Stops it because its driver is gone: nothing is given back any more.
    pub(crate) fn abandon(&self) {
        self.stop();
        self.broken.store(true, Ordering::Relaxed);
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
    pub(crate) fn close(&self, kick: BorrowedFd<'_>) {
        self.bell.forget(kick);
        let mut place = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let before = place.take();
        drop(place);
        drop(before);
    }

    /// Puts other memory in its place, once nobody touches what there was.
    pub(crate) fn replace_memory(&self, memory: GuestMemory) {
        let mut place = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let before = place
            .as_mut()
            .map(|open| std::mem::replace(&mut open.memory, memory));
        drop(place);
        drop(before);
    }

    /// Where the next chain will be taken from the available ring.
    pub(crate) fn next_available(&self) -> u16 {
        lock(&self.queue).as_ref().map_or(0, Queue::next_avail)
    }

    fn open(&self) -> RwLockReadGuard<'_, Option<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
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
