//! Bounds on everything that a client can make the server hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budgets of a server. Over budget is an errno (or, for requests in flight, a stop of
/// receiving), never an abort.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message, in bytes, that is granted to a client. Default 1 MiB.
    pub msize: u32,
    /// Sessions at once. Default 256.
    pub sessions: usize,
    /// Fids of one session. Default 1,048,576.
    pub fids: usize,
    /// Fids of all sessions together, shared fairly. Default 4,194,304.
    pub all_fids: usize,
    /// Open files of all sessions together, shared fairly. Default 3,072. A program sets it to
    /// what its file systems bear: ¾ of RLIMIT_NOFILE where each open file takes a descriptor, far
    /// more where they close files that are not in use.
    pub open_files: usize,
    /// Directories among them, shared fairly. They are never closed before their time, so a program
    /// sets it to less than the descriptors that its file systems may have. Default 3,072.
    pub open_directories: usize,
    /// Bytes of extended attributes that the fids of one session hold. Default 16 MiB.
    pub xattr_bytes: usize,
    /// The same of all sessions together, shared fairly. Default 256 MiB.
    pub all_xattr_bytes: usize,
    /// Requests of one session in flight. Default 128.
    pub requests: usize,
    /// Bytes of the requests and replies of one session in flight. Default 16 MiB.
    pub request_bytes: usize,
    /// Bytes of memory that the requests and replies of all sessions over byte streams have,
    /// shared fairly: beyond it a session has one request at a time. Default 512 MiB.
    pub buffer_bytes: usize,
    /// Threads of all sessions together beside one for each, shared fairly: as many requests can
    /// wait for the host at once. Default 4,096.
    pub threads: usize,
    /// Lock records of all sessions together, shared fairly. Default 65,536.
    pub lock_records: usize,
    /// Files of all sessions together that are open to be locked, one for each owner of locks on
    /// a file, shared fairly. Where each takes a descriptor, which cannot be closed before its
    /// time, a program sets it to half of what its file systems may have. Default 4,096.
    pub lock_files: usize,
}

/// The largest extended attribute (`XATTR_SIZE_MAX` of Linux).
pub(crate) const XATTR_MAX: usize = 65536;

/// The smallest msize that a client may ask for.
pub(crate) const MSIZE_MIN: u32 = 4096;

impl Default for Limits {
    fn default() -> Self {
        Self {
            msize: 1 << 20,
            sessions: 256,
            fids: 1 << 20,
            all_fids: 4 << 20,
            open_files: 3072,
            open_directories: 3072,
            xattr_bytes: 16 << 20,
            all_xattr_bytes: 256 << 20,
            requests: 128,
            request_bytes: 16 << 20,
            buffer_bytes: 512 << 20,
            threads: 4096,
            lock_records: 1 << 16,
            lock_files: 1 << 12,
        }
    }
}

impl Limits {
    /// What a server of byte streams takes of memory at most, in bytes, whatever its clients do.
    /// Stacks of threads count as far as they are used. Beside it there is what the program
    /// itself takes, and what file systems keep for themselves.
    pub fn most_memory(&self) -> usize {
        let message = (self.msize as usize + (32 << 10)).next_power_of_two();
        let requests = self.requests * REQUEST + WITHOUT_BUDGET * (32 << 10);
        // A frame that has begun, a request, and its reply.
        let session = THREAD + 3 * message + requests;
        [
            (self.sessions, session),
            (self.threads, THREAD),
            (self.all_fids, FID),
            (self.open_files, OPEN),
            (self.all_xattr_bytes, 1),
            (self.buffer_bytes, 1),
            (self.lock_records, LOCK),
        ]
        .into_iter()
        .fold(0, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul(each))
        })
    }
}

/// What one of each takes at most, in bytes: a thread with its stack and its buffer; what is known
/// of a request; a fid and the node of its file; an open file; a lock with the name of its owner.
const THREAD: usize = 192 << 10;
const REQUEST: usize = 1 << 10;
const FID: usize = 1 << 10;
const OPEN: usize = 1 << 10;
const LOCK: usize = 2 << 10;

/// Requests of a session that have a buffer though memory is short: those that are held back,
/// flushes, and one.
const WITHOUT_BUDGET: usize = 2 * 8 + 1;

/// How many times as much as it leaves free a session may have.
const SHARE: usize = 8;

