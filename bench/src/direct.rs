//! The same work by plain system calls, relative to a directory's descriptor.

use std::error::Error;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::{pread, pwrite};

use crate::workload::{BIG, Dice, Kind, MADE, Tree, Workload, small};

/// Does it.
pub(crate) struct Direct {
    root: OwnedFd,
    made: OwnedFd,
    big: OwnedFd,
    dice: Dice,
    buffer: Vec<u8>,
    count: usize,
}

impl Direct {
    pub(crate) fn new(tree: &Tree) -> Result<Self, Box<dyn Error>> {
        let dir = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, tree.path(), dir, Mode::empty())?;
        let made = openat(&root, MADE, dir, Mode::empty())?;
        let big = openat(&root, BIG, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self {
            root,
            made,
            big,
            dice: Dice::new(1),
            buffer: vec![7; 1 << 20],
            count: 0,
        })
    }

    /// Does so many operations; how many.
    pub(crate) fn run(
        &mut self,
        workload: &Workload,
        times: usize,
    ) -> Result<usize, Box<dyn Error>> {
        let stat = StatxFlags::BASIC_STATS;
        for _ in 0..times {
            self.count += 1;
            match workload.kind {
                Kind::GetAttr => {
                    statx(&self.big, "", AtFlags::EMPTY_PATH, stat)?;
                }
                Kind::Stat => {
                    let name = small(self.count);
                    statx(&self.root, name, AtFlags::SYMLINK_NOFOLLOW, stat)?;
                }
                Kind::Read(size) => {
                    let offset = self.dice.offset(size);
                    pread(&self.big, &mut self.buffer[..size], offset)?;
                }
                Kind::Write(size) => {
                    let offset = self.dice.offset(size);
                    pwrite(&self.big, &self.buffer[..size], offset)?;
                }
                Kind::Create => {
                    let name = format!("direct-{}", self.count);
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    let file = openat(&self.made, name, flags, Mode::from(0o644))?;
                    pwrite(&file, &self.buffer[..4096], 0)?;
                }
            }
        }
        Ok(times)
    }
}
