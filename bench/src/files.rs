//! What programs do with files, by system calls below a folder: on a mount, or on the disk itself.

use std::error::Error;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Advice, AtFlags, CWD, Dir, Mode, OFlags, StatxFlags, fadvise, openat, statx};
use rustix::io::{pread, pwrite};

use crate::workload::{LISTED, LONG, LONG_SIZE, MADE, SMALL_FILES, small};

/// One kind of work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// stat(2) of one file, again and again.
    Stat,
    /// Open a file, read what a page would hold, close it: one file after the other.
    OpenRead,
    /// Make a file, write 4 KiB, close it.
    Create,
    /// Read a long file from start to end that is not in this mount's page cache.
    SeqRead,
    /// Write a long file from start to end, until it is the file system's.
    SeqWrite,
    /// `ls -l`: list a folder, and the attributes of each file.
    List,
}

/// What is measured, with its name, and what is counted in it.
pub(crate) const WORKS: [(&str, Work); 6] = [
    ("stat", Work::Stat),
    ("open-read-4k", Work::OpenRead),
    ("create-4k", Work::Create),
    ("seqread MiB", Work::SeqRead),
    ("seqwrite MiB", Work::SeqWrite),
    ("ls -l entries", Work::List),
];

/// The size of a step through the long file.
const STEP: usize = 1 << 20;

/// 1 MiB in whole pages: copies to others are slower, which is nobody's doing here.
#[repr(align(4096))]
pub(crate) struct Buffer(pub(crate) [u8; STEP]);

impl Buffer {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([7; STEP]))
    }
}

/// Does it below one folder.
pub(crate) struct Files {
    root: OwnedFd,
    /// What the names of new files start with.
    prefix: &'static str,
    buffer: Box<Buffer>,
    count: usize,
}

impl Files {
    pub(crate) fn new(root: &Path, prefix: &'static str) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            root: openat(CWD, root, FOLDER, Mode::empty())?,
            prefix,
            buffer: Buffer::new(),
            count: 0,
        })
    }

    /// Does some; how many operations, MiB or entries.
    pub(crate) fn run(&mut self, work: Work) -> Result<usize, Box<dyn Error>> {
        match work {
            Work::Stat => self.times(64, |files| files.stat(&files.root, &small(0))),
            Work::OpenRead => self.times(64, |files| {
                files.count += 1;
                let file = openat(&files.root, small(files.count), READ, Mode::empty())?;
                pread(&file, &mut files.buffer.0[..4096], 0)?;
                Ok(())
            }),
            Work::Create => self.times(64, |files| {
                files.count += 1;
                let name = format!("{MADE}/{}-{}", files.prefix, files.count);
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                let file = openat(&files.root, name, flags, Mode::from(0o644))?;
                pwrite(&file, &files.buffer.0[..4096], 0)?;
                Ok(())
            }),
            Work::SeqRead => self.read_long(),
            Work::SeqWrite => self.write_long(),
            Work::List => self.list(),
        }
    }

    fn times(
        &mut self,
        times: usize,
        mut once: impl FnMut(&mut Self) -> Result<(), Box<dyn Error>>,
    ) -> Result<usize, Box<dyn Error>> {
        (0..times).try_for_each(|_| once(self))?;
        Ok(times)
    }

    fn stat(&self, folder: &OwnedFd, name: &str) -> Result<(), Box<dyn Error>> {
        statx(
            folder,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::BASIC_STATS,
        )?;
        Ok(())
    }

    fn read_long(&mut self) -> Result<usize, Box<dyn Error>> {
        let file = openat(&self.root, LONG, READ, Mode::empty())?;
        if self.prefix != DIRECT {
            // The server's pages stay.
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
        let mut offset = 0;
        while offset < LONG_SIZE {
            offset += pread(&file, &mut self.buffer.0[..], offset)? as u64;
        }
        Ok((LONG_SIZE >> 20) as usize)
    }

    fn write_long(&mut self) -> Result<usize, Box<dyn Error>> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let name = format!("{}-{LONG}", self.prefix);
        let file = openat(&self.root, name, flags, Mode::from(0o644))?;
        let mut offset = 0;
        while offset < LONG_SIZE {
            offset += pwrite(&file, &self.buffer.0, offset)? as u64;
        }
        Ok((LONG_SIZE >> 20) as usize)
    }

    fn list(&mut self) -> Result<usize, Box<dyn Error>> {
        let folder = openat(&self.root, LISTED, FOLDER, Mode::empty())?;
        let mut names = Vec::with_capacity(SMALL_FILES);
        for entry in Dir::read_from(&folder)? {
            names.push(entry?.file_name().to_owned());
        }
        for name in &names {
            statx(
                &folder,
                name,
                AtFlags::SYMLINK_NOFOLLOW,
                StatxFlags::BASIC_STATS,
            )?;
        }
        Ok(names.len())
    }
}

/// The prefix of what is not done through a mount.
pub(crate) const DIRECT: &str = "direct";

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);
