//! Those who wait for a range: their requests lie with their sessions, and are tried again when
//! somebody lets go. The host does not tell when its programs do, so what they hold is tried for
//! again and again.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use super::InodeKey;
use crate::sentinel::Watched;

/// A request that waits.
pub(crate) struct Waiter {
    pub(crate) inode: InodeKey,
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

    /// Something of an inode was let go.
    pub(crate) fn released(&self, inode: InodeKey) {
        let shared = &self.shared;
        shared.counter(inode).fetch_add(1, Ordering::SeqCst);
        if shared.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        if shared.lock().make_due(inode, Instant::now()) {
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
            match queue.by_due.first().copied() {
                None => {
                    let slept = self.bell.wait(queue);
                    queue = slept.unwrap_or_else(PoisonError::into_inner);
                }
                Some((due, _)) if due > now => {
                    let slept = self.bell.wait_timeout(queue, due - now);
                    queue = slept.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some((_, id)) => {
                    let waiter = queue.remove(id);
                    drop(queue);
                    if let Some(waiter) = waiter {
                        self.count.fetch_sub(1, Ordering::SeqCst);
                        // The others are not to wait for ever because of one.
                        let _ = catch_unwind(AssertUnwindSafe(|| try_again(waiter, id)));
                    }
                    queue = self.lock();
                }
            }
        }
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

    /// Makes those due who wait for an inode; whether there are any.
    fn make_due(&mut self, inode: InodeKey, now: Instant) -> bool {
        let Some(ids) = self.by_inode.remove(&inode) else {
            return false;
        };
        for id in ids {
            if let Some(waiter) = self.waiting.get_mut(&id) {
                self.by_due.remove(&(waiter.due, id));
                waiter.due = now;
                self.by_due.insert((now, id));
            }
        }
        true
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
        assert!(queue.make_due(InodeKey { export: 0, path: 1 }, now));
        let due: Vec<_> = queue.by_due.iter().map(|(due, id)| (*due, *id)).collect();
        assert_eq!(due[..2], [(now, ids[1]), (now, ids[3])]);
        // They are tried soon: a second release has nobody to wake.
        assert!(!queue.make_due(InodeKey { export: 0, path: 1 }, now));
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
        waiters.released(inode);
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
