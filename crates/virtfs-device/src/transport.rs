//! The transport over a virtqueue.

use std::sync::Arc;

use virtfs_server::{Fault, Receiver, Transport};

use crate::exchange::QueueExchange;
use crate::link::Link;

/// The longest request that is taken before an msize was agreed on.
const BEFORE_VERSION: u32 = 8192;

/// The sending half of a session over a virtqueue.
pub(crate) struct QueueTransport {
    link: Arc<Link>,
}

/// The receiving half.
pub(crate) struct QueueReceiver {
    link: Arc<Link>,
    /// Taken from the ring, but not yet admitted.
    next: Option<QueueExchange>,
    limit: u32,
}

/// The two halves of a session.
pub(crate) fn open(link: Arc<Link>) -> (QueueTransport, QueueReceiver) {
    let receiver = QueueReceiver {
        link: link.clone(),
        next: None,
        limit: BEFORE_VERSION,
    };
    (QueueTransport { link }, receiver)
}

impl QueueReceiver {
    fn take(&mut self) -> Result<Option<QueueExchange>, Fault> {
        let Some(ring) = self.link.ring() else {
            return Ok(None);
        };
        let taken = match ring.take() {
            Ok(Some((chain, head))) => {
                QueueExchange::new(ring.clone(), chain, head, self.limit).map(Some)
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
        let available = match self.link.ring() {
            _ if self.link.has_ended() => return Ok(false),
            Some(ring) => ring.has_available().map_err(Fault::Malformed)?,
            None => false,
        };
        if !available {
            self.link.sleep().map_err(Fault::Io)?;
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
        self.link.ring().is_some_and(|ring| ring.has_finished())
    }

    fn is_congested(&self) -> bool {
        self.link.ring().is_some_and(|ring| ring.is_congested())
    }

    fn flush(&self) {
        if let Some(ring) = self.link.ring() {
            ring.publish();
        }
    }

    fn stop_receiving(&self) {
        self.link.end();
    }

    fn peer_failed(&self) {
        if let Some(ring) = self.link.ring() {
            ring.break_off();
        }
    }

    fn abort(&self) {
        self.link.end();
        if let Some(ring) = self.link.ring() {
            ring.publish();
            ring.stop();
        }
    }
}
