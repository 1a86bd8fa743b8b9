//! What a thread was told of a file a moment ago.
//!
//! One call of a program is several requests: stat(2) looks a name up, then asks for the attributes
//! that the look-up has just answered; so does every step along a path. When a thread's next
//! request is that question, and no time has passed, the first answer is still the answer.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use virtfs_client::Attributes;

use crate::sync::lock;

/// How long: what the kernel needs from one request of a call to the next.
const MOMENT: Duration = Duration::from_micros(250);

/// How many threads are remembered.
const SLOTS: usize = 64;

/// The latest answers, by thread.
#[derive(Debug)]
pub(crate) struct Said([Mutex<Option<Saying>>; SLOTS]);

#[derive(Debug)]
struct Saying {
    thread: u32,
    node: u64,
    at: Instant,
    attributes: Attributes,
}

impl Said {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(None)))
    }

    /// A thread was told of a node.
    pub(crate) fn tell(&self, thread: u32, node: u64, attributes: &Attributes, now: Instant) {
        *lock(self.slot(thread)) = Some(Saying {
            thread,
            node,
            at: now,
            attributes: *attributes,
        });
    }

    /// A thread makes its next request. What it was told of the node, if that was just now, and
    /// only once.
    pub(crate) fn take(&self, thread: u32, node: u64, now: Instant) -> Option<Attributes> {
        let said = lock(self.slot(thread)).take_if(|said| said.thread == thread)?;
        let fresh = now.saturating_duration_since(said.at) < MOMENT;
        (said.node == node && fresh).then_some(said.attributes)
    }

    /// By the thread's number; 0 is the kernel itself, whose requests are no call's.
    fn slot(&self, thread: u32) -> &Mutex<Option<Saying>> {
        let [first, ..] = &self.0;
        self.0.get(thread as usize % SLOTS).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        Attributes {
            valid: virtfs_client::GetattrMask::BASIC,
            qid: Default::default(),
            mode: 0o100644,
            uid: 0,
            gid: 0,
            nlink: 1,
            rdev: 0,
            size: 0,
            blksize: 0,
            blocks: 0,
            atime: Default::default(),
            mtime: Default::default(),
            ctime: Default::default(),
            btime: Default::default(),
            generation: 0,
            data_version: 0,
        }
    }

    #[test]
    fn an_answer_is_for_one_thread_one_node_and_one_time() {
        let said = Said::new();
        let start = Instant::now();
        let tell = || said.tell(7, 1, &attributes(), start);
        tell();
        let other = 7 + SLOTS as u32;
        assert!(
            said.take(other, 1, start).is_none(),
            "another thread of that slot"
        );
        assert!(said.take(7, 1, start).is_some());
        assert!(said.take(7, 1, start).is_none(), "a second time");
        tell();
        assert!(said.take(7, 2, start).is_none(), "another node");
        assert!(
            said.take(7, 1, start).is_none(),
            "there was a request in between"
        );
        tell();
        assert!(said.take(7, 1, start + MOMENT).is_none(), "too late");
    }
}
