//! Times as people read them.

use virtfs_client::Timespec;

use crate::sys::{self, Calendar};

/// In whose time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    Local,
    Utc,
}

impl Zone {
    pub(super) fn new(utc: bool) -> Self {
        match utc {
            true => Self::Utc,
            false => Self::Local,
        }
    }

    /// `2025-11-22 16:09:30`; seconds since 1970 where the calendar ends.
    pub(super) fn short(self, time: Timespec) -> String {
        match self.calendar(time) {
            Some(calendar) => date(&calendar),
            None => format!("@{}", time.sec as i64),
        }
    }

    /// `2025-11-22 16:09:30.123456789 +0100`.
    pub(super) fn full(self, time: Timespec) -> String {
        let Some(calendar) = self.calendar(time) else {
            return format!("@{}.{:09}", time.sec as i64, time.nsec);
        };
        let (sign, minutes) = match calendar.offset / 60 {
            east @ 0.. => ('+', east),
            west => ('-', -west),
        };
        format!(
            "{}.{:09} {sign}{:02}{:02}",
            date(&calendar),
            time.nsec,
            minutes / 60,
            minutes % 60
        )
    }

    fn calendar(self, time: Timespec) -> Option<Calendar> {
        sys::calendar(time.sec as i64, self == Self::Utc)
    }
}

fn date(at: &Calendar) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_what_the_calendar_says() {
        let time = Timespec {
            sec: 1_763_827_770,
            nsec: 5,
        };
        assert_eq!(Zone::Utc.short(time), "2025-11-22 16:09:30");
        assert_eq!(Zone::Utc.full(time), "2025-11-22 16:09:30.000000005 +0000");
    }

    #[test]
    fn times_before_1970_and_beyond_the_calendar_are_shown() {
        let sec = |sec: i64| Timespec {
            sec: sec as u64,
            nsec: 0,
        };
        assert_eq!(Zone::Utc.short(sec(-1)), "1969-12-31 23:59:59");
        assert_eq!(Zone::Utc.short(sec(i64::MAX)), "@9223372036854775807");
    }
}
