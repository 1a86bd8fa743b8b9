//! Those who wait for a range: their requests lie with their sessions, and are tried again when
//! somebody lets go. The host does not tell when its programs do, so what they hold is tried for
//! again and again.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use virtfs_vfs::LockRange;

use super::InodeKey;
use super::records::overlap;
use crate::sentinel::Watched;

/// A request that waits.
pub(crate) struct Waiter {
    pub(crate) inode: InodeKey,
    /// What it waits for.
    pub(crate) range: LockRange,
    pub(crate) session: Weak<dyn Watched>,
    pub(crate) tag: u16,
    /// When to try again at the latest.
    pub(crate) due: Instant,
    /// What [`Waiters::releases`] said before the last try.
    pub(crate) seen: u64,
}

/// Names one wait of a request: no other has had it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct WaiterId(u64);

/// Who waits, and the thread that has them try again. It is begun for the first.
#[derive(Default)]
pub(crate) struct Waiters {
    shared: Arc<Shared>,
}

/// How many counters of releases there are: an inode has one of them.
const COUNTERS: usize = 64;

struct Shared {
    /// How often somebody let go of something.
    releases: [AtomicU64; COUNTERS],
    /// How many wait, so that letting go costs nothing while nobody does.
    count: AtomicUsize,
    queue: Mutex<Queue>,
    bell: Condvar,
    stopped: AtomicBool,
}

/// The lock of a session may be held when this one is taken, and never the other way round.
#[derive(Default)]
struct Queue {
    waiting: HashMap<WaiterId, Waiter>,
    /// All of them, the first due first.
    by_due: BTreeSet<(Instant, WaiterId)>,
    /// Those that a release has not made due.
    by_inode: HashMap<InodeKey, Vec<WaiterId>>,
    next: u64,
    /// Whether there is a thread.
    served: bool,
}

impl Waiters {
    /// How often somebody let go of something of an inode. Who reads it before a try does not miss
    /// what is let go between the try and [`Self::add`].
    pub(crate) fn releases(&self, inode: InodeKey) -> u64 {
        self.shared.counter(inode).load(Ordering::SeqCst)
    }

    /// Has a request tried again: when something is let go of its inode, or when it is due.
    /// `Err` if no thread can be had.
    pub(crate) fn add(&self, mut waiter: Waiter) -> std::io::Result<WaiterId> {
        let shared = &self.shared;
        let mut queue = shared.lock();
        if !queue.served {
            let shared = shared.clone();
            thread::Builder::new()
                .name("9p-locks".into())
                .spawn(move || shared.run())?;
            queue.served = true;
        }
        // Counted first: from here on, who lets go looks for it.
        shared.count.fetch_add(1, Ordering::SeqCst);
        if self.releases(waiter.inode) != waiter.seen {
            waiter.due = Instant::now();
        }
        let id = queue.insert(waiter);
        drop(queue);
        shared.bell.notify_one();
        Ok(id)
    }

