//! What the copier asks of the side it reads from and of the side it writes to.

use std::io;
use std::ops::Range;

use rustix::fs::{FileType, Timespec};

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(super) kind: FileType,
    /// Permission bits, setuid, setgid and sticky among them.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u64,
    /// Major and minor number of a device node.
    pub(super) rdev: (u32, u32),
    pub(super) size: u64,
    /// It has fewer blocks than bytes.
    pub(super) sparse: bool,
    pub(super) atime: Timespec,
    pub(super) mtime: Timespec,
    pub(super) ctime: Timespec,
    /// Equal for two names of one file.
    pub(super) id: (u64, u64),
}

impl Meta {
    /// The permission bits for a copy whose owner and group are kept or not. Setuid and setgid
    /// of a program would lend somebody else's rights.
    pub(super) fn mode_for(&self, owner: bool, group: bool) -> u32 {
        let mut mode = self.mode;
        if self.kind == FileType::RegularFile {
            if !owner {
                mode &= !0o4000;
            }
            if !group {
                mode &= !0o2000;
            }
        }
        mode
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == FileType::Directory
    }
}

/// Names and values of extended attributes.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// What a copy is to be given when its contents are there.
#[derive(Debug)]
pub(crate) struct Details {
    pub(super) meta: Meta,
    pub(super) xattrs: Xattrs,
}

/// An entry of a directory.
#[derive(Debug)]
pub(crate) struct Found<I> {
    pub(super) name: Vec<u8>,
    pub(super) what: io::Result<(I, Meta)>,
}

/// The side that is read.
pub(crate) trait Source: Sync {
    /// Something found, not open.
    type Item: Send;
    /// A directory.
    type Dir: Send + Sync;
    /// A regular file, open.
    type File: Send + Sync;
    /// Where the listing of a directory has got to.
    type Listing;

    /// Enters a directory; its extended attributes if they are wanted.
    fn enter(&self, item: Self::Item, xattrs: bool) -> io::Result<(Self::Dir, Xattrs)>;

    /// Begins to list one.
    fn list(&self, dir: &Self::Dir) -> io::Result<Self::Listing>;

    /// The next entries, not many; none at the end. Neither `.` nor `..`, nor names that are
    /// none.
    fn next(
        &self,
        dir: &Self::Dir,
        listing: &mut Self::Listing,
    ) -> io::Result<Vec<Found<Self::Item>>>;

    /// Opens a regular file, and nothing else.
    fn open(&self, item: Self::Item, xattrs: bool) -> io::Result<(Self::File, Xattrs)>;

    /// Reads into `buf`; nothing only at the end of the file.
    fn read_at(&self, file: &Self::File, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The next stretch of `range` that is no hole. If there is none: an empty one, where `range`
    /// ends or, if that is before, the file.
    fn data(&self, file: &Self::File, range: Range<u64>) -> io::Result<Range<u64>>;

    /// Whether holes arrive as zeros, so that they have to be looked for.
    fn hides_holes(&self) -> bool;

    /// The size, as it is now.
    fn size_of_file(&self, file: &Self::File) -> io::Result<u64>;

    /// The time of last access, as it is now.
    fn atime_of_file(&self, file: &Self::File) -> io::Result<Timespec>;

    /// The same for a directory.
    fn atime_of_dir(&self, dir: &Self::Dir) -> io::Result<Timespec>;

    /// The text of a symbolic link.
    fn link_text(&self, item: &Self::Item) -> io::Result<Vec<u8>>;
}

/// An existing file that is about to be written over.
pub(crate) struct Existing<'a> {
    pub(super) meta: Meta,
    /// Sets its time of last access.
    pub(super) touch: &'a dyn Fn(Timespec) -> io::Result<()>,
}

/// May refuse to write over a file.
pub(crate) type Check<'a> = &'a dyn Fn(Existing<'_>) -> io::Result<()>;

/// The side that is written. Names are single components; nothing is followed.
pub(crate) trait Target: Sync {
    /// A directory.
    type Dir: Send + Sync;
    /// A regular file, open for writing.
    type File: Send + Sync;

    /// The directory that copies are made in.
    fn base(&self) -> io::Result<Self::Dir>;

    /// Makes a directory that only its owner can enter, or takes the one that is there.
    fn directory(&self, at: &Self::Dir, name: &[u8]) -> io::Result<Self::Dir>;

    /// Sets a directory's time of last access.
    fn touch_dir(&self, dir: &Self::Dir, atime: Timespec) -> io::Result<()>;

    /// Makes a regular file that only its owner can read, or empties the one that is there if
    /// `check` lets it; a symbolic link that is there is replaced.
    fn file(
        &self,
        at: &Self::Dir,
        name: &[u8],
        meta: &Meta,
        check: Check<'_>,
    ) -> io::Result<Self::File>;

    /// Writes all of it.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sets the length.
    fn set_len(&self, file: &Self::File, length: u64) -> io::Result<()>;

    /// Gives a file, named so in `at`, what it is to have.
    fn finish_file(
        &self,
        file: Self::File,
        at: &Self::Dir,
        name: &[u8],
        details: &Details,
    ) -> io::Result<()>;

    /// Gives a directory what it is to have.
    fn finish_dir(&self, dir: &Self::Dir, details: &Details) -> io::Result<()>;

    /// Makes a symbolic link, in place of a file if one is there.
    fn symlink(&self, at: &Self::Dir, name: &[u8], text: &[u8], meta: &Meta) -> io::Result<()>;

    /// Makes a device node or FIFO, in place of a symbolic link or one of its kind.
    fn special(&self, at: &Self::Dir, name: &[u8], meta: &Meta) -> io::Result<()>;

    /// Gives a copy made before one more name; `to` is its path from the base on.
    fn link(&self, at: &Self::Dir, name: &[u8], to: &[Vec<u8>]) -> io::Result<()>;

    /// Whether something of this name is there.
    fn exists(&self, at: &Self::Dir, name: &[u8]) -> io::Result<bool>;
}
