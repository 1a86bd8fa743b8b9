//! Puts fields at the end of what is written already of a message to be sent.

use crate::{Dialect, EncodeError};

/// The message written so far, and the room behind it.
pub(crate) struct Writer<'a> {
    message: &'static str,
    dialect: Dialect,
    buf: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(message: &'static str, dialect: Dialect, buf: &'a mut [u8]) -> Self {
        Writer {
            message,
            dialect,
            buf,
            written: 0,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many bytes have been written.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let room = self
            .buf
            .get_mut(self.written..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
            .ok_or(EncodeError::BufferTooSmall {
                message: self.message,
            })?;
        room.copy_from_slice(bytes);
        self.written += bytes.len();
        Ok(())
    }

    /// A length or a count, in two bytes.
    pub(crate) fn count(&mut self, count: usize, field: &'static str) -> Result<(), EncodeError> {
        let count = u16::try_from(count).map_err(|_| self.too_long(field))?;
        self.bytes(&count.to_le_bytes())
    }

    /// A string: its length in two bytes, then its bytes.
    pub(crate) fn string(&mut self, string: &[u8], field: &'static str) -> Result<(), EncodeError> {
        self.count(string.len(), field)?;
        self.bytes(string)
    }

    pub(crate) fn too_long(&self, field: &'static str) -> EncodeError {
        EncodeError::TooLong {
            message: self.message,
            field,
        }
    }
}
