//! How many descriptors nodes may hold: beyond that, those not used lately are closed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::io;

use crate::inode::Inode;
use crate::sync::lock;

/// How many inodes one addition over the budget looks at: enough to find a victim, bounded where
/// there is none.
const LOOKS: usize = 128;

/// The inodes that hold a descriptor, in the order of a clock with a second chance.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    held: AtomicUsize,
    clock: Mutex<VecDeque<Weak<Inode>>>,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            held: AtomicUsize::new(0),
            clock: Mutex::default(),
        }
    }

    /// Counts an inode that has just got its descriptor.
    pub(crate) fn add(&self, inode: &Arc<Inode>) {
        let held = self.held.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut clock = lock(&self.clock);
            clock.push_back(Arc::downgrade(inode));
            if clock.len() > 2 * held + 1024 {
                clock.retain(|inode| inode.strong_count() > 0);
            }
        }
        if held > self.max {
            self.sweep(self.max, LOOKS, false);
        }
    }

    /// Counts one less.
    pub(crate) fn remove(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Makes a call that needs a descriptor; when there is none left, closes half of what nodes
    /// hold and tries once more.
    pub(crate) fn with_room<T>(&self, mut f: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match f() {
            Err(io::Errno::MFILE | io::Errno::NFILE) => {
                let half = self.held() / 2;
                let all = 2 * lock(&self.clock).len();
                self.sweep(half, all, false);
                if self.held() > half {
                    self.sweep(half, all, true);
                }
                f()
            }
            result => result,
        }
    }

    fn sweep(&self, target: usize, looks: usize, unlinked_too: bool) {
        for _ in 0..looks {
            if self.held() <= target {
                return;
            }
            // Not under the lock: dropping the last owner of an inode takes other locks.
            let Some(inode) = lock(&self.clock).pop_front() else {
                return;
            };
            let Some(inode) = inode.upgrade() else {
                continue;
            };
            if !inode.take_used() && inode.demote(unlinked_too) {
                self.remove();
            } else {
                lock(&self.clock).push_back(Arc::downgrade(&inode));
            }
        }
    }
}
