//! How a type of field, and a sequence of fields, look on the wire.

use crate::reader::Reader;
use crate::writer::Writer;
use crate::{DecodeError, EncodeError};

/// A type of field. `field` is the field's name in the protocol, for errors.
pub(crate) trait Wire<'a>: Sized {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError>;
    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError>;
}

/// Fields one behind another: the body of a message, or a structure within.
pub(crate) trait Record<'a>: Sized {
    fn get_fields(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
    fn put_fields(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;
}

/// Defines a struct together with its layout: the fields in the order of the wire.
///
/// - `field: Type`: a field that every dialect has;
/// - `field: Type as "name"`: the same, called `name` in the protocol;
/// - `field: Type [plain: value]`: not there in plain 9P2000, where it decodes as `value` and is
///   not encoded.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident $(<$lt:lifetime>)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty $(as $wire_name:literal)? $([plain: $absent:expr])?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name $(<$lt>)? {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        #[allow(unused_variables)] // some messages have no fields
        impl<'a> $crate::wire::Record<'a> for $name $(<$lt>)? {
            fn get_fields(
                reader: &mut $crate::reader::Reader<'a>,
            ) -> Result<Self, $crate::DecodeError> {
                Ok(Self {
                    $($field: get_field!(
                        reader, $type, wire_name!($field $($wire_name)?) $(, $absent)?
                    ),)*
                })
            }

            fn put_fields(
                &self,
                writer: &mut $crate::writer::Writer<'_>,
            ) -> Result<(), $crate::EncodeError> {
                $(put_field!(
                    writer, self.$field, wire_name!($field $($wire_name)?) $(, $absent)?
                );)*
                Ok(())
            }
        }
    };
}

macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire_name:literal) => {
        $wire_name
    };
}

macro_rules! get_field {
    ($reader:ident, $type:ty, $name:expr) => {
        <$type as $crate::wire::Wire<'a>>::get($reader, $name)?
    };
    ($reader:ident, $type:ty, $name:expr, $absent:expr) => {
        match $reader.dialect() {
            $crate::Dialect::Plain => $absent,
            _ => get_field!($reader, $type, $name),
        }
    };
}

macro_rules! put_field {
    ($writer:ident, $value:expr, $name:expr) => {
        $crate::wire::Wire::put(&$value, $writer, $name)?
    };
    ($writer:ident, $value:expr, $name:expr, $absent:expr) => {
        match $writer.dialect() {
            $crate::Dialect::Plain => {}
            _ => put_field!($writer, $value, $name),
        }
    };
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(
            impl<'a> Wire<'a> for $type {
                fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
                    reader.array(field).map(<$type>::from_le_bytes)
                }

                fn put(&self, writer: &mut Writer<'_>, _: &'static str) -> Result<(), EncodeError> {
                    writer.bytes(&self.to_le_bytes())
                }
            }
        )*
    };
}

integers! { u8 u16 u32 u64 }

impl<'a> Wire<'a> for &'a [u8] {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        reader.string(field, None)
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        writer.string(self, field)
    }
}
