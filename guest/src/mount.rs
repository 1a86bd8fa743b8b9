//! How the guest mounts the export.

use std::fmt;

/// The client's caching (`cache=` of the Linux 9P client).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Nothing is cached, and no file can be mapped shared and writable.
    None,
    /// File pages, attributes and names are cached and never checked again.
    Loose,
    /// Pages of mapped files are cached.
    Mmap,
}

impl Cache {
    /// The value of the mount option.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Loose => "loose",
            Self::Mmap => "mmap",
        }
    }
}

impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As whom the client speaks to the server (`access=` of the Linux 9P client).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Each user attaches on their own, the server decides.
    User,
    /// As [`Access::User`], and the client checks ACLs too.
    Client,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Client => "client",
        })
    }
}

/// The options of a mount. An item may add to them (see [`crate::Item`]).
#[derive(Debug, Clone)]
pub struct Mount {
    /// Caching in the client.
    pub cache: Cache,
    /// Users and permissions.
    pub access: Access,
    /// Largest message asked for, in bytes.
    pub msize: u32,
}

impl Default for Mount {
    fn default() -> Self {
        Self {
            cache: Cache::None,
            access: Access::User,
            msize: 512_000,
        }
    }
}

impl Mount {
    /// The argument of `mount -o`, without what depends on the transport.
    pub(crate) fn options(&self) -> String {
        let Self {
            cache,
            access,
            msize,
        } = self;
        format!("version=9p2000.L,msize={msize},cache={cache},access={access}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_spelled_as_the_kernel_reads_them() {
        assert_eq!(
            Mount::default().options(),
            "version=9p2000.L,msize=512000,cache=none,access=user"
        );
        let mount = Mount {
            cache: Cache::Mmap,
            access: Access::Client,
            msize: 8192,
        };
        assert_eq!(
            mount.options(),
            "version=9p2000.L,msize=8192,cache=mmap,access=client"
        );
    }
}
