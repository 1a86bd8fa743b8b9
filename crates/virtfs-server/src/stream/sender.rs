//! Collects finished replies and sends all that are there by one call.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buffer::Pool;
use super::connection::Connection;
use super::exchange::ReplyPayload;

/// The most pieces that one call sends (`IOV_MAX` is 1,024).
const PIECES: usize = 256;

/// Replies to be sent: heads one behind the other, payloads where they were read to.
#[derive(Default)]
struct Batch {
    heads: Vec<u8>,
    /// Where a payload goes between the heads.
    payloads: Vec<(usize, ReplyPayload)>,
}

#[derive(Default)]
struct Outbox {
    batch: Batch,
    spare: Batch,
    bytes: usize,
    sending: bool,
    broken: bool,
}

/// The replies of a session on their way out.
pub(super) struct Sender {
    outbox: Mutex<Outbox>,
    pool: Arc<Pool>,
    limit: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.payloads.clear();
    }
}

impl Sender {
    /// Congested when more than `limit` bytes wait.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            outbox: Mutex::default(),
            pool: Arc::default(),
            limit,
        }
    }

    pub(super) fn pool(&self) -> Arc<Pool> {
        self.pool.clone()
    }

    pub(super) fn push(&self, head: &[u8], payload: Option<ReplyPayload>) {
        let mut outbox = self.outbox();
        if outbox.broken {
            return;
        }
        outbox.batch.heads.extend_from_slice(head);
        outbox.bytes += head.len();
        if let Some(payload) = payload
            && is_announced(head, payload.bytes().len())
        {
            outbox.bytes += payload.held();
            let at = outbox.batch.heads.len();
            outbox.batch.payloads.push((at, payload));
        }
    }

    pub(super) fn has_replies(&self) -> bool {
        let outbox = self.outbox();
        !outbox.sending && !outbox.batch.is_empty()
    }

    pub(super) fn is_congested(&self) -> bool {
        self.outbox().bytes > self.limit
    }

    pub(super) fn flush(&self, connection: &dyn Connection) {
        let mut outbox = self.outbox();
        if outbox.sending {
            return;
        }
        outbox.sending = true;
        while !outbox.batch.is_empty() {
            let spare = std::mem::take(&mut outbox.spare);
            let mut batch = std::mem::replace(&mut outbox.batch, spare);
            let bytes = outbox.bytes;
            drop(outbox);
            let sent = send(connection, &batch);
            batch.clear();
            outbox = self.outbox();
            outbox.bytes -= bytes;
            outbox.spare = batch;
            if let Err(error) = sent {
                tracing::debug!("replies could not be sent: {error}");
                outbox.broken = true;
                outbox.bytes = 0;
                outbox.batch.clear();
                connection.stop_receiving();
            }
        }
        outbox.sending = false;
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a head's size field counts a payload of this length: an error replaces the reply whose
/// payload had begun.
fn is_announced(head: &[u8], payload: usize) -> bool {
    let size = head
        .first_chunk()
        .map_or(0, |size| u32::from_le_bytes(*size));
    size as usize == head.len() + payload
}

fn send(connection: &dyn Connection, batch: &Batch) -> io::Result<()> {
    let mut pieces = Vec::with_capacity(2 * batch.payloads.len() + 1);
    let mut from = 0;
    for (at, payload) in &batch.payloads {
        pieces.push(IoSlice::new(batch.heads.get(from..*at).unwrap_or_default()));
        pieces.push(IoSlice::new(payload.bytes()));
        from = *at;
    }
    pieces.push(IoSlice::new(batch.heads.get(from..).unwrap_or_default()));
    pieces.retain(|piece| !piece.is_empty());
    let mut rest = &mut pieces[..];
    while !rest.is_empty() {
        let some = rest.len().min(PIECES);
        match connection.send(&rest[..some]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => IoSlice::advance_slices(&mut rest, sent),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
