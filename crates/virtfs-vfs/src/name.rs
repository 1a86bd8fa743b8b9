//! A name: one component of a path, as a client may give it.

use crate::Errno;

/// One component of a path: 1 to 255 bytes, none of them `/` or NUL. `.` and `..` are names that
/// only a walk may carry; see [`Name::is_entry`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Name<'a>(&'a [u8]);

/// The longest name that Linux file systems take, in bytes.
const NAME_MAX: usize = 255;

impl<'a> Name<'a> {
    /// Takes bytes for a name. Errors: `ENOENT` when they are empty or hold `/` or NUL (QEMU's
    /// answer), `ENAMETOOLONG` beyond 255 bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Errno> {
        if bytes.is_empty() || bytes.iter().any(|b| matches!(b, b'/' | 0)) {
            return Err(Errno::ENOENT);
        }
        if bytes.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(Self(bytes))
    }

    /// The bytes; any encoding.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether this is `.`.
    pub fn is_dot(self) -> bool {
        self.0 == b"."
    }

    /// Whether this is `..`.
    pub fn is_dotdot(self) -> bool {
        self.0 == b".."
    }

    /// Whether an entry of this name can be made, moved or removed: neither `.` nor `..`.
    pub fn is_entry(self) -> bool {
        !self.is_dot() && !self.is_dotdot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_components_are_names() {
        for bad in [&b""[..], b"/", b"a/b", b"a\0b"] {
            assert_eq!(Name::new(bad), Err(Errno::ENOENT));
        }
        assert_eq!(Name::new(&[b'x'; 256]), Err(Errno::ENAMETOOLONG));
        assert!(Name::new(&[0xff; 255]).is_ok());
        assert!(!Name::new(b"..").unwrap().is_entry());
        assert!(Name::new(b"...").unwrap().is_entry());
    }
}
