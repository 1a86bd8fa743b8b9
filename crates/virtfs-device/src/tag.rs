//! The tag by which a guest mounts the device, and the configuration space that tells it.

use std::fmt;

/// A mount tag: 1 to 254 bytes. Longer ones do not fit the 256 bytes of configuration space that
/// QEMU grants a vhost-user device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag(Vec<u8>);

/// Why a mount tag was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BadTag {
    /// It has no bytes.
    Empty,
    /// It has more than [`Tag::MAX`] bytes.
    TooLong,
    /// It has a NUL byte, where guests end it.
    Nul,
}

impl fmt::Display for BadTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a tag has at least one byte"),
            Self::TooLong => write!(f, "a tag has at most {} bytes", Tag::MAX),
            Self::Nul => f.write_str("a tag has no NUL byte"),
        }
    }
}

impl std::error::Error for BadTag {}

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX: usize = 254;

    /// A tag of these bytes.
    pub fn new(tag: impl Into<Vec<u8>>) -> Result<Self, BadTag> {
        let tag = tag.into();
        match tag.len() {
            0 => Err(BadTag::Empty),
            length if length > Self::MAX => Err(BadTag::TooLong),
            _ if tag.contains(&0) => Err(BadTag::Nul),
            _ => Ok(Self(tag)),
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How long the device's configuration space is at least: `struct virtio_9p_config`, the tag
    /// behind its length.
    pub fn config_len(&self) -> usize {
        2 + self.0.len()
    }

    /// Reads the configuration space from `offset` on; zeros behind its end.
    pub fn read_config(&self, offset: usize, into: &mut [u8]) {
        // 254 at most.
        let length = (self.0.len() as u16).to_le_bytes();
        let config = length.iter().chain(&self.0).copied();
        let rest = config.skip(offset).chain(std::iter::repeat(0));
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_space_is_the_length_and_the_tag_and_zeros() {
        let tag = Tag::new("share").unwrap();
        let read = |offset, length| {
            let mut into = vec![0xff; length];
            tag.read_config(offset, &mut into);
            into
        };
        assert_eq!(read(0, 10), b"\x05\0share\0\0\0");
        assert_eq!(read(1, 3), b"\0sh");
        assert_eq!(read(6, 2), b"e\0");
        assert_eq!(read(usize::MAX, 2), [0, 0]);
        assert_eq!(read(0, 0), []);
        assert_eq!(tag.config_len(), 7);
    }

    #[test]
    fn a_tag_has_1_to_254_bytes_and_no_nul() {
        assert_eq!(Tag::new(""), Err(BadTag::Empty));
        assert_eq!(Tag::new(vec![b'a'; 255]), Err(BadTag::TooLong));
        assert_eq!(Tag::new("a\0b"), Err(BadTag::Nul));
        assert!(Tag::new(vec![b'a'; 254]).is_ok());
    }
}
