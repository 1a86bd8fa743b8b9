//! What can be chosen for an export.

use std::fmt;
use std::str::FromStr;

use crate::ids::{IdMap, Owner, Squash};

/// How a [`crate::LocalFs`] serves its directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who owns what clients create.
    pub model: SecurityModel,
    /// The permission bits of the host's files, special files and links in the mapped models
    /// (`fmode`), and of its directories (`dmode`), less the process's umask: 0600 and 0700. The
    /// server has to be able to read and write by them.
    pub fmode: u32,
    /// See [`Options::fmode`].
    pub dmode: u32,
    /// User and group to show in the mapped models for files that have none stored (those that
    /// the host made); the host's own if `None`.
    pub default_owner: Option<Owner>,
    /// The users of clients and those of the host, in the models that are not mapped. A user of
    /// the host's without counterpart shows as [`OVERFLOW_ID`](crate::OVERFLOW_ID); one of the
    /// client's can neither own nor make anything (`EINVAL`; under [`SecurityModel::None`] what it
    /// makes is the server's).
    pub uid_map: IdMap,
    /// The same for groups.
    pub gid_map: IdMap,
    /// Whose files become somebody else's, in the models that are not mapped: for what is made,
    /// given away, and named in an ACL. It comes before the maps.
    pub squash: Squash,
    /// What becomes of files on other devices than the root's.
    pub multidevs: Multidevs,
    /// Called once, under [`Multidevs::Warn`], when such a file is met.
    pub on_other_device: Option<fn()>,
    /// Which extended attributes clients have.
    pub xattr: Xattrs,
    /// When the host begins to write to its disk what clients wrote.
    pub writeout: Writeout,
    /// Every change answers `EROFS`.
    pub readonly: bool,
    /// How changes are kept inside the export when directories are moved out of it.
    pub containment: Containment,
    /// Whether the process has restricted itself by Landlock, which need not be what `containment`
    /// relies on: then a file is only found again where the kernel knows its directory.
    pub landlock_in_force: bool,
    /// How nodes are found again whose descriptors were closed.
    pub file_handles: FileHandles,
    /// How many descriptors may be held for nodes; beyond it those that were not used lately are
    /// closed and brought back on use. Open files are not counted.
    pub max_nodes_open: usize,
    /// How many descriptors may be held for open files and locks; beyond it files that were not
    /// used lately are closed and opened again on use. `EMFILE` where that cannot be done:
    /// directories, locks, and files with no name, or several, stay open.
    pub max_files_open: usize,
}

impl Default for Options {
    /// Passthrough, writable, verified; of the soft `RLIMIT_NOFILE` half for nodes and a quarter
    /// for open files.
    fn default() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let share = |part| usize::try_from(limit.unwrap_or(1 << 20) / part).unwrap_or(usize::MAX);
        Self {
            model: SecurityModel::Passthrough,
            fmode: 0o600,
            dmode: 0o700,
            default_owner: None,
            uid_map: IdMap::default(),
            gid_map: IdMap::default(),
            squash: Squash::None,
            multidevs: Multidevs::Remap,
            on_other_device: None,
            xattr: Xattrs::User,
            writeout: Writeout::Later,
            readonly: false,
            containment: Containment::Verify,
            landlock_in_force: false,
            file_handles: FileHandles::Prefer,
            max_nodes_open: share(2).max(16),
            max_files_open: share(4).max(16),
        }
    }
}

/// Who owns what clients create (`security_model`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecurityModel {
    /// The client's user and group, as the host's own; needs the right to change owners.
    Passthrough,
    /// The client's user and group where that is permitted, else the server's.
    None,
    /// Owner, mode, kind and device are kept in extended attributes of the host's file, as QEMU
    /// does under `mapped-xattr`; needs no privilege.
    MappedXattr,
    /// The same, in files beside the host's (`.virtfs_metadata`), as QEMU does under
    /// `mapped-file`; for file systems without extended attributes.
    MappedFile,
}

