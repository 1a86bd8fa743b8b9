//! Those who wait for a range: their requests lie with their sessions, and are tried again when
//! somebody lets go. The host does not tell when its programs do, so what they hold is tried for
//! again and again.

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

/// Who waits, and the thread that has them try again. It is begun for the first.
#[derive(Default)]
pub(crate) struct Waiters {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// How often somebody let go of something.
    releases: AtomicU64,
    /// How many wait, so that letting go costs nothing while nobody does.
    count: AtomicUsize,
    queue: Mutex<Queue>,
    bell: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiter>,
    /// Whether there is a thread.
    served: bool,
}

impl Waiters {
    /// How often somebody let go of something. Who reads it before a try does not miss what is let
    /// go between the try and [`Self::add`].
    pub(crate) fn releases(&self) -> u64 {
        self.shared.releases.load(Ordering::SeqCst)
    }

    /// Has a request tried again: when something is let go of its inode, or when it is due.
    /// `Err` if no thread can be had.
    pub(crate) fn add(&self, mut waiter: Waiter) -> std::io::Result<()> {
        let shared = &self.shared;
        let mut queue = shared.lock();
        if !queue.served {
            let shared = shared.clone();
            thread::Builder::new()
                .name("9p-locks".into())
                .spawn(move || shared.run())?;
            queue.served = true;
        }
        shared.count.fetch_add(1, Ordering::SeqCst);
        if self.releases() != waiter.seen {
            waiter.due = Instant::now();
        }
        queue.waiting.push(waiter);
        drop(queue);
        shared.bell.notify_one();
        Ok(())
    }

    /// Something of an inode was let go.
    pub(crate) fn released(&self, inode: InodeKey) {
        let shared = &self.shared;
        shared.releases.fetch_add(1, Ordering::SeqCst);
        if shared.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let now = Instant::now();
        let mut queue = shared.lock();
        for waiter in &mut queue.waiting {
            if waiter.inode == inode {
                waiter.due = now;
            }
        }
        drop(queue);
        shared.bell.notify_one();
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !self.stopped.load(Ordering::SeqCst) {
            let now = Instant::now();
            let due: Vec<_> = queue
                .waiting
                .extract_if(.., |waiter| waiter.due <= now)
                .collect();
            if due.is_empty() {
                let next = queue.waiting.iter().map(|waiter| waiter.due).min();
                queue = match next {
                    None => self
                        .bell
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner),
                    Some(next) => {
                        let slept = self.bell.wait_timeout(queue, next - now);
                        slept.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                continue;
            }
            self.count.fetch_sub(due.len(), Ordering::SeqCst);
            // Sessions have locks of their own.
            drop(queue);
            for waiter in due {
                if let Some(session) = waiter.session.upgrade() {
                    session.try_again(waiter.tag);
                }
            }
            queue = self.lock();
        }
    }
}
