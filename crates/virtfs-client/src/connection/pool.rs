//! The buffers that data of files arrives in, used again and again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Free buffers of a connection. What is kept is bounded; more is simply freed.
#[derive(Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
}

/// How many free buffers are kept, and how many bytes they have in all.
const KEPT: usize = 16;
const KEPT_BYTES: usize = 8 << 20;

/// Shorter buffers are not worth keeping.
const SHORTEST_KEPT: usize = 16 << 10;

impl Pool {
    /// A payload of so many bytes, to be filled. Until then they hold anything.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Payload {
        let fits = |bytes: &Vec<u8>| bytes.len() >= length && bytes.len() / 2 <= length;
        let bytes = (length >= SHORTEST_KEPT).then(|| {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let at = free.iter().rposition(fits)?;
            Some(free.swap_remove(at))
        });
        Payload {
            bytes: bytes.flatten().unwrap_or_else(|| vec![0; length]),
            length,
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

/// Bytes that arrived behind the head of an `Rread` or `Rreaddir`.
pub(crate) struct Payload {
    bytes: Vec<u8>,
    length: usize,
    pool: Arc<Pool>,
}

impl Payload {
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.length);
        bytes
    }
}

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length)
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if self.bytes.len() >= SHORTEST_KEPT {
            self.pool.give_back(std::mem::take(&mut self.bytes));
        }
    }
}
