//! Takes fields off the front of received bytes, and knows the message's name for errors.

use crate::{DecodeError, Dialect};

/// What is left to read of one message.
pub(crate) struct Reader<'a> {
    message: &'static str,
    dialect: Dialect,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'static str, dialect: Dialect, bytes: &'a [u8]) -> Self {
        Reader {
            message,
            dialect,
            rest: bytes,
        }
    }

    pub(crate) fn message(&self) -> &'static str {
        self.message
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The bytes that no field has taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.truncated(field, None))?;
        self.rest = rest;
        Ok(*array)
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(
        &mut self,
        len: usize,
        field: &'static str,
        index: Option<u16>,
    ) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.truncated(field, index))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A string: its length in two bytes, then that many bytes.
    pub(crate) fn string(
        &mut self,
        field: &'static str,
        index: Option<u16>,
    ) -> Result<&'a [u8], DecodeError> {
        let (len, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.truncated(field, index))?;
        self.rest = rest;
        self.bytes(u16::from_le_bytes(*len).into(), field, index)
    }

    /// A reader over the next `len` bytes alone.
    pub(crate) fn part(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<Reader<'a>, DecodeError> {
        let bytes = self.bytes(len, field, None)?;
        Ok(Reader::new(self.message, self.dialect, bytes))
    }

    /// Ends the message: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes {
                message: self.message,
                extra,
            }),
        }
    }

    fn truncated(&self, field: &'static str, index: Option<u16>) -> DecodeError {
        DecodeError::Truncated {
            message: self.message,
            field,
            index,
        }
    }
}
