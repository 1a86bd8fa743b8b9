//! What the process is on the host: its user, its capabilities, its user namespace.

use std::fmt;
use std::fs;
use std::io;

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};

/// Before the process gives anything up.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) user: u32,
    pub(super) capabilities: CapabilitySet,
    /// `None` on the host itself, where all users exist.
    pub(super) namespace: Option<Namespace>,
}

/// The users and groups that exist in a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) users: Ranges,
    pub(super) groups: Ranges,
}

/// Numbers of users or groups: the first of each range, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u32, u32)>);

impl Standing {
    /// Looks, while `/proc` can be read.
    pub(super) fn look() -> io::Result<Self> {
        // Without /proc nothing can be served; that is said elsewhere.
        let ranges = |file| fs::read_to_string(file).map_or(None, |text| Ranges::read(&text));
        let users = ranges("/proc/self/uid_map");
        let groups = ranges("/proc/self/gid_map");
        Ok(Self {
            user: geteuid().as_raw(),
            capabilities: capabilities(None)?.permitted,
            namespace: match (users, groups) {
                (None, None) => None,
                (users, groups) => Some(Namespace {
                    users: users.unwrap_or_else(Ranges::all),
                    groups: groups.unwrap_or_else(Ranges::all),
                }),
            },
        })
    }
}

impl Ranges {
    /// Reads user_namespaces(7)'s `uid_map`; `None` if all numbers exist and are the host's.
    fn read(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let mut numbers = line.split_ascii_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            let (first, host, count): (u32, u32, u32) = (next()?, next()?, next()?);
            Some((first, host, count))
        };
        let lines: Vec<_> = text.lines().filter_map(line).collect();
        match lines.as_slice() {
            [(0, 0, u32::MAX)] => None,
            // Without lines there are no users.
            lines => {
                let mut ranges: Vec<_> = lines.iter().map(|line| (line.0, line.2)).collect();
                ranges.sort_unstable();
                Some(Self(ranges))
            }
        }
    }

    fn all() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    #[cfg(test)]
    pub(super) fn of(ranges: &[(u32, u32)]) -> Self {
        Self(ranges.to_vec())
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As many as anybody reads.
        const SHOWN: usize = 4;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, (first, count)) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match count {
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", first.saturating_add(count - 1))?,
            }
        }
        match self.0.len() > SHOWN {
            true => f.write_str(" and more"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_map_is_no_namespace() {
        assert_eq!(Ranges::read("         0          0 4294967295\n"), None);
    }

    #[test]
    fn ranges_are_shown_as_people_write_them() {
        let shown = |text| Ranges::read(text).unwrap().to_string();
        assert_eq!(shown("0 100000 65536\n"), "0-65535");
        assert_eq!(shown("1 100000 65536\n0 1000 1\n"), "0, 1-65536");
        assert_eq!(shown(""), "none");
        let many = "0 9 1\n2 8 1\n4 7 1\n6 6 1\n8 5 1\n";
        assert_eq!(shown(many), "0, 2, 4, 6 and more");
        assert_eq!(Ranges::all().to_string(), "0-4294967294");
    }
}
