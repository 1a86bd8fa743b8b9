//! Reading directories.

use virtfs_proto::DirEntry as WireEntry;
use virtfs_vfs::Errno;

use super::{Outcome, Request};
use crate::raise::{Answer, PAYLOAD_HEAD, wire_qid};
use crate::transport::Exchange;

/// The longest entry: qid, offset, type, and a name with its length.
const ENTRY_MAX: usize = 24 + 255;

impl Request<'_> {
    pub(crate) fn list(
        &self,
        exchange: &mut impl Exchange,
        offset: u64,
        count: u32,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let open = fid.opened()?;
        if !open.directory {
            return Err(Errno::ENOTDIR);
        }
        let count = self.payload_room(exchange, count);
        let body = exchange.reply_body(PAYLOAD_HEAD, count);
        let room = body.room();
        let mut refused = false;
        fid.fs()
            .list(&self.cx(fid), &open.open, offset, &mut |entry| {
                let mut bytes = [0; ENTRY_MAX];
                let wire = WireEntry {
                    qid: wire_qid(entry.qid),
                    offset: entry.next,
                    kind: entry.kind,
                    name: entry.name,
                };
                // No name of a host is longer; one that were could not be sent.
                let Ok(length) = wire.encode(&mut bytes) else {
                    return true;
                };
                refused = length > body.room();
                if !refused {
                    body.put(bytes.get(..length).unwrap_or_default());
                }
                !refused
            })?;
        let filled = room - body.room();
        if filled == 0 && refused {
            // An empty reply would say that this is the end.
            return Err(Errno::EINVAL);
        }
        Ok(Answer::Count(u32::try_from(filled).unwrap_or(u32::MAX)).into())
    }
}
