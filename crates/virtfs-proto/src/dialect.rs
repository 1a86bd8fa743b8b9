//! The three dialects of 9P that a session can speak.

/// A dialect of 9P, agreed on by `Tversion` and `Rversion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `9P2000`, the protocol of Plan 9.
    Plain,
    /// `9P2000.u`, the Unix extension: numeric users, error numbers, special files.
    U,
    /// `9P2000.L`, the Linux dialect: Linux system calls as messages.
    L,
}

impl Dialect {
    /// All dialects.
    pub const ALL: [Dialect; 3] = [Dialect::Plain, Dialect::U, Dialect::L];

    /// The version string that `Tversion` and `Rversion` carry for this dialect.
    pub const fn version_string(self) -> &'static [u8] {
        match self {
            Dialect::Plain => b"9P2000",
            Dialect::U => b"9P2000.u",
            Dialect::L => b"9P2000.L",
        }
    }

    /// The dialect that a version string names exactly, or `None`.
    pub fn from_version(version: &[u8]) -> Option<Dialect> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.version_string() == version)
    }
}
