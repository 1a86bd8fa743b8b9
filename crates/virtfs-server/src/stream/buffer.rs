//! Buffers that are used again and again, so that the common path allocates nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Limits;
use crate::budget::{Budget, fair};

/// The buffers of a session. Free ones are kept, up to a bound.
pub(super) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
    /// Bytes in use.
    own: AtomicUsize,
    /// Those of all sessions, and what is kept.
    all: Arc<Budget>,
    limit: usize,
    sessions: usize,
}

/// How many free buffers are kept, and how many bytes they have in all.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 4 << 20;

/// The smallest buffer.
const SMALLEST: usize = 4 << 10;

impl Pool {
    /// Whose buffers are counted in `all`.
    pub(super) fn new(limits: &Limits, all: &Arc<Budget>) -> Self {
        Self {
            free: Mutex::default(),
            own: AtomicUsize::new(0),
            all: all.clone(),
            limit: limits.buffer_bytes,
            sessions: limits.sessions,
        }
    }

    /// A buffer of at least so many bytes. They hold anything: zeros, or bytes that this session
    /// moved earlier; nothing of it leaves before it is written over.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let size = length.max(SMALLEST).next_power_of_two();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().rposition(|bytes| bytes.len() == size);
        let bytes = fitting.map(|at| free.swap_remove(at));
        drop(free);
        match bytes {
            Some(_) => drop(self.own.fetch_add(size, Ordering::Relaxed)),
            None => self.count(size),
        }
        Buffer {
            bytes: bytes.unwrap_or_else(|| vec![0; size]),
            pool: self.clone(),
        }
    }

    /// Counts bytes that are in no buffer.
    pub(super) fn count(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.add(bytes);
    }

    /// Counts them no more.
    pub(super) fn discount(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.give_back(bytes);
    }

    /// Whether more is in use than is this session's share.
    pub(super) fn is_short(&self) -> bool {
        let (used, own) = (self.all.used(), self.own.load(Ordering::Relaxed));
        let (all, share) = fair((self.limit, self.sessions), used, own, 0);
        used > all || own > share
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let size = bytes.len();
        self.own.fetch_sub(size, Ordering::Relaxed);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::len).sum();
        // What idle sessions keep must not be what busy ones want.
        let plenty = self.all.used() <= self.limit / 4;
        if plenty && free.len() < KEPT && kept + size <= KEPT_BYTES {
            free.push(bytes);
        } else {
            drop(free);
            self.all.give_back(size);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let free = self.free.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.all.give_back(free.iter().map(Vec::len).sum());
    }
}

/// A buffer that goes back to its pool when dropped.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}
