//! What is done to open files.

use virtfs_client::File;
use virtfs_proto::IO_HEADER_LEN;

use crate::fail::Result;
use crate::fuse::WRITE_CACHE;
use crate::handler::Tree;

impl Tree {
    pub(crate) fn write(&self, fh: u64, offset: u64, data: &[u8], flags: u32) -> Result<u32> {
        let open = self.file(fh)?;
        let written = if flags & WRITE_CACHE != 0 {
            open.placed()?.write_at(data, offset)?
        } else if open.append {
            self.append(&open.file, data, offset)?
        } else {
            open.file.write_at(data, offset)?
        };
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    /// One message after the other: the server appends them in the order in which it runs them.
    fn append(&self, file: &File, data: &[u8], offset: u64) -> Result<usize> {
        let most = (self.client.msize() as usize)
            .saturating_sub(IO_HEADER_LEN)
            .max(1);
        let mut written = 0;
        for part in data.chunks(most) {
            match file.write_at(part, offset + written as u64) {
                Ok(count) => {
                    written += count;
                    if count < part.len() {
                        break;
                    }
                }
                Err(error) if written == 0 => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// A descriptor of an open file was closed.
    pub(crate) fn flush(&self, unique: u64, fh: u64, owner: u64) -> Result<()> {
        let open = self.file(fh)?;
        if open.node.lock_owner(owner, false).is_some() {
            // A process that ends waits for this and hears no signal: it gets one in advance.
            self.interrupts.interrupt(unique);
        }
        self.release_locks(&open, owner, false);
        Ok(())
    }

    pub(crate) fn fsync(&self, fh: u64, datasync: bool) -> Result<()> {
        Ok(self.file(fh)?.file.fsync(datasync)?)
    }

    pub(crate) fn fsyncdir(&self, fh: u64, datasync: bool) -> Result<()> {
        Ok(self.dir(fh)?.directory.fsync(datasync)?)
    }
}
