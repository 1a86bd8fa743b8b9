//! Bytes read from a file.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use crate::connection::Payload;

/// Bytes read from a file, where they arrived: in one piece, or in several if they did not fit in
/// one message. Their memory is used again when it is dropped.
pub struct Chunk {
    parts: Vec<Payload>,
    /// All in one piece, once somebody asked for that.
    joined: OnceLock<Vec<u8>>,
}

impl Chunk {
    pub(crate) fn new(parts: Vec<Payload>) -> Chunk {
        Chunk {
            parts,
            joined: OnceLock::new(),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none: the file ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order, for a vectored write.
    pub fn parts(&self) -> Vec<&[u8]> {
        self.parts.iter().map(|part| &**part).collect()
    }

    /// All bytes in a vector; one piece is not copied.
    pub fn into_vec(mut self) -> Vec<u8> {
        if let Some(joined) = self.joined.take() {
            return joined;
        }
        match self.parts.len() {
            1 => self.parts.pop().map(Payload::into_vec).unwrap_or_default(),
            _ => self.parts().concat(),
        }
    }
}

/// All bytes in one piece. Several pieces are joined, once.
impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self.parts.as_slice() {
            [] => &[],
            [part] => part,
            parts => self
                .joined
                .get_or_init(|| parts.iter().flat_map(|part| part.iter().copied()).collect()),
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
    }
}
