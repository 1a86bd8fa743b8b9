//! Buffers that are used again and again, so that the common path allocates nothing.

use std::sync::{Arc, Mutex, PoisonError};

/// Free buffers of a session. What is kept is bounded; more is simply freed.
#[derive(Default)]
pub(super) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
}

/// How many free buffers are kept, and how many bytes they have in all.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 4 << 20;

/// The smallest buffer.
const SMALLEST: usize = 4 << 10;

impl Pool {
    /// A buffer of at least so many bytes. They hold anything: zeros, or bytes that this session
    /// moved earlier; nothing of it leaves before it is written over.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let size = length.max(SMALLEST).next_power_of_two();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.iter().rposition(|bytes| bytes.len() == size);
        let bytes = fitting.map(|at| free.swap_remove(at));
        drop(free);
        Buffer {
            bytes: bytes.unwrap_or_else(|| vec![0; size]),
            pool: self.clone(),
        }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = free.iter().map(Vec::len).sum();
        if free.len() < KEPT && kept + bytes.len() <= KEPT_BYTES {
            free.push(bytes);
        }
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
