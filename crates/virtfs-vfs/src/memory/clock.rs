//! The present.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{SetTime, Time};

pub(super) fn now() -> Time {
    // Before 1970 only on a machine without a clock.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        sec: since.as_secs().try_into().unwrap_or(i64::MAX),
        nsec: since.subsec_nanos(),
    }
}

pub(super) fn resolve(time: SetTime, now: Time) -> Time {
    match time {
        SetTime::Now => now,
        SetTime::At(time) => time,
    }
}
