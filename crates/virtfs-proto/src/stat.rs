//! The stat structure: a file's attributes in 9P2000 and 9P2000.u.

use core::iter::FusedIterator;

use crate::reader::Reader;
use crate::wire::{Record, Wire};
use crate::writer::Writer;
use crate::{DecodeError, Dialect, EncodeError, NONUNAME, Perm, Qid};

record! {
    /// A file's attributes (stat(5)): in `Rstat`, in `Twstat`, and one behind another in the data
    /// of a directory that is read with `Tread`.
    ///
    /// In `Twstat`, all ones in a number and an empty string mean "leave this alone".
    /// 9P2000 lacks the last four fields. 9P2000.L has no use for the structure; it looks as in .u.
    Stat<'a> {
        /// For the kernel's use: the server's type.
        kind: u16 as "type",
        /// For the kernel's use: the server's subtype.
        dev: u32,
        /// The file's identification.
        qid: Qid,
        /// Type and permissions.
        mode: Perm,
        /// Time of last access in seconds since 1970.
        atime: u32,
        /// Time of last modification in seconds since 1970.
        mtime: u32,
        /// Size in bytes.
        length: u64,
        /// Name; `/` for the root of a server.
        name: &'a [u8],
        /// Owner.
        uid: &'a [u8],
        /// Group.
        gid: &'a [u8],
        /// Who last modified the file.
        muid: &'a [u8],
        /// A symbolic link's target, or a device's kind and numbers (`c 1 3`) (9P2000.u).
        extension: &'a [u8] [plain: &[]],
        /// Owner (9P2000.u).
        n_uid: u32 [plain: NONUNAME],
        /// Group (9P2000.u).
        n_gid: u32 [plain: NONUNAME],
        /// Who last modified the file (9P2000.u).
        n_muid: u32 [plain: NONUNAME],
    }
}

impl<'a> Stat<'a> {
    /// How many bytes the structure takes, its own size\[2\] included.
    pub const fn encoded_len(&self, dialect: Dialect) -> usize {
        let common = 49 + self.name.len() + self.uid.len() + self.gid.len() + self.muid.len();
        match dialect {
            Dialect::Plain => common,
            Dialect::U | Dialect::L => common + 14 + self.extension.len(),
        }
    }

    /// Writes the structure to the start of `buf` and returns its length.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BufferTooSmall`], then nothing useful is in `buf`;
    /// [`EncodeError::TooLong`] if the structure takes more than 65,535 bytes.
    pub fn encode(&self, dialect: Dialect, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new("stat", dialect, buf);
        self.put_sized(&mut writer)?;
        Ok(writer.written())
    }

    /// Reads a structure that takes all of `bytes`. For several in a row see [`Stats`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] names the field: the structure is cut short or too long.
    pub fn decode(dialect: Dialect, bytes: &'a [u8]) -> Result<Stat<'a>, DecodeError> {
        let mut reader = Reader::new("stat", dialect, bytes);
        let stat = Stat::get_sized(&mut reader)?;
        reader.finish()?;
        Ok(stat)
    }

    /// size\[2\], then the fields.
    fn get_sized(reader: &mut Reader<'a>) -> Result<Stat<'a>, DecodeError> {
        let size = u16::get(reader, "size")?;
        let mut fields = reader.part(size.into(), "stat")?;
        let stat = Stat::get_fields(&mut fields)?;
        fields.finish()?;
        Ok(stat)
    }

    fn put_sized(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        // The size does not count itself.
        writer.count(self.encoded_len(writer.dialect()) - 2, "stat")?;
        self.put_fields(writer)
    }
}

/// As a field of `Rstat` and `Twstat` the structure is counted once more: n\[2\] stat\[n\].
impl<'a> Wire<'a> for Stat<'a> {
    fn get(reader: &mut Reader<'a>, _: &'static str) -> Result<Self, DecodeError> {
        let n = u16::get(reader, "n")?;
        let before = reader.rest().len();
        let stat = Stat::get_sized(reader)?;
        let actual = before - reader.rest().len();
        // QEMU's Rstat has 0 here, and clients do not look.
        let qemu = n == 0 && actual <= u16::MAX.into();
        if usize::from(n) != actual && !qemu {
            let message = reader.message();
            let (says, actual) = (n.into(), actual as u64);
            return Err(DecodeError::SizeMismatch {
                message,
                field: "n",
                says,
                actual,
            });
        }
        Ok(stat)
    }

    fn put(&self, writer: &mut Writer<'_>, field: &'static str) -> Result<(), EncodeError> {
        writer.count(self.encoded_len(writer.dialect()), field)?;
        self.put_sized(writer)
    }
}

/// Iterates over the data of a directory that was read with `Tread` (9P2000, 9P2000.u). It ends
/// behind the first error.
#[derive(Debug, Clone)]
pub struct Stats<'a> {
    dialect: Dialect,
    payload: &'a [u8],
}

impl<'a> Stats<'a> {
    /// The structures in the payload of an `Rread`.
    pub const fn new(dialect: Dialect, payload: &'a [u8]) -> Stats<'a> {
        Stats { dialect, payload }
    }
}

impl<'a> Iterator for Stats<'a> {
    type Item = Result<Stat<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.payload.is_empty() {
            return None;
        }
        let mut reader = Reader::new("stat", self.dialect, self.payload);
        let stat = Stat::get_sized(&mut reader);
        self.payload = if stat.is_ok() { reader.rest() } else { &[] };
        Some(stat)
    }
}

impl FusedIterator for Stats<'_> {}
