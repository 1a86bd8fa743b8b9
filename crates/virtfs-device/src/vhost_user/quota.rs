//! How many lines a VMM, or its guest, can cause in the log.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many lines that can be repeated at will are logged for a connection; the rest is for debug.
const LINES: u32 = 100;

/// What is left of them.
pub(super) struct Quota(AtomicU32);

impl Default for Quota {
    fn default() -> Self {
        Self(AtomicU32::new(LINES))
    }
}

impl Quota {
    /// Whether one more is logged.
    pub(super) fn take(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, fetch, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_runs_out_for_good() {
        let quota = Quota::default();
        let taken = (0..2 * LINES).filter(|_| quota.take()).count();
        assert_eq!(taken, LINES as usize);
        assert!(!quota.take());
    }
}
