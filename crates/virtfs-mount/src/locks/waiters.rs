//! Those who wait for locks: one thread asks for all of them, so that no other is held up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use virtfs_client::{Cancel, Error, Lock, LockStatus, LockType, lock_all};

use crate::fail::Fail;
use crate::fuse::Reply;
use crate::sync::lock;
use crate::tree::{LockOwner, OpenFile};

/// How soon to ask again whether another client has let go.
const SOON: Duration = Duration::from_millis(5);
/// How long to wait between questions at most.
const LATE: Duration = Duration::from_millis(250);
/// How long a process that got a signal waits for a release.
const GRACE: Duration = Duration::from_millis(250);
/// How many locks are asked for in one go.
const TOGETHER: usize = 256;

/// Somebody who waits for a lock, or for a release that could not be sent at once; or that release
/// alone.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Whom to answer.
    pub(crate) reply: Option<Reply>,
    /// The file.
    pub(crate) open: Arc<OpenFile>,
    /// The lock, or the release.
    pub(crate) lock: Lock,
    /// Whose the lock will be; `None`: a release.
    pub(crate) owner: Option<LockOwner>,
}

/// All who wait, and the thread's state.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    queue: Mutex<Queue>,
    changed: Condvar,
    releases: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order in which they came.
    waiting: VecDeque<Entry>,
    /// The numbers given to entries.
    last: u64,
    /// Something was released: ask now.
    now: bool,
    /// Ends the questions that are under way.
    asking: Option<Cancel>,
    ended: bool,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    reply: Option<Reply>,
    owner: Option<LockOwner>,
    question: Question,
    /// The question is under way.
    asked: bool,
    /// Its process got a signal meanwhile.
    interrupted: bool,
}

/// What the server is asked for.
#[derive(Clone, Debug)]
struct Question {
    open: Arc<OpenFile>,
    lock: Arc<Lock>,
}

/// What became of an entry.
type Verdict = Result<(), Fail>;

impl Waiters {
    /// How many releases have passed this mount: what was BLOCKED before one may not be any more.
    pub(crate) fn releases(&self) -> u64 {
        self.releases.load(Ordering::Acquire)
    }

    /// Somebody must wait, having been refused when `releases` was what it was.
    pub(crate) fn push(&self, waiter: Waiter, releases: u64) {
        let mut queue = lock(&self.queue);
        queue.last += 1;
        let entry = Entry {
            number: queue.last,
            since: Instant::now(),
            reply: waiter.reply,
            owner: waiter.owner,
            question: Question {
                open: waiter.open,
                lock: Arc::new(waiter.lock),
            },
            asked: false,
            interrupted: false,
        };
        queue.waiting.push_back(entry);
        queue.now |= self.releases() != releases;
        drop(queue);
        self.changed.notify_one();
    }

