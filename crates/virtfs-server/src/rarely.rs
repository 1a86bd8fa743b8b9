//! Lines of the log that come once a second at most: clients can cause them as often as they like.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// When such a line was last written, in seconds.
pub(crate) struct Rarely(AtomicU64);

impl Rarely {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether it may be written again; the caller does.
    pub(crate) fn is_due(&self) -> bool {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |time| time.as_secs());
        self.0.swap(now, Ordering::Relaxed) != now
    }
}