impl SecurityModel {
    /// The name by which users choose it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::None => "none",
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
        }
    }

    /// Whether owners, modes and kinds of files are kept beside the host's own: then everything
    /// on the host belongs to the server, which needs no privilege for it.
    pub fn is_mapped(self) -> bool {
        match self {
            Self::Passthrough | Self::None => false,
            Self::MappedXattr | Self::MappedFile => true,
        }
    }
}

/// How nodes are found again whose descriptors were closed to save them (`inode_file_handles`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FileHandles {
    /// By their entries alone: what the host moves meanwhile is lost (`ESTALE`).
    Never,
    /// By the kernel's file handles too, where the server may open them (`CAP_DAC_READ_SEARCH`) and
    /// the file system has them.
    #[default]
    Prefer,
    /// Only what a handle leads back to loses its descriptor. [`LocalFs`](crate::LocalFs) is not
    /// made (`EOPNOTSUPP`) where the root has no handle that can be opened.
    Mandatory,
}

/// What becomes of files on devices that are mounted below the root (`multidevs`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Multidevs {
    /// The device is a part of their `qid.path`, so that no two files have the same.
    #[default]
    Remap,
    /// They are listed and cannot be reached: `ENODEV`.
    Forbid,
    /// Their `qid.path` is their inode number: two files may have the same, and a client that
    /// caches may take one for the other.
    Warn,
}

/// Which extended attributes clients have, beside POSIX ACLs where the model has them. The rest
/// answers `EOPNOTSUPP` and is not listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Xattrs {
    /// `user.*`, as QEMU.
    #[default]
    User,
    /// `security.*` too. The mapped models keep them, and `trusted.*`, where they mean nothing to
    /// the host (`user.virtfs.security.*`); under the others they are the host's own, which takes
    /// privileges.
    Security,
    /// `trusted.*` too, and whatever else the host has under the models that are not mapped.
    All,
}

/// When the host begins to write to its disk what clients wrote (`writeout`). Nothing is promised to
/// be there before a `Tfsync`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Writeout {
    /// When it sees fit.
    #[default]
    Later,
    /// With each `Twrite`, so that its page cache does not fill up with what is still to be written.
    /// Costs a call.
    Immediate,
}

/// A name that is no [`SecurityModel`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseModelError(String);

impl fmt::Display for ParseModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid security model '{}' (valid: passthrough, none, mapped-xattr, mapped-file)",
            self.0
        )
    }
}

impl std::error::Error for ParseModelError {}

impl FromStr for SecurityModel {
    type Err = ParseModelError;

    fn from_str(name: &str) -> Result<Self, ParseModelError> {
        match name {
            "passthrough" => Ok(Self::Passthrough),
            "none" => Ok(Self::None),
            "mapped" | "mapped-xattr" => Ok(Self::MappedXattr),
            "mapped-file" => Ok(Self::MappedFile),
            _ => Err(ParseModelError(name.to_owned())),
        }
    }
}

/// What holds when the host, or another export, moves a directory out of the export while a
/// client stands in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Containment {
    /// Before each change below a directory the entries up to the root are checked: one call for
    /// each level.
    Verify,
    /// The process has restricted itself by Landlock to the export, so that the kernel refuses
    /// such a change; entries are checked only after a directory was moved, and to name the error.
    Landlock,
    /// The directory is the root of a mount of its own, above which the kernel knows no `..`: before
    /// each change below a directory the kernel is asked for its `..`. One call, whatever the depth,
    /// and it knows what the host renamed inside the export. (From 6.19 on Landlock takes what has
    /// left a mount for what is at its root, so that it does not contain what was moved.)
    Mount,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_as_users_name_them() {
        assert_eq!("passthrough".parse(), Ok(SecurityModel::Passthrough));
        assert_eq!("none".parse(), Ok(SecurityModel::None));
        assert_eq!("mapped".parse(), Ok(SecurityModel::MappedXattr));
        for model in [
            SecurityModel::Passthrough,
            SecurityModel::None,
            SecurityModel::MappedXattr,
            SecurityModel::MappedFile,
        ] {
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert!("mapped-".parse::<SecurityModel>().is_err());
    }
}