    /// A lock was released through this mount.
    pub(crate) fn released(&self) {
        self.releases.fetch_add(1, Ordering::AcqRel);
        let mut queue = lock(&self.queue);
        if !queue.waiting.is_empty() {
            queue.now = true;
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// A waiting process got a signal. False if nobody waits by this request, or it is too soon.
    pub(crate) fn interrupt(&self, unique: u64) -> bool {
        let mut queue = lock(&self.queue);
        let Some(at) = queue.waiting.iter().position(|entry| entry.is(unique)) else {
            return false;
        };
        match queue.waiting.get_mut(at) {
            Some(entry) if entry.is_release() => {
                if entry.since.elapsed() < GRACE {
                    return false;
                }
                // It goes on, though nobody waits for it.
                let reply = entry.reply.take();
                drop(queue);
                reply.into_iter().for_each(Reply::ok);
            }
            Some(entry) if entry.asked => {
                entry.interrupted = true;
                if let Some(asking) = &queue.asking {
                    asking.cancel();
                }
            }
            _ => {
                let entry = queue.waiting.remove(at);
                drop(queue);
                answer(entry.map(|entry| (entry, Err(Errno::INTR.into()))));
            }
        }
        true
    }

    /// Asks for the locks that are waited for, until [`end`](Self::end).
    pub(crate) fn serve(&self) {
        let mut pause = SOON;
        while let Some(due) = self.wait(&mut pause) {
            for part in due.chunks(TOGETHER) {
                self.ask(part);
            }
        }
    }

    /// Ends the thread; who waits gets `EIO`.
    pub(crate) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.ended = true;
        if let Some(asking) = &queue.asking {
            asking.cancel();
        }
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.changed.notify_one();
        answer(
            waiting
                .into_iter()
                .map(|entry| (entry, Err(Errno::IO.into()))),
        );
    }

    /// Waits until it is time to ask, and says for which entries. `None`: the end.
    fn wait(&self, pause: &mut Duration) -> Option<Vec<(u64, Question)>> {
        let mut queue = lock(&self.queue);
        let mut waited = false;
        while !queue.ended && (queue.waiting.is_empty() || !queue.now && !waited) {
            if queue.waiting.is_empty() {
                *pause = SOON;
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let number = queue.last;
            let result = self.changed.wait_timeout(queue, *pause);
            let (again, timeout) = result.unwrap_or_else(PoisonError::into_inner);
            queue = again;
            waited = timeout.timed_out();
            if queue.last != number {
                *pause = SOON;
            }
        }
        *pause = if queue.now {
            SOON
        } else {
            LATE.min(*pause * 2)
        };
        queue.now = false;
        let due = queue.waiting.iter();
        let due = due
            .map(|entry| (entry.number, entry.question.clone()))
            .collect();
        (!queue.ended).then_some(due)
    }

    /// Asks for some, and answers those about whom something was decided.
    fn ask(&self, part: &[(u64, Question)]) {
        let Some(cancel) = self.asking(part) else {
            return;
        };
        let requests: Vec<_> = part
            .iter()
            .map(|(_, question)| (&question.open.file, &*question.lock))
            .collect();
        let results = cancel.scope(|| lock_all(&requests));
        let mut queue = lock(&self.queue);
        queue.asking = None;
        let mut decided = Vec::new();
        for ((number, _), result) in part.iter().zip(results) {
            decided.extend(queue.decide(*number, result));
        }
        drop(queue);
        let released = decided.iter().any(|(entry, _)| entry.is_release());
        answer(decided);
        if released {
            self.released();
        }
    }

    /// Marks some as asked for. `None` at the end.
    fn asking(&self, part: &[(u64, Question)]) -> Option<Cancel> {
        let mut queue: MutexGuard<'_, Queue> = lock(&self.queue);
        if queue.ended {
            return None;
        }
        for entry in &mut queue.waiting {
            entry.asked = part.iter().any(|(number, _)| *number == entry.number);
        }
        let cancel = Cancel::new();
        queue.asking = Some(cancel.clone());
        Some(cancel)
    }
}

impl Queue {
    /// Takes out an entry whose waiting is over.
    fn decide(
        &mut self,
        number: u64,
        result: virtfs_client::Result<LockStatus>,
    ) -> Option<(Entry, Verdict)> {
        let at = self
            .waiting
            .iter()
            .position(|entry| entry.number == number)?;
        let entry = self.waiting.get_mut(at)?;
        entry.asked = false;
        let verdict = match result {
            Ok(LockStatus::SUCCESS) => Ok(()),
            Ok(LockStatus::BLOCKED) | Err(Error::Interrupted) => {
                if !entry.interrupted {
                    return None;
                }
                Err(Errno::INTR.into())
            }
            Ok(_) => Err(Errno::NOLCK.into()),
            Err(error) => Err(error.into()),
        };
        Some((self.waiting.remove(at)?, verdict))
    }
}

impl Entry {
    fn is_release(&self) -> bool {
        self.question.lock.kind == LockType::UNLCK
    }

    fn is(&self, unique: u64) -> bool {
        let reply = self.reply.as_ref();
        reply.is_some_and(|reply| reply.unique() == unique)
    }
}

/// Answers entries that are out of the queue.
fn answer(decided: impl IntoIterator<Item = (Entry, Verdict)>) {
    for (entry, verdict) in decided {
        if let (Some(owner), Ok(())) = (entry.owner, &verdict) {
            // Whoever closed the file meanwhile forgot the owner: the next time must release this.
            entry.question.open.node.note_lock_owner(owner);
        }
        match (entry.reply, verdict) {
            (Some(reply), Ok(())) => reply.ok(),
            (Some(reply), Err(Fail(errno))) => reply.error(errno.raw_os_error()),
            (None, _) => {}
        }
    }
}
