//! The name of an entry, in as little memory as may be: there is one for each node.

use std::fmt;
use std::ops::Deref;

const SHORT: usize = 14;

/// A name; most are short enough to need no memory of their own. Boxes are of the sizes that the
/// usual allocators have anyway.
#[derive(Clone)]
pub(crate) enum EntryName {
    Short(u8, [u8; SHORT]),
    UpTo24(u8, Box<[u8; 24]>),
    UpTo40(u8, Box<[u8; 40]>),
    UpTo72(u8, Box<[u8; 72]>),
    UpTo136(u8, Box<[u8; 136]>),
    UpTo255(u8, Box<[u8; 255]>),
    /// No file system of Linux has it; a length that is not bounded elsewhere is not lost here.
    Longer(Box<Box<[u8]>>),
}

impl From<&[u8]> for EntryName {
    fn from(name: &[u8]) -> Self {
        let Ok(length) = u8::try_from(name.len()) else {
            return Self::Longer(Box::new(name.into()));
        };
        match length {
            0..=14 => Self::Short(length, padded(name)),
            15..=24 => Self::UpTo24(length, Box::new(padded(name))),
            25..=40 => Self::UpTo40(length, Box::new(padded(name))),
            41..=72 => Self::UpTo72(length, Box::new(padded(name))),
            73..=136 => Self::UpTo136(length, Box::new(padded(name))),
            137.. => Self::UpTo255(length, Box::new(padded(name))),
        }
    }
}

/// The bytes, and zeros up to the size.
fn padded<const SIZE: usize>(name: &[u8]) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    for (to, from) in bytes.iter_mut().zip(name) {
        *to = *from;
    }
    bytes
}

impl Deref for EntryName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let (length, bytes) = match self {
            Self::Short(length, bytes) => (length, &bytes[..]),
            Self::UpTo24(length, bytes) => (length, &bytes[..]),
            Self::UpTo40(length, bytes) => (length, &bytes[..]),
            Self::UpTo72(length, bytes) => (length, &bytes[..]),
            Self::UpTo136(length, bytes) => (length, &bytes[..]),
            Self::UpTo255(length, bytes) => (length, &bytes[..]),
            Self::Longer(bytes) => return bytes,
        };
        bytes.get(..usize::from(*length)).unwrap_or(bytes)
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_comes_back() {
        for length in 0..600 {
            let name: Vec<u8> = (0..length).map(|i| i as u8 | 1).collect();
            assert_eq!(*EntryName::from(&name[..]), name[..]);
        }
        assert_eq!(size_of::<EntryName>(), 16);
    }
}
