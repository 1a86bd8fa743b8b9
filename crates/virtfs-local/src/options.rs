//! What can be chosen for an export.

use std::fmt;
use std::str::FromStr;

/// How a [`crate::LocalFs`] serves its directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who owns what clients create.
    pub model: SecurityModel,
    /// Every change answers `EROFS`.
    pub readonly: bool,
    /// How changes are kept inside the export when directories are moved out of it.
    pub containment: Containment,
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
            readonly: false,
            containment: Containment::Verify,
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
}

/// A name that is no [`SecurityModel`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseModelError(String);

impl fmt::Display for ParseModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid security model '{}' (valid: passthrough, none)",
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_as_users_name_them() {
        assert_eq!("passthrough".parse(), Ok(SecurityModel::Passthrough));
        assert_eq!("none".parse(), Ok(SecurityModel::None));
        assert!("mapped".parse::<SecurityModel>().is_err());
    }
}
