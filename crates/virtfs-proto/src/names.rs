//! The names of a walk.

use core::fmt;

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{DecodeError, EncodeError};

/// The names of a `Twalk`: received ones, still in the message's bytes, or ones to be sent.
///
/// Equality compares the names, wherever they lie. A received list may hold more than
/// [`MAX_WALK`](crate::MAX_WALK) names.
#[derive(Clone, Copy)]
pub struct Names<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// `count` strings, whole, nothing behind them.
    Wire {
        count: u16,
        bytes: &'a [u8],
    },
    Slice(&'a [&'a [u8]]),
}

impl<'a> Names<'a> {
    /// Names to be sent. More than 65,535 cannot be encoded; servers take up to 16.
    pub const fn from_slice(names: &'a [&'a [u8]]) -> Names<'a> {
        Names(Source::Slice(names))
    }

    /// How many names there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Wire { count, .. } => count as usize,
            Source::Slice(names) => names.len(),
        }
    }

    /// Whether there are none: such a walk clones the fid.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names in order.
    pub const fn iter(&self) -> NamesIter<'a> {
        NamesIter(self.0)
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        Names::from_slice(&[])
    }
}

impl PartialEq for Names<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names<'_> {}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Names<'a> {
    type Item = &'a [u8];
    type IntoIter = NamesIter<'a>;

    fn into_iter(self) -> NamesIter<'a> {
        self.iter()
    }
}

/// Iterates over [`Names`].
#[derive(Clone)]
pub struct NamesIter<'a>(Source<'a>);

impl<'a> Iterator for NamesIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Source::Wire { count, bytes } => {
                let (len, rest) = bytes.split_first_chunk()?;
                let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
                (*count, *bytes) = (count.saturating_sub(1), rest);
                Some(name)
            }
            Source::Slice(names) => {
                let (name, rest) = names.split_first()?;
                *names = rest;
                Some(name)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = Names(self.0).len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for NamesIter<'_> {}

impl<'a> Wire<'a> for Names<'a> {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let count = u16::get(reader, "nwname")?;
        let start = reader.rest();
        for index in 0..count {
            reader.string(field, Some(index))?;
        }
        let len = start.len() - reader.rest().len();
        Ok(Names(Source::Wire {
            count,
            bytes: start.get(..len).unwrap_or_default(),
        }))
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        writer.count(self.len(), "nwname")?;
        self.iter().try_for_each(|name| writer.string(name, field))
    }
}
