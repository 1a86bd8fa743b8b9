//! Qids of host files: a path that is unique across devices, a version that changes with the file.

use std::sync::Mutex;

use rustc_hash::FxHashMap;
use rustix::fs::Statx;
use virtfs_vfs::{FileKind, Qid};

use crate::sync::lock;

/// Inode numbers from here on do not leave room for the device in a path.
const LARGE: u64 = 1 << 48;
/// The device index under which large inode numbers are counted.
const COUNTED: u64 = 0xffff;
/// The device index under which the rest is hashed; devices from here on are treated as large.
const HASHED: u64 = 0xfffe;
/// How many large numbers are remembered.
const MAX_COUNTED: usize = 1 << 20;

/// Gives out paths: a function of device and inode number for as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct QidPaths {
    large: Mutex<FxHashMap<(u64, u64), u64>>,
}

impl QidPaths {
    /// The path of an inode; `device` is its file system's index.
    pub(crate) fn path(&self, device: u64, ino: u64) -> u64 {
        if ino < LARGE && device < HASHED {
            return device << 48 | ino;
        }
        let mut large = lock(&self.large);
        let next = large.len();
        if let Some(&path) = large.get(&(device, ino)) {
            path
        } else if next < MAX_COUNTED {
            let path = COUNTED << 48 | next as u64;
            large.insert((device, ino), path);
            path
        } else {
            HASHED << 48 | (mix(device) ^ mix(ino).rotate_left(17)) & (LARGE - 1)
        }
    }
}

/// The qid of a file with these attributes.
pub(crate) fn qid(kind: FileKind, path: u64, stat: &Statx) -> Qid {
    Qid {
        kind: Some(kind),
        version: version(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec, stat.stx_size),
        path,
    }
}

/// Changes with the change time and the size; never 0.
fn version(sec: i64, nsec: u32, size: u64) -> u32 {
    let time = (sec as u64) << 30 ^ u64::from(nsec);
    let mixed = mix(mix(time) ^ size);
    ((mixed ^ mixed >> 32) as u32).max(1)
}

/// Lets every bit of the result depend on every bit given (the finalizer of MurmurHash3).
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ x >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_stable_across_devices_and_sizes() {
        let paths = QidPaths::default();
        let inodes = [0, 1, 2, LARGE - 1, LARGE, LARGE + 1, u64::MAX];
        let mut seen = std::collections::HashSet::new();
        for device in [0, 1, 2, HASHED, COUNTED, 1 << 40] {
            for ino in inodes {
                let path = paths.path(device, ino);
                assert!(seen.insert(path), "{device} {ino}");
                assert_eq!(paths.path(device, ino), path);
            }
        }
        assert_eq!(paths.path(0, 77), 77);
    }

    #[test]
    fn a_version_changes_with_each_bit_of_time_and_size() {
        let first = version(1_700_000_000, 5, 100);
        assert_ne!(first, version(1_700_000_001, 5, 100));
        assert_ne!(first, version(1_700_000_000, 6, 100));
        assert_ne!(first, version(1_700_000_000, 5, 101));
        assert_ne!(first, version(1_700_000_000, 5, 100 | 1 << 40));
        assert_ne!(version(0, 0, 0), 0);
    }
}
