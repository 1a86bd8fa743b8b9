//! What is wrong with the metadata that the mapped models keep below a directory, told without
//! changing anything.
//!
//! [`Check::run`] goes through all that a server of the directory could show: into other file
//! systems too, unless told otherwise, but never along a symbolic link and never out of the
//! directory. It opens directories, metadata files and the texts of stored links, and nothing
//! else; with `O_NOATIME` where the kernel allows it, which is for the owner and root.
//!
//! - `walk` is the way through the tree, on few descriptors and without recursion.
//! - `directory` looks at the entries of one directory, `folder` at its metadata folder.
//! - `xattrs`, `acl` and `endian` judge what `mapped-xattr` stores, `text` what `mapped-file`
//!   does, `values` and `content` what both mean by it, `links` the hard links.

mod acl;
mod content;
mod directory;
mod endian;
mod folder;
mod links;
mod problem;
mod read;
mod text;
mod values;
mod walk;
mod xattrs;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use self::directory::Run;
use crate::inode::{LOOK, look};

/// What to look for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Check {
    /// The extended attributes of `mapped-xattr`.
    pub mapped_xattr: bool,
    /// The metadata files of `mapped-file`.
    pub mapped_file: bool,
    /// Whether to leave out directories that are on another device than the first.
    pub one_device: bool,
}

impl Default for Check {
    /// Everything that is there, of both models.
    fn default() -> Self {
        Self {
            mapped_xattr: true,
            mapped_file: true,
            one_device: false,
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Nothing is wrong, but somebody may wonder.
    Note,
    /// Clients see what they should, or nobody knows what they should see; or it waits to do harm.
    Warning,
    /// Clients see what nobody stored, or cannot use the file.
    Error,
    /// It could not be looked at: what is wrong with it is not known.
    Unchecked,
}

impl Severity {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unchecked => "not checked",
        }
    }
}

/// Something found.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a> {
    /// Where, from the directory that is checked; empty for that itself. Any bytes but NUL.
    pub path: &'a [u8],
    /// How bad it is.
    pub severity: Severity,
    /// What it is. Printable whatever the tree holds.
    pub what: &'a str,
    /// What would mend it; empty where nothing has to be done.
    pub mend: &'a str,
}

/// Who is told. What breaks ends the check.
pub trait Watch {
    /// Of something found.
    fn found(&mut self, finding: &Finding<'_>) -> ControlFlow<()>;

    /// Of each entry, before it is looked at; `entries` were before it.
    fn looking(&mut self, _entries: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What it came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Entries and metadata files looked at.
    pub entries: u64,
    /// How many findings were [`Severity::Error`].
    pub errors: u64,
    /// How many were [`Severity::Warning`].
    pub warnings: u64,
    /// How many were [`Severity::Note`].
    pub notes: u64,
    /// How many were [`Severity::Unchecked`].
    pub unchecked: u64,
    /// Whether there was metadata of `mapped-xattr`.
    pub mapped_xattr: bool,
    /// Whether there was metadata of `mapped-file`.
    pub mapped_file: bool,
    /// Whether the watcher ended it.
    pub ended: bool,
}

impl Check {
    /// Looks at a directory and all below it. `dir` itself may be reached by symbolic links.
    ///
    /// A server may work there meanwhile; then what it had half done may be told of.
    ///
    /// # Errors
    ///
    /// If the directory cannot be opened, or `/proc` is not there. What goes wrong further down is
    /// a finding.
    pub fn run(&self, dir: &Path, watch: &mut dyn Watch) -> io::Result<Outcome> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root: OwnedFd = openat(CWD, dir, flags, Mode::empty())?;
        let stat = look(root.as_fd(), LOOK)?;
        Ok(Run::new(*self, root, &stat, watch)?.all())
    }
}
