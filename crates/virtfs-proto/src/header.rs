//! The seven bytes that every message starts with.

use crate::kind;
use crate::reader::Reader;
use crate::{DecodeError, Dialect};

/// The length of [`Header`] on the wire: size\[4\] type\[1\] tag\[2\].
pub const HEADER_LEN: usize = 7;

/// The start of every message (intro(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The length of the whole message in bytes, these seven and the payload included.
    pub size: u32,
    /// The type byte, see [`kind`].
    pub kind: u8,
    /// What ties a reply to its request.
    pub tag: u16,
}

impl Header {
    /// Reads the header from the first seven bytes of a message; what is behind them is ignored.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] with fewer than seven bytes, [`DecodeError::BadSize`] if the
    /// message claims to be shorter than its header. An unknown type is not an error here.
    pub fn decode(bytes: &[u8]) -> Result<Header, DecodeError> {
        // The header looks the same in every dialect.
        let mut reader = Reader::new("header", Dialect::Plain, bytes);
        let size = u32::from_le_bytes(reader.array("size")?);
        let [kind] = reader.array("type")?;
        let tag = u16::from_le_bytes(reader.array("tag")?);
        if (size as usize) < HEADER_LEN {
            return Err(DecodeError::BadSize(size));
        }
        Ok(Header { size, kind, tag })
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let [s0, s1, s2, s3] = self.size.to_le_bytes();
        let [t0, t1] = self.tag.to_le_bytes();
        [s0, s1, s2, s3, self.kind, t0, t1]
    }
}

/// How many bytes of a message of this type and size are its head: all that decoding needs.
///
/// The rest is payload, which only `Twrite`, `Rread` and `Rreaddir` have. A message too short for
/// its head is all head, and decoding it fails.
pub const fn head_len(kind: u8, size: u32) -> u32 {
    let head = match kind {
        kind::TWRITE => 23,
        kind::RREAD | kind::RREADDIR => 11,
        _ => return size,
    };
    if size < head { size } else { head }
}
