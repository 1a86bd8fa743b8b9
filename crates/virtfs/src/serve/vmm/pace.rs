//! How fast VMMs may follow one another: each costs a process, and may fill its share of the log.

use std::time::{Duration, Instant};

/// In the long run one comes in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// After a quiet time, so many come at once: who restarts a VMM does not wait.
const AT_ONCE: u32 = 4;

/// The turns that were taken.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all of them would have been taken, one in each interval.
    until: Option<Instant>,
}

impl Pace {
    /// Takes the next turn; how long to wait until it comes.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let begins = self.until.map_or(now, |until| until.max(now));
        self.until = Some(begins + INTERVAL);
        (begins - now).saturating_sub(INTERVAL * (AT_ONCE - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_few_at_once_one_comes_in_each_interval() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let mut now = start;
        for number in 0..20 {
            now += pace.take(now);
            let interval = (number + 1u32).saturating_sub(AT_ONCE);
            assert_eq!(now - start, INTERVAL * interval, "number {number}");
        }
    }

    #[test]
    fn who_comes_once_in_an_interval_never_waits() {
        let (mut now, mut pace) = (Instant::now(), Pace::default());
        for _ in 0..20 {
            assert_eq!(pace.take(now), Duration::ZERO);
            now += INTERVAL;
        }
    }

    #[test]
    fn a_quiet_time_is_not_saved_up() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        pace.take(start);
        let later = start + INTERVAL * 1000;
        for _ in 0..AT_ONCE {
            assert_eq!(pace.take(later), Duration::ZERO);
        }
        assert_eq!(pace.take(later), INTERVAL);
    }
}
