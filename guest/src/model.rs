//! The ownership models, and who serves them.

use std::fmt;

/// What a server makes of the owners, modes and special files of its clients (`security_model` of
/// QEMU, `--security-model` of virtfs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// They are the host's own.
    Passthrough,
    /// What the server's user may not give is not given.
    None,
    /// They are kept in extended attributes.
    MappedXattr,
    /// They are kept in folders beside the files.
    MappedFile,
}

/// Nobody on the host, and nobody in the items.
const ORDINARY_USER: u32 = 7000;

impl Model {
    /// The value of the option.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::None => "none",
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
        }
    }

    /// The user (and group) that the server runs as, who owns the export: root (`None`) only
    /// where nothing less will do.
    pub const fn user(self) -> Option<u32> {
        match self {
            Self::Passthrough => None,
            Self::None | Self::MappedXattr | Self::MappedFile => Some(ORDINARY_USER),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
