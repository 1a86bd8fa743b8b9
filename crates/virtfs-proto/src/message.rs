//! What requests and replies have in common: header, head, payload.

use crate::header::{HEADER_LEN, Header, head_len};
use crate::kind::name_of;
use crate::reader::Reader;
use crate::wire::Record;
use crate::writer::Writer;
use crate::{DecodeError, Dialect, EncodeError};

/// Defines the structs of all requests or all replies, and the enum over them.
///
/// An entry is `TYPE Variant => Name { fields }`, with `TYPE` from [`crate::kind`] and fields as
/// [`record!`] takes them.
macro_rules! messages {
    (
        $(#[$enum_meta:meta])*
        enum $enum:ident;

        $(
            $(#[$meta:meta])*
            $kind:ident $variant:ident => $name:ident $(<$lt:lifetime>)? { $($fields:tt)* }
        )*
    ) => {
        $(#[$enum_meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $enum<'a> {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $variant($name $(<$lt>)?),
            )*
        }

        impl<'a> $enum<'a> {
            /// Reads a message from its whole head, the 7-byte header included
            /// (see [`head_len`](crate::head_len)), and gives its tag with it.
            ///
            /// Strings and lists borrow from `head`. The dialect decides the layout of fields; it
            /// forbids no message.
            ///
            /// # Errors
            ///
            /// [`DecodeError`](crate::DecodeError) names the message and the field: the head is
            /// too short or too long, or disagrees with the header's size or a payload's count.
            pub fn decode(
                dialect: $crate::Dialect,
                head: &'a [u8],
            ) -> Result<(u16, $enum<'a>), $crate::DecodeError> {
                let (header, mut reader) = $crate::message::open(dialect, head)?;
                let message = match header.kind {
                    $($crate::kind::$kind => {
                        Self::$variant($crate::wire::Record::get_fields(&mut reader)?)
                    })*
                    other => return Err($crate::DecodeError::UnknownKind(other)),
                };
                reader.finish()?;
                $crate::message::check_payload(&header, head, message.payload_len())?;
                Ok((header.tag, message))
            }

            /// Writes header and fields to the start of `buf` and returns the head's length.
            ///
            /// The size in the header includes the payload, if the message has one; the caller
            /// puts that behind the head.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError): `buf` is too small, or a field is longer than
            /// the wire can say. What `buf` then holds is unspecified.
            pub fn encode(
                &self,
                dialect: $crate::Dialect,
                tag: u16,
                buf: &mut [u8],
            ) -> Result<usize, $crate::EncodeError> {
                let (kind, payload) = (self.kind(), self.payload_len());
                match self {
                    $(Self::$variant(body) => {
                        let name = stringify!($name);
                        $crate::message::encode(name, body, dialect, kind, tag, payload, buf)
                    })*
                }
            }

            /// The type byte, see [`kind`](crate::kind).
            pub const fn kind(&self) -> u8 {
                match self {
                    $(Self::$variant(_) => $crate::kind::$kind,)*
                }
            }

            /// The message's name in the protocol, such as `Twalk`.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($name),)*
                }
            }
        }

        $(
            record! {
                $(#[$meta])*
                $name $(<$lt>)? { $($fields)* }
            }

            impl<'a> From<$name $(<$lt>)?> for $enum<'a> {
                fn from(message: $name $(<$lt>)?) -> $enum<'a> {
                    $enum::$variant(message)
                }
            }
        )*
    };
}

/// Reads the header, holds it against the bytes, and gives a reader over what is behind it.
pub(crate) fn open(dialect: Dialect, head: &[u8]) -> Result<(Header, Reader<'_>), DecodeError> {
    let header = Header::decode(head)?;
    let message = name_of(header.kind).unwrap_or("header");
    let (says, actual) = (head_len(header.kind, header.size) as u64, head.len() as u64);
    if says != actual {
        return Err(DecodeError::SizeMismatch {
            message,
            field: "size",
            says,
            actual,
        });
    }
    let body = head.get(HEADER_LEN..).unwrap_or_default();
    Ok((header, Reader::new(message, dialect, body)))
}

/// Holds the count of payload bytes against the message's size.
pub(crate) fn check_payload(header: &Header, head: &[u8], payload: u32) -> Result<(), DecodeError> {
    let (says, actual) = (
        payload as u64,
        (header.size as u64).saturating_sub(head.len() as u64),
    );
    if says != actual {
        let message = name_of(header.kind).unwrap_or("header");
        return Err(DecodeError::SizeMismatch {
            message,
            field: "count",
            says,
            actual,
        });
    }
    Ok(())
}

/// Writes a message's head.
pub(crate) fn encode<'a>(
    message: &'static str,
    body: &impl Record<'a>,
    dialect: Dialect,
    kind: u8,
    tag: u16,
    payload: u32,
    buf: &mut [u8],
) -> Result<usize, EncodeError> {
    let (header, room) = buf
        .split_first_chunk_mut::<HEADER_LEN>()
        .ok_or(EncodeError::BufferTooSmall { message })?;
    let mut writer = Writer::new(message, dialect, room);
    body.put_fields(&mut writer)?;
    let head = HEADER_LEN + writer.written();
    let size = u32::try_from(head as u64 + payload as u64).map_err(|_| EncodeError::TooLong {
        message,
        field: "count",
    })?;
    *header = Header { size, kind, tag }.encode();
    Ok(head)
}
