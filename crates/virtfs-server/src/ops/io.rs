//! Reading, writing and syncing open files.

use virtfs_vfs::Errno;

use super::{Outcome, Request};
use crate::fid::Kind;
use crate::raise::{Answer, PAYLOAD_HEAD};
use crate::transport::Exchange;

impl Request<'_> {
    pub(crate) fn read(
        &self,
        exchange: &mut impl Exchange,
        offset: u64,
        count: u32,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let count = self.payload_room(exchange, count);
        match fid.kind() {
            Kind::Walked(_) | Kind::XattrWrite(_) => Err(Errno::EBADF),
            Kind::Open(open) if open.directory => Err(Errno::EOPNOTSUPP),
            // A file system would not notice it in a request for nothing.
            Kind::Open(open) if !open.access.read => Err(Errno::EBADF),
            Kind::Open(open) => {
                let body = exchange.reply_body(PAYLOAD_HEAD, count);
                let room = body.room();
                fid.fs().read(&self.cx(fid), &open.open, offset, body)?;
                Ok(counted(room - body.room()))
            }
            Kind::XattrRead(xattr) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = xattr.value.get(from..).unwrap_or_default();
                let count = count.min(rest.len());
                let body = exchange.reply_body(PAYLOAD_HEAD, count);
                Ok(counted(body.put(rest.get(..count).unwrap_or_default())))
            }
        }
    }

    pub(crate) fn write(
        &self,
        exchange: &mut impl Exchange,
        offset: u64,
        count: u32,
    ) -> Result<Outcome, Errno> {
        self.writable()?;
        let fid = self.fid()?;
        match fid.kind() {
            Kind::Walked(_) | Kind::XattrRead(_) => Err(Errno::EBADF),
            Kind::Open(open) if open.directory || !open.access.write => Err(Errno::EBADF),
            Kind::Open(open) => {
                let body = exchange.request_body(count as usize);
                Ok(counted(fid.fs().write(
                    &self.cx(fid),
                    &open.open,
                    offset,
                    body,
                )?))
            }
            Kind::XattrWrite(xattr) => {
                let body = exchange.request_body(count as usize);
                Ok(counted(self.write_xattr(xattr, offset, body)?))
            }
        }
    }

    pub(super) fn sync(&self, data_only: bool) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        fid.fs()
            .sync(&self.cx(fid), &fid.opened()?.open, data_only)?;
        Ok(Answer::Done.into())
    }

    /// How many bytes of payload the reply can carry of those asked for.
    pub(super) fn payload_room(&self, exchange: &impl Exchange, count: u32) -> usize {
        let room = exchange.reply_room().min(self.msize as usize);
        room.saturating_sub(PAYLOAD_HEAD).min(count as usize)
    }
}

/// A count that a message asked for in 32 bits.
fn counted(count: usize) -> Outcome {
    Answer::Count(u32::try_from(count).unwrap_or(u32::MAX)).into()
}
