//! Times of 9P2000.L.

use crate::reader::Reader;
use crate::wire::Wire;
use crate::writer::Writer;
use crate::{DecodeError, EncodeError};

/// A time of `Rgetattr` or `Tsetattr`: two unsigned 64-bit fields on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Timespec {
    /// Seconds since 1970. Times before that are sent as the two's complement.
    pub sec: u64,
    /// Nanoseconds; what a peer sends may be 10⁹ or more.
    pub nsec: u64,
}

impl<'a> Wire<'a> for Timespec {
    fn get(reader: &mut Reader<'a>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Timespec {
            sec: Wire::get(reader, field)?,
            nsec: Wire::get(reader, field)?,
        })
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        self.sec.put(writer, field)?;
        self.nsec.put(writer, field)
    }
}
