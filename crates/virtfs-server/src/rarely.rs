//! Lines of the log that come once a second at most: clients can cause them as often as they like.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// When such a line was last written, and how often it was not since.
///
/// ```
/// use std::time::Instant;
/// use virtfs_server::Rarely;
///
/// static COMPLAINTS: Rarely = Rarely::new();
/// if let Some(unsaid) = COMPLAINTS.due(Instant::now()) {
///     println!("it failed (and {unsaid} more times since the last line)");
/// }
/// ```
#[derive(Debug, Default)]
pub struct Rarely(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    written: Option<Instant>,
    unsaid: u64,
}

impl Rarely {
    /// No line was written yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Last {
            written: None,
            unsaid: 0,
        }))
    }

    /// Whether a line may be written now, which the caller then does: how many were not, since
    /// the last that was.
    pub fn due(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let too_soon = |written| now.saturating_duration_since(written) < PAUSE;
        if last.written.is_some_and(too_soon) {
            last.unsaid = last.unsaid.saturating_add(1);
            return None;
        }
        last.written = Some(now);
        Some(std::mem::take(&mut last.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_once_a_second_and_says_how_many_did_not() {
        let (rarely, now) = (Rarely::new(), Instant::now());
        let due = |milliseconds| rarely.due(now + Duration::from_millis(milliseconds));
        assert_eq!([due(0), due(0), due(999)], [Some(0), None, None]);
        assert_eq!([due(1000), due(1001), due(2001)], [Some(2), None, Some(1)]);
        // Of two threads the later may come first.
        assert_eq!(due(0), None);
    }
}
