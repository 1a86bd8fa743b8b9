//! The ownership models that a folder is served with, and who serves.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::failure::{At, Result};

/// An ordinary user that is nobody's: no suite works as this one.
const SERVER: u32 = 64_321;

/// `--security-model` of `virtfs serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// Served by root, which alone can give files away.
    Passthrough,
    /// Served by an ordinary user, as is the next.
    MappedXattr,
    MappedFile,
}

impl Model {
    pub(crate) const ALL: [Self; 3] = [Self::Passthrough, Self::MappedXattr, Self::MappedFile];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
        }
    }

    /// A name for a folder: those of sockets in it must be short.
    pub(crate) fn initial(self) -> &'static str {
        match self {
            Self::Passthrough => "p",
            Self::MappedXattr => "x",
            Self::MappedFile => "f",
        }
    }

    fn user(self) -> Option<u32> {
        match self {
            Self::Passthrough => None,
            Self::MappedXattr | Self::MappedFile => Some(SERVER),
        }
    }

    /// The list of the cases of pjdfstest that cannot pass.
    pub(crate) fn exceptions(self) -> &'static str {
        match self {
            Self::Passthrough => "pjdfstest-exceptions.txt",
            Self::MappedXattr => "pjdfstest-mapped-xattr.txt",
            Self::MappedFile => "pjdfstest-mapped-file.txt",
        }
    }

    /// Gives a path to who serves.
    pub(crate) fn own(self, path: &Path) -> Result {
        chown(path, self.user(), self.user()).at(path.display())
    }

    /// A `program` of who serves.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = self.user() {
            command.uid(user).gid(user);
        }
        command
    }
}
