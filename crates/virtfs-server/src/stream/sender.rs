//! Collects finished replies and sends all that are there by one call.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buffer::Pool;
use super::connection::Connection;
use super::exchange::ReplyPayload;
use crate::Limits;
use crate::budget::Budget;

/// The most pieces that one call sends (`IOV_MAX` is 1,024).
const PIECES: usize = 256;

/// How many bytes of heads have room once all was sent.
const KEPT: usize = 64 << 10;

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
        // Those of a client that took none for long.
        self.heads.shrink_to(KEPT);
        self.payloads
            .shrink_to(KEPT / size_of::<(usize, ReplyPayload)>());
    }
}

impl Sender {
    /// Congested when as many bytes wait as requests may have in flight. `buffers` counts those of
    /// all sessions.
    pub(super) fn new(limits: &Limits, buffers: &Arc<Budget>) -> Self {
        Self {
            outbox: Mutex::default(),
            pool: Arc::new(Pool::new(limits, buffers)),
            limit: limits.request_bytes,
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
        self.pool.count(head.len());
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
        let waits = self.outbox().bytes;
        waits > self.limit || waits > 0 && self.is_short()
    }

    /// Whether this session has more than its share of the memory for buffers.
    pub(super) fn is_short(&self) -> bool {
        self.pool.is_short()
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
            self.pool.discount(batch.heads.len());
            batch.clear();
            outbox = self.outbox();
            outbox.bytes -= bytes;
            outbox.spare = batch;
            if let Err(error) = sent {
                tracing::debug!("replies could not be sent: {error}");
                outbox.broken = true;
                outbox.bytes = 0;
                self.pool.discount(outbox.batch.heads.len());
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

impl Drop for Sender {
    fn drop(&mut self) {
        let outbox = self.outbox.get_mut();
        let outbox = outbox.unwrap_or_else(PoisonError::into_inner);
        self.pool.discount(outbox.batch.heads.len());
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