/// How far all sessions together, and one that has `own` of `used`, may go when it wants `more` of
/// something that they share. One half of `all` is set apart in equal parts, one for each session
/// that there may be; of the other a session may take as long as it leaves a ninth of what it could
/// have. So whoever takes all that it can leaves something to everybody else.
pub(crate) fn fair(
    (all, sessions): (usize, usize),
    used: usize,
    own: usize,
    more: usize,
) -> (usize, usize) {
    let sessions = sessions.max(1);
    let part = all / 2 / sessions;
    if own.saturating_add(more) <= part {
        return (all, part);
    }
    let common = all - part * sessions;
    let free = common.saturating_sub(used);
    (
        common,
        (own + free) / (SHARE + 1) * SHARE + (own + free) % (SHARE + 1),
    )
}

/// A number of things that may be held, and how many are.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    used: AtomicUsize,
}

/// Some of a budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budgets: [Arc<Budget>; 2],
    amount: usize,
}

impl Budget {
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes some without asking.
    pub(crate) fn add(&self, amount: usize) {
        self.used.fetch_add(amount, Ordering::Relaxed);
    }

    fn take(&self, amount: usize, limit: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|used| *used <= limit)
            })
            .is_ok()
    }

    pub(crate) fn give_back(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

impl Permit {
    /// Takes `amount` of two budgets at once, each below its limit.
    pub(crate) fn take(
        first: (&Arc<Budget>, usize),
        second: (&Arc<Budget>, usize),
        amount: usize,
    ) -> Option<Self> {
        if !first.0.take(amount, first.1) {
            return None;
        }
        if !second.0.take(amount, second.1) {
            first.0.give_back(amount);
            return None;
        }
        Some(Self {
            budgets: [first.0.clone(), second.0.clone()],
            amount,
        })
    }

    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Takes `more` of the same two budgets, each below its limit; whether they were had.
    pub(crate) fn grow(&mut self, limits: (usize, usize), more: usize) -> bool {
        let [first, second] = &self.budgets;
        let Some(more) = Self::take((first, limits.0), (second, limits.1), more) else {
            return false;
        };
        self.amount += more.into_amount();
        true
    }

    /// Gives back all but `amount`.
    pub(crate) fn shrink_to(&mut self, amount: usize) {
        let less = self.amount.saturating_sub(amount);
        for budget in &self.budgets {
            budget.give_back(less);
        }
        self.amount -= less;
    }

    /// Leaves it to somebody else to give back.
    fn into_amount(mut self) -> usize {
        std::mem::take(&mut self.amount)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        for budget in &self.budgets {
            budget.give_back(self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_both_budgets_is_taken_from_neither() {
        let (a, b) = (Arc::new(Budget::default()), Arc::new(Budget::default()));
        let held = Permit::take((&a, 10), (&b, 4), 3).unwrap();
        assert!(Permit::take((&a, 10), (&b, 4), 2).is_none());
        assert_eq!((a.used(), b.used()), (3, 3));
        drop(held);
        assert_eq!((a.used(), b.used()), (0, 0));
        assert!(Permit::take((&a, 10), (&b, 4), usize::MAX).is_none());
    }

    /// Sessions that take one by one, in turn, until none gets any more.
    fn take_all(all: usize, sessions: usize, own: &mut [usize]) {
        loop {
            let before: usize = own.iter().sum();
            for at in 0..own.len() {
                let used = own.iter().sum();
                let (limit, share) = fair((all, sessions), used, own[at], 1);
                own[at] += usize::from(used < limit && own[at] < share);
            }
            if own.iter().sum::<usize>() == before {
                return;
            }
        }
    }

    #[test]
    fn whoever_takes_all_it_can_leaves_each_of_the_others_its_part() {
        for greedy in [1, 2, 50, 99] {
            let mut own = vec![0; 100];
            take_all(10_000, 100, &mut own[..greedy]);
            let least = 5000 / (greedy + 1);
            assert!(own[..greedy].iter().all(|own| *own >= least), "{own:?}");
            take_all(10_000, 100, &mut own);
            assert!(own.iter().all(|own| *own >= 50), "{own:?}");
            assert!(own.iter().sum::<usize>() <= 10_000);
        }
    }

    #[test]
    fn one_alone_has_most_of_it() {
        let mut own = [0];
        take_all(10_000, 100, &mut own);
        assert!((4400..5000).contains(&own[0]), "{own:?}");
        // Of few there is no part for each.
        let mut few = [0];
        take_all(8, 256, &mut few);
        assert_eq!(few, [8]);
    }
}
