//! The security models that both servers have.

/// Who owns on the host what clients create, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// The client's owner as the host's own.
    Passthrough,
    /// The same where that is permitted.
    None,
    /// In extended attributes.
    MappedXattr,
    /// In files beside.
    MappedFile,
}

impl Model {
    /// All of them.
    pub const ALL: [Model; 4] = [
        Self::Passthrough,
        Self::None,
        Self::MappedXattr,
        Self::MappedFile,
    ];

    /// Its name as both servers take it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passthrough => "passthrough",
            Self::None => "none",
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
        }
    }

    /// Whether owners, modes and types are kept beside the host's own.
    pub fn is_mapped(self) -> bool {
        matches!(self, Self::MappedXattr | Self::MappedFile)
    }
}
