//! The transport over a virtqueue.

use std::sync::Arc;

use virtfs_server::{Fault, Receiver, Transport};

use crate::exchange::QueueExchange;
use crate::ring::Ring;

/// The longest request that is taken before an msize was agreed on.
const BEFORE_VERSION: u32 = 8192;

/// The sending half of a session over a virtqueue.
pub(crate) struct QueueTransport {
    ring: Arc<Ring>,
}

/// The receiving half.
pub(crate) struct QueueReceiver {
    ring: Arc<Ring>,
    /// Taken from the ring, but not yet admitted.
    next: Option<QueueExchange>,
    limit: u32,
}

/// The two halves of a session.
pub(crate) fn open(ring: Arc<Ring>) -> (QueueTransport, QueueReceiver) {
    let receiver = QueueReceiver {
        ring: ring.clone(),
        next: None,
        limit: BEFORE_VERSION,
    };
    (QueueTransport { ring }, receiver)
}

impl QueueReceiver {
    fn take(&mut self) -> Result<Option<QueueExchange>, Fault> {
        let taken = match self.ring.take() {
            Ok(Some((chain, head))) => {
                QueueExchange::new(self.ring.clone(), chain, head, self.limit).map(Some)
            }
            Ok(None) => Ok(None),
            Err(what) => Err(what),
        };
        taken.map_err(Fault::Malformed)
    }
}

impl Receiver for QueueReceiver {
    type Exchange = QueueExchange;

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        if self.next.is_none() {
            self.next = self.take()?;
        }
        Ok(self.next.as_ref().map(QueueExchange::kind))
    }

    fn next(&mut self) -> Result<Option<QueueExchange>, Fault> {
        match self.next.take() {
            Some(exchange) => Ok(Some(exchange)),
            None => self.take(),
        }
    }

    fn fill(&mut self) -> Result<bool, Fault> {
        if self.ring.has_ended() {
            return Ok(false);
        }
        if !self.ring.has_available().map_err(Fault::Malformed)? {
            self.ring.sleep().map_err(Fault::Io)?;
        }
        Ok(true)
    }

    fn set_msize(&mut self, msize: u32) {
        self.limit = msize;
    }
}

impl Transport for QueueTransport {
    type Exchange = QueueExchange;
    type Receiver = QueueReceiver;

    fn reply(&self, exchange: QueueExchange, head: &[u8]) {
        exchange.answer(head);
    }

    fn discard(&self, exchange: QueueExchange) {
        exchange.answer(&[]);
    }

    fn has_replies(&self) -> bool {
        self.ring.has_finished()
    }

    fn is_congested(&self) -> bool {
        self.ring.is_congested()
    }

    fn flush(&self) {
        self.ring.publish();
    }

    fn stop_receiving(&self) {
        self.ring.end();
    }

    fn peer_failed(&self) {
        self.ring.break_off();
    }

    fn abort(&self) {
        self.ring.end();
        self.ring.publish();
        self.ring.stop();
    }
}
