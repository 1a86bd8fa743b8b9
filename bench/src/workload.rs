//! What is measured, and the tree that it is measured on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// One kind of operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The attributes of one file, again and again.
    GetAttr,
    /// Walk to a file, its attributes, clunk: three messages that wait for each other.
    Stat,
    /// Reads at random places of one large file.
    Read(usize),
    /// Writes at random places of one large file.
    Write(usize),
    /// Make a file in one directory, write 4 KiB, close.
    Create,
}

/// An operation with a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// How many requests it takes.
    pub(crate) messages: usize,
}

/// All that is measured.
pub(crate) const WORKLOADS: [Workload; 6] = [
    Workload {
        name: "getattr",
        kind: Kind::GetAttr,
        messages: 1,
    },
    Workload {
        name: "stat",
        kind: Kind::Stat,
        messages: 3,
    },
    Workload {
        name: "read-4k",
        kind: Kind::Read(4 << 10),
        messages: 1,
    },
    Workload {
        name: "read-128k",
        kind: Kind::Read(128 << 10),
        messages: 1,
    },
    Workload {
        name: "write-128k",
        kind: Kind::Write(128 << 10),
        messages: 1,
    },
    Workload {
        name: "create",
        kind: Kind::Create,
        messages: 4,
    },
];

/// The large file, and how long it is.
pub(crate) const BIG: &str = "big";
pub(crate) const BIG_SIZE: u64 = 64 << 20;
/// The long file, which is read and written from start to end, and how long it is.
pub(crate) const LONG: &str = "long";
pub(crate) const LONG_SIZE: u64 = 256 << 20;
/// The directory of as many empty files as there are small ones.
pub(crate) const LISTED: &str = "listed";
/// The directory that files are made in.
pub(crate) const MADE: &str = "made";
/// How many small files there are.
pub(crate) const SMALL_FILES: usize = 1000;

/// The name of a small file.
pub(crate) fn small(number: usize) -> String {
    format!("small-{:04}", number % SMALL_FILES)
}

/// The exported tree.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn make(below: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("virtfs-bench-")
            .tempdir_in(below)?;
        fs::write(dir.path().join(BIG), vec![7; BIG_SIZE as usize])?;
        let mut long = File::create(dir.path().join(LONG))?;
        long.write_all(&vec![7; LONG_SIZE as usize])?;
        // So that the disk is idle when it is read.
        long.sync_all()?;
        fs::create_dir(dir.path().join(MADE))?;
        fs::create_dir(dir.path().join(LISTED))?;
        for number in 0..SMALL_FILES {
            fs::write(dir.path().join(LISTED).join(small(number)), b"")?;
            fs::write(dir.path().join(small(number)), b"small")?;
        }
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Removes what the last turn made. The directory stays: a mount may know it.
    pub(crate) fn clear_created(&self) -> io::Result<()> {
        fs::read_dir(self.join(MADE))?.try_for_each(|entry| fs::remove_file(entry?.path()))
    }
}

/// A cheap sequence of numbers that looks random.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }

    /// A place in the large file, aligned to the size of what is moved.
    pub(crate) fn offset(&mut self, size: usize) -> u64 {
        self.roll(BIG_SIZE / size as u64) * size as u64
    }
}