    /// A request waits no more.
    pub(crate) fn remove(&self, id: WaiterId) {
        if self.shared.lock().remove(id).is_some() {
            self.shared.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Something of an inode was let go, within this range.
    pub(crate) fn released(&self, inode: InodeKey, range: LockRange) {
        let shared = &self.shared;
        shared.counter(inode).fetch_add(1, Ordering::SeqCst);
        if shared.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        if shared.lock().make_due(inode, range, Instant::now()) {
            shared.bell.notify_one();
        }
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Held for a moment, so that the thread is not between its look and its sleep.
        drop(self.shared.lock());
        self.shared.bell.notify_one();
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            releases: [const { AtomicU64::new(0) }; COUNTERS],
            count: AtomicUsize::new(0),
            queue: Mutex::default(),
            bell: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counter(&self, inode: InodeKey) -> &AtomicU64 {
        let mixed = (inode.path ^ inode.export as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.releases[(mixed >> 58) as usize % COUNTERS]
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !self.stopped.load(Ordering::SeqCst) {
            let now = Instant::now();
            if let Some((waiter, id)) = self.take_due(&mut queue, now) {
                drop(queue);
                // The others are not to wait for ever because of one.
                let _ = catch_unwind(AssertUnwindSafe(|| try_again(waiter, id)));
                queue = self.lock();
                continue;
            }
            queue = match queue.by_due.first().copied() {
                None => {
                    let slept = self.bell.wait(queue);
                    slept.unwrap_or_else(PoisonError::into_inner)
                }
                Some((due, _)) => {
                    let slept = self
                        .bell
                        .wait_timeout(queue, due.saturating_duration_since(now));
                    slept.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn take_due(&self, queue: &mut Queue, now: Instant) -> Option<(Waiter, WaiterId)> {
        let (_, id) = queue
            .by_due
            .first()
            .copied()
            .filter(|(due, _)| *due <= now)?;
        let waiter = queue.remove(id)?;
        self.count.fetch_sub(1, Ordering::SeqCst);
        Some((waiter, id))
    }
}

/// Without the thread: who is due is asked for.
#[cfg(test)]
impl Waiters {
    pub(crate) fn need_no_thread(&self) {
        self.shared.lock().served = true;
    }

    /// The next that is to be tried again: its tag, and its wait.
    pub(crate) fn take_due(&self) -> Option<(u16, WaiterId)> {
        let mut queue = self.shared.lock();
        let (waiter, id) = self.shared.take_due(&mut queue, Instant::now())?;
        Some((waiter.tag, id))
    }

    pub(crate) fn are_none(&self) -> bool {
        let queue = self.shared.lock();
        let counted = self.shared.count.load(Ordering::SeqCst);
        counted == 0 && queue.waiting.is_empty() && queue.by_inode.is_empty()
    }
}

fn try_again(waiter: Waiter, id: WaiterId) {
    if let Some(session) = waiter.session.upgrade() {
        session.try_again(waiter.tag, id);
    }
}

impl Queue {
    fn insert(&mut self, waiter: Waiter) -> WaiterId {
        let id = WaiterId(self.next);
        self.next += 1;
        self.by_due.insert((waiter.due, id));
        self.by_inode.entry(waiter.inode).or_default().push(id);
        self.waiting.insert(id, waiter);
        id
    }

    fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiting.remove(&id)?;
        self.by_due.remove(&(waiter.due, id));
        if let Some(ids) = self.by_inode.get_mut(&waiter.inode) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_inode.remove(&waiter.inode);
            }
        }
        Some(waiter)
    }

    /// Makes those due who wait for something of this range of an inode; whether there are any.
    fn make_due(&mut self, inode: InodeKey, range: LockRange, now: Instant) -> bool {
        let Some(ids) = self.by_inode.get_mut(&inode) else {
            return false;
        };
        let (before, waiting, by_due) = (ids.len(), &mut self.waiting, &mut self.by_due);
        ids.retain(|id| match waiting.get_mut(id) {
            Some(waiter) if !overlap(waiter.range, range) => true,
            Some(waiter) => {
                by_due.remove(&(waiter.due, *id));
                waiter.due = now;
                by_due.insert((now, *id));
                false
            }
            None => false,
        });
        let woken = ids.len() < before;
        if ids.is_empty() {
            self.by_inode.remove(&inode);
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sentinel::Watch;

    struct NoSession;

    impl Watched for NoSession {
        fn id(&self) -> u64 {
            0
        }

        fn tick(self: Arc<Self>) -> Watch {
            Watch::Idle
        }

        fn drain(&self) {}

        fn abort(&self) {}

        fn interrupt(self: Arc<Self>) {}

        fn try_again(self: Arc<Self>, _: u16, _: WaiterId) {}

        fn wait(&self, _: Option<Duration>) -> bool {
            true
        }
    }

    fn waiter(path: u64, due: Instant) -> Waiter {
        let session: Weak<dyn Watched> = Weak::<NoSession>::new();
        Waiter {
            inode: InodeKey { export: 0, path },
            range: LockRange { start: 5, last: 9 },
            session,
            tag: 1,
            due,
            seen: 0,
        }
    }

    #[test]
    fn a_release_makes_those_of_its_inode_due_and_leaves_no_trace_of_who_is_removed() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1000));
        let mut queue = Queue::default();
        let ids: Vec<_> = (0..4)
            .map(|at| queue.insert(waiter(at % 2, later)))
            .collect();
        let inode = InodeKey { export: 0, path: 1 };
        // Nobody waits for this part.
        let beside = LockRange {
            start: 10,
            last: 19,
        };
        assert!(!queue.make_due(inode, beside, now));
        let range = LockRange { start: 8, last: 8 };
        assert!(queue.make_due(inode, range, now));
        let due: Vec<_> = queue.by_due.iter().map(|(due, id)| (*due, *id)).collect();
        assert_eq!(due[..2], [(now, ids[1]), (now, ids[3])]);
        // They are tried soon: a second release has nobody to wake.
        assert!(!queue.make_due(inode, range, now));
        for id in ids {
            assert!(queue.remove(id).is_some());
            assert!(queue.remove(id).is_none());
        }
        assert!(queue.by_due.is_empty() && queue.by_inode.is_empty());
    }

    #[test]
    fn what_is_let_go_between_a_try_and_the_wait_is_not_missed() {
        let waiters = Waiters::default();
        let inode = InodeKey { export: 0, path: 1 };
        let seen = waiters.releases(inode);
        waiters.released(inode, LockRange::WHOLE);
        let later = Instant::now() + Duration::from_secs(1000);
        let early = Waiter {
            seen,
            ..waiter(1, later)
        };
        waiters.add(early).unwrap();
        // Nobody's session: it is taken out when it is tried.
        let until = Instant::now() + Duration::from_secs(10);
        while waiters.shared.count.load(Ordering::SeqCst) != 0 {
            assert!(Instant::now() < until);
            thread::yield_now();
        }
    }
}
