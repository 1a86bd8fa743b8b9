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

    /// All that can exist.
    pub(super) fn all() -> Self {
        Self(vec![(0, u32::MAX)])
    }

    /// Those: in order, and apart from each other.
    pub(super) fn of(ranges: &[(u32, u32)]) -> Self {
        Self(ranges.to_vec())
    }

    /// Whether a number is among them.
    pub(super) fn contains(&self, id: u32) -> bool {
        let within = |(first, count): &(u32, u32)| id >= *first && id - first < *count;
        self.0.iter().any(within)
    }

    /// The same without root.
    pub(super) fn without_zero(&self) -> Self {
        let cut = |(first, count): &(u32, u32)| match first {
            0 => (1, count.saturating_sub(1)),
            first => (*first, *count),
        };
        let rest = self.0.iter().map(cut).filter(|(_, count)| *count > 0);
        Self(rest.collect())
    }

    /// The lines of user_namespaces(7)'s `uid_map` by which each means the same outside.
    pub(super) fn identity_map(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(first, count)| format!("{first} {first} {count}\n"))
            .collect()
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
    fn root_can_be_left_out_of_a_map_of_all_others() {
        let some = Ranges::of(&[(0, 1), (5, 3)]);
        assert_eq!(some.identity_map(), "0 0 1\n5 5 3\n");
        assert_eq!(some.without_zero().identity_map(), "5 5 3\n");
        let all = Ranges::all();
        assert_eq!(all.without_zero().identity_map(), "1 1 4294967294\n");
        assert!(all.contains(0) && !all.without_zero().contains(0));
        assert!(some.contains(7) && !some.contains(8) && !some.contains(4));
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
