//! What can be wrong with bytes that claim to be a message, and with a message that is to be bytes.

use core::fmt;

use crate::kind::name_of;

/// Why bytes are not a message. The sender of the bytes is at fault.
///
/// `message` and `field` are the protocol's names, such as `Twalk` and `wname`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the field does.
    Truncated {
        /// The message, or the structure within a payload.
        message: &'static str,
        /// The first field that is not whole.
        field: &'static str,
        /// Which element it is, where the field is a list.
        index: Option<u16>,
    },
    /// Bytes are left over behind the last field.
    TrailingBytes {
        /// The message, or the structure within a payload.
        message: &'static str,
        /// How many bytes are left over.
        extra: usize,
    },
    /// A length in the message contradicts the number of bytes that are there.
    SizeMismatch {
        /// The message.
        message: &'static str,
        /// The field that holds the length.
        field: &'static str,
        /// The number of bytes that the field claims.
        says: u64,
        /// The number of bytes that are there.
        actual: u64,
    },
    /// The type byte is not that of a request (for [`Tmessage`](crate::Tmessage)) or not that of a
    /// reply (for [`Rmessage`](crate::Rmessage)).
    UnknownKind(u8),
    /// The header says that the message is shorter than a header.
    BadSize(u32),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated {
                message,
                field,
                index: None,
            } => {
                write!(f, "{message}: {field} runs past the end of the message")
            }
            Self::Truncated {
                message,
                field,
                index: Some(index),
            } => {
                write!(
                    f,
                    "{message}: {field}[{index}] runs past the end of the message"
                )
            }
            Self::TrailingBytes { message, extra } => {
                write!(f, "{message}: {extra} bytes too many behind the last field")
            }
            Self::SizeMismatch {
                message,
                field,
                says,
                actual,
            } => {
                write!(
                    f,
                    "{message}: {field} says {says} bytes, but there are {actual}"
                )
            }
            Self::UnknownKind(kind) => match name_of(kind) {
                Some(name) => write!(f, "message type {kind} ({name}) has no place here"),
                None => write!(f, "message type {kind} is unknown"),
            },
            Self::BadSize(size) => write!(f, "header: size {size} is less than a header's 7"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why a message cannot be bytes. The caller is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer has no room for the whole head.
    BufferTooSmall {
        /// The message or structure.
        message: &'static str,
    },
    /// A field holds more than its length on the wire can say: a string or a list of more than
    /// 65,535, a stat structure that large, or a payload that makes the message exceed 4 GiB.
    TooLong {
        /// The message or structure.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BufferTooSmall { message } => write!(f, "{message}: the buffer is too small"),
            Self::TooLong { message, field } => {
                write!(f, "{message}: {field} is longer than the wire can say")
            }
        }
    }
}

impl core::error::Error for EncodeError {}
