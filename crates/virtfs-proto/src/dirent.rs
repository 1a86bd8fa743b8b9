//! The entries in the payload of an `Rreaddir`.

use core::iter::FusedIterator;

use crate::reader::Reader;
use crate::wire::Record;
use crate::writer::Writer;
use crate::{DecodeError, Dialect, EncodeError, Qid};

const MESSAGE: &str = "Rreaddir";

record! {
    /// One entry of a directory in the payload of an `Rreaddir` (9P2000.L).
    DirEntry<'a> {
        /// The file; clients use its path as inode number.
        qid: Qid,
        /// What `Treaddir` passes as `offset` to go on behind this entry. Opaque.
        offset: u64,
        /// The file's type as `d_type` of readdir(3); 0 if unknown.
        kind: u8 as "type",
        /// The entry's name, unchecked.
        name: &'a [u8],
    }
}

impl<'a> DirEntry<'a> {
    /// How many bytes the entry takes in the payload.
    pub const fn encoded_len(&self) -> usize {
        24 + self.name.len()
    }

    /// Writes the entry to the start of `buf` and returns its length.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BufferTooSmall`], then nothing useful is in `buf`;
    /// [`EncodeError::TooLong`] for a name of more than 65,535 bytes.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(MESSAGE, Dialect::L, buf);
        self.put_fields(&mut writer)?;
        Ok(writer.written())
    }
}

/// Iterates over the payload of an `Rreaddir`. It ends behind the first error.
#[derive(Debug, Clone)]
pub struct DirEntries<'a> {
    payload: &'a [u8],
}

impl<'a> DirEntries<'a> {
    /// The entries in a payload.
    pub const fn new(payload: &'a [u8]) -> DirEntries<'a> {
        DirEntries { payload }
    }
}

impl<'a> Iterator for DirEntries<'a> {
    type Item = Result<DirEntry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.payload.is_empty() {
            return None;
        }
        let mut reader = Reader::new(MESSAGE, Dialect::L, self.payload);
        let entry = DirEntry::get_fields(&mut reader);
        self.payload = if entry.is_ok() { reader.rest() } else { &[] };
        Some(entry)
    }
}

impl FusedIterator for DirEntries<'_> {}
