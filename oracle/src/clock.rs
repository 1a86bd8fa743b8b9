//! Which times are those of the run.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time at which a run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: i64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            began: seconds() - 1,
        }
    }

    /// Whether a time in seconds lies between the beginning of the run and now.
    pub(crate) fn is_now(&self, sec: i64) -> bool {
        (self.began..=seconds() + 1).contains(&sec)
    }
}

fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() as i64)
}
