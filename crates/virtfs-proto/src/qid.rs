//! The server's identification of a file, and the list of them that a walk answers.

use core::fmt;

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{DecodeError, EncodeError};

bitflags::bitflags! {
    /// What sort of file a [`Qid`] stands for. No bits: a regular file.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct QidType: u8 {
        /// A directory.
        const DIR = 0x80;
        /// Writes append, whatever their offset.
        const APPEND = 0x40;
        /// At most one open at a time.
        const EXCL = 0x20;
        /// A mounted channel.
        const MOUNT = 0x10;
        /// An authentication file.
        const AUTH = 0x08;
        /// Not included in backups.
        const TMP = 0x04;
        /// A symbolic link (9P2000.u, .L).
        const SYMLINK = 0x02;
        /// A hard link (9P2000.u).
        const LINK = 0x01;
    }
}

/// The server's identification of a file (intro(5)): type\[1\] version\[4\] path\[8\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Qid {
    /// What sort of file it is.
    pub kind: QidType,
    /// Changes when the file's contents change; 0 tells clients not to cache.
    pub version: u32,
    /// Equal for two files of one server exactly if they are the same file.
    pub path: u64,
}

impl Qid {
    /// The length of a qid on the wire.
    pub const LEN: usize = 13;

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Qid {
        let &[kind, v0, v1, v2, v3, p0, p1, p2, p3, p4, p5, p6, p7] = bytes;
        Qid {
            kind: QidType::from_bits_retain(kind),
            version: u32::from_le_bytes([v0, v1, v2, v3]),
            path: u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
        }
    }
}

impl<'a> Wire<'a> for Qid {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field).map(|bytes| Qid::from_bytes(&bytes))
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        self.kind.bits().put(writer, field)?;
        self.version.put(writer, field)?;
        self.path.put(writer, field)
    }
}

/// The qids of an `Rwalk`: received ones, still in the message's bytes, or ones to be sent.
///
/// Equality compares the qids, wherever they lie.
#[derive(Clone, Copy)]
pub struct Qids<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// Whole qids, at most 65,535 of them, nothing behind them.
    Wire(&'a [u8]),
    Slice(&'a [Qid]),
}

impl<'a> Qids<'a> {
    /// Qids to be sent. More than 65,535 cannot be encoded.
    pub const fn from_slice(qids: &'a [Qid]) -> Qids<'a> {
        Qids(Source::Slice(qids))
    }

    /// How many qids there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Wire(bytes) => bytes.len() / Qid::LEN,
            Source::Slice(qids) => qids.len(),
        }
    }

    /// Whether there are none: the fid was cloned.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The qids in order.
    pub const fn iter(&self) -> QidsIter<'a> {
        QidsIter(self.0)
    }
}

impl Default for Qids<'_> {
    fn default() -> Self {
        Qids::from_slice(&[])
    }
}

impl PartialEq for Qids<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Qids<'_> {}

impl fmt::Debug for Qids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Qids<'a> {
    type Item = Qid;
    type IntoIter = QidsIter<'a>;

    fn into_iter(self) -> QidsIter<'a> {
        self.iter()
    }
}

/// Iterates over [`Qids`].
#[derive(Clone)]
pub struct QidsIter<'a>(Source<'a>);

impl Iterator for QidsIter<'_> {
    type Item = Qid;

    fn next(&mut self) -> Option<Qid> {
        match &mut self.0 {
            Source::Wire(bytes) => {
                let (qid, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Qid::from_bytes(qid))
            }
            Source::Slice(qids) => {
                let (qid, rest) = qids.split_first()?;
                *qids = rest;
                Some(*qid)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = Qids(self.0).len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for QidsIter<'_> {}

impl<'a> Wire<'a> for Qids<'a> {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        let count = u16::get(reader, "nwqid")?;
        let start = reader.rest();
        for index in 0..count {
            reader.bytes(Qid::LEN, field, Some(index))?;
        }
        let len = start.len() - reader.rest().len();
        Ok(Qids(Source::Wire(start.get(..len).unwrap_or_default())))
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        writer.count(self.len(), "nwqid")?;
        self.iter().try_for_each(|qid| qid.put(writer, field))
    }
}
