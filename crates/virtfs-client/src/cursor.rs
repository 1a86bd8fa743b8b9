//! An open file with a position.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::File;

/// A reader and writer with a position of its own over an open [`File`], starting at 0.
///
/// It has no buffer. A file opened to append still writes at its end, whatever the position.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(file: &'a File) -> Cursor<'a> {
        Cursor { file, position: 0 }
    }

    /// Where the next read or write starts, in bytes.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn advance(&mut self, count: usize) -> usize {
        self.position = self.position.saturating_add(count as u64);
        count
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buf, self.position)?;
        Ok(self.advance(count))
    }
}

impl Write for Cursor<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(buf, self.position)?;
        Ok(self.advance(count))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.attributes()?.size.checked_add_signed(by),
        };
        let outside = || io::Error::from_raw_os_error(rustix::io::Errno::INVAL.raw_os_error());
        self.position = position.ok_or_else(outside)?;
        Ok(self.position)
    }
}
