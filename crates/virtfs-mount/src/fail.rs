//! Errors on their way to the kernel.

use rustix::io::Errno;
use virtfs_client::Error;

/// A request failed: the errno that the kernel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fail(pub(crate) Errno);

pub(crate) type Result<T> = std::result::Result<T, Fail>;

impl Fail {
    /// Whether the server no longer knows the file behind a fid.
    pub(crate) fn is_gone(self) -> bool {
        matches!(self.0, Errno::NOENT | Errno::STALE)
    }
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

/// The kernel takes ENOSYS for "never ask again" and refuses what is no errno.
impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self(match error.errno() {
            ENOSYS => Errno::OPNOTSUPP,
            errno @ 1..512 => Errno::from_raw_os_error(errno),
            _ => Errno::IO,
        })
    }
}

const ENOSYS: i32 = Errno::NOSYS.raw_os_error();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_never_sees_what_it_would_misunderstand() {
        let seen = |errno| Fail::from(Error::Server(errno)).0;
        assert_eq!(seen(2), Errno::NOENT);
        assert_eq!(seen(ENOSYS), Errno::OPNOTSUPP);
        for odd in [0, -1, 512, 4096, i32::MAX, i32::MIN] {
            assert_eq!(seen(odd), Errno::IO);
        }
    }
}
