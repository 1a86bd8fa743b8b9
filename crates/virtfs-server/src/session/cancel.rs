//! Giving up: `Tflush`, `Tversion`, and the end of the session.

use std::sync::atomic::Ordering;

use virtfs_proto::{Dialect, HEADER_LEN, Rflush, Rmessage, kind};

use super::core::{Core, Tagged, Work, bury};
use super::run;
use crate::transport::{Exchange, Receiver, Transport};

impl<T: Transport> Core<T> {
    /// Handles a `Tflush`: what has not begun is dropped, what runs is interrupted and waited
    /// for.
    pub(super) fn flush(&mut self, tag: u16, old_tag: u16, exchange: T::Exchange, transport: &T) {
        let target = match self.tags.get(&old_tag) {
            Some(Tagged::Flush(target)) => *target,
            _ => old_tag,
        };
        if let Some(at) = self.held.iter().position(|(_, held, _)| *held == target) {
            self.drop_held(at, transport);
            reply_flush(tag, exchange, transport);
            return;
        }
        // Its fid's number is free already: a clunk that can run is carried out, as far as that
        // does not hang.
        let clunks = |work: &Work<_>| work.tag == target && work.kind == kind::TCLUNK;
        if let Some(Tagged::Request {
            call,
            running,
            flushes,
            ..
        }) = self.tags.get_mut(&target)
            && (*running || self.ready.iter().any(clunks))
        {
            call.cancelled.store(true, Ordering::Relaxed);
            flushes.push((tag, exchange));
            self.tags.insert(tag, Tagged::Flush(target));
            self.flushes += 1;
            return;
        }
        let waiting = self.take_waiting(target);
        if let Some(work) = waiting.or_else(|| {
            let work = self.take_queued(target)?;
            self.release(&work);
            Some(work)
        }) {
            self.tags.remove(&target);
            self.abandon(&work);
            bury(&mut self.garbage, work.operands);
            transport.discard(work.exchange);
        }
        reply_flush(tag, exchange, transport);
    }

    /// Drops a request that was held back.
    fn drop_held(&mut self, at: usize, transport: &T) {
        if let Some((kind, tag, exchange)) = self.held.remove(at) {
            self.held_bytes -= self.weight(kind, exchange.head());
            self.tags.remove(&tag);
            transport.discard(exchange);
        }
    }

    /// Takes out a request that has not begun.
    fn take_queued(&mut self, tag: u16) -> Option<Work<T::Exchange>> {
        if let Some(at) = self.ready.iter().position(|work| work.tag == tag) {
            return self.ready.remove(at);
        }
        let parked = self.parked.iter().find(|(_, work)| work.tag == tag);
        let number = *parked?.0;
        self.parked.remove(&number)
    }

    /// Drops what has not begun, and interrupts what runs; nothing of it is answered any more.
    pub(super) fn cancel_all(&mut self, transport: &T) {
        while !self.held.is_empty() {
            self.drop_held(0, transport);
        }
        self.drop_waiting(transport);
        let queued = self
            .ready
            .drain(..)
            .chain(self.parked.drain().map(|(_, work)| work));
        for work in queued {
            if let Some(Tagged::Request { flushes, .. }) = self.tags.remove(&work.tag) {
                for (tag, exchange) in flushes {
                    self.tags.remove(&tag);
                    self.flushes -= 1;
                    transport.discard(exchange);
                }
            }
            self.in_flight -= 1;
            self.in_flight_bytes -= work.bytes;
            bury(&mut self.garbage, work.operands);
            transport.discard(work.exchange);
        }
        for tagged in self.tags.values_mut() {
            if let Tagged::Request { call, dropped, .. } = tagged {
                call.cancelled.store(true, Ordering::Relaxed);
                *dropped = true;
            }
        }
    }

    /// Interrupts what runs, which is answered nevertheless. Nothing that has come waits for a lock.
    pub(super) fn interrupt_all(&mut self) {
        self.hurry_all();
        self.hurry_queued();
        for tagged in self.tags.values() {
            if let Tagged::Request {
                call,
                running: true,
                ..
            } = tagged
            {
                call.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Answers a `Tversion` once nothing runs any more: every fid is gone, the session begins
    /// anew.
    pub(super) fn answer_version(&mut self, receiver: &mut T::Receiver, transport: &T) {
        if self.version.is_none() || self.running > 0 || self.burying > 0 {
            return;
        }
        self.unclunked.append(&mut self.fids.clear());
        if !self.unclunked.is_empty() || !self.garbage.is_empty() {
            return; // It is answered when they are gone, without the lock.
        }
        let Some((tag, exchange)) = self.version.take() else {
            return;
        };
        self.dialect = None;
        let mut head = [0; 64];
        let (length, agreed) = run::version(tag, exchange.head(), &self.limits, &mut head);
        if let Some((dialect, msize)) = agreed {
            self.dialect = Some(dialect);
            self.msize = msize;
            receiver.set_msize(msize);
        }
        transport.reply(exchange, &head[..length]);
    }

    /// Something has ended that a `Tversion` may have waited for.
    pub(super) fn version_waited(&mut self, transport: &T) {
        if self.version.is_some()
            && let Some(mut receiver) = self.receiver.take()
        {
            self.answer_version(&mut receiver, transport);
            self.receiver = Some(receiver);
        }
    }
}

/// Answers a `Tflush`.
pub(super) fn reply_flush<T: Transport>(tag: u16, exchange: T::Exchange, transport: &T) {
    let mut head = [0; HEADER_LEN];
    if Rmessage::Flush(Rflush {})
        .encode(Dialect::L, tag, &mut head)
        .is_ok()
    {
        transport.reply(exchange, &head);
    }
}
