//! Aligned buffers for direct I/O, where the memory of a message is not aligned.

use std::sync::Mutex;

use crate::sync::lock;

/// The size of a buffer in bytes; longer transfers take several turns.
const SIZE: usize = 256 << 10;
/// What it is aligned to: pages, which suffice for every device.
const ALIGN: usize = 4096;
/// How many an export has at most: 4 MiB. They are kept.
const MAX: usize = 16;

/// The buffers of an export.
#[derive(Debug, Default)]
pub(crate) struct Bounces(Mutex<Pool>);

#[derive(Debug, Default)]
struct Pool {
    free: Vec<Vec<u8>>,
    made: usize,
}

/// A buffer that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Bounce<'a> {
    memory: Vec<u8>,
    bounces: &'a Bounces,
}

impl Bounces {
    /// A buffer; `None` if all are in use.
    pub(crate) fn take(&self) -> Option<Bounce<'_>> {
        let free = {
            let mut pool = lock(&self.0);
            match pool.free.pop() {
                Some(memory) => Some(memory),
                None if pool.made < MAX => {
                    pool.made += 1;
                    None
                }
                None => return None,
            }
        };
        Some(Bounce {
            memory: free.unwrap_or_else(|| vec![0; SIZE + ALIGN]),
            bounces: self,
        })
    }
}

impl Bounce<'_> {
    /// Aligned bytes, at most so many.
    pub(crate) fn bytes(&mut self, count: usize) -> &mut [u8] {
        let from = self.memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        let to = from + count.min(SIZE);
        self.memory.get_mut(from..to).unwrap_or_default()
    }
}

impl Drop for Bounce<'_> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        lock(&self.bounces.0).free.push(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bounded_number_of_aligned_buffers() {
        let bounces = Bounces::default();
        let mut all: Vec<_> = std::iter::from_fn(|| bounces.take()).collect();
        assert_eq!(all.len(), MAX);
        for bounce in &mut all {
            assert!(bounce.bytes(1).as_ptr().addr().is_multiple_of(ALIGN));
            assert_eq!(bounce.bytes(usize::MAX).len(), SIZE);
            assert_eq!(bounce.bytes(512).len(), 512);
        }
        all.pop();
        assert!(bounces.take().is_some());
        assert!(bounces.take().is_some());
    }
}
