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
    /// Open files of all sessions together, shared fairly. Default 3,072. A program sets it to
    /// what its file systems bear: ¾ of RLIMIT_NOFILE where each open file takes a descriptor, far
    /// more where they close files that are not in use.
    pub open_files: usize,
    /// Bytes of extended attributes that the fids of one session hold. Default 16 MiB.
    pub xattr_bytes: usize,
    /// Requests of one session in flight. Default 128.
    pub requests: usize,
    /// Bytes of the requests and replies of one session in flight. Default 16 MiB.
    pub request_bytes: usize,
    /// Lock records of all sessions together. Default 65,536.
    pub lock_records: usize,
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
            open_files: 3072,
            xattr_bytes: 16 << 20,
            requests: 128,
            request_bytes: 16 << 20,
            lock_records: 1 << 16,
        }
    }
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

    fn take(&self, amount: usize, limit: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|used| *used <= limit)
            })
            .is_ok()
    }

    fn give_back(&self, amount: usize) {
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
}
