//! Admission: a request that was received gets its place in the order of its fids.

use std::sync::Arc;

use virtfs_proto::kind;
use virtfs_vfs::Errno;

use super::claims::{self, Claims, Effect};
use super::core::{Core, Tagged, Work};
use super::table::{Operand, Promise, Waiter};
use super::waiting::Tried;
use crate::fid::Fid;
use crate::transport::{Exchange, Fault, Receiver, Transport};

/// So many requests are held back, and so many flushes taken, while memory is short.
const FEW: usize = 8;

impl<T: Transport> Core<T> {
    /// Admits what has been received; `false` if a budget keeps something back.
    pub(super) fn admit_all(
        &mut self,
        receiver: &mut T::Receiver,
        transport: &T,
    ) -> Result<bool, Fault> {
        while !self.closing {
            let Some(kind) = receiver.peek()? else {
                return Ok(true);
            };
            let room = match kind {
                _ if self.version.is_some() => false,
                // What was finished is in memory until the client takes it.
                _ if transport.is_congested() => false,
                kind::TVERSION => true,
                kind::TFLUSH => self.flushes < self.few_if_short(transport),
                _ => self.has_budget(transport) || self.may_hold_back(transport),
            };
            if !room {
                return Ok(false);
            }
            let Some(exchange) = receiver.next()? else {
                return Ok(true);
            };
            self.admit(exchange, receiver, transport)?;
        }
        Ok(true)
    }

    /// Admits what was held back, as far as the budget allows by now.
    pub(super) fn admit_held(&mut self, transport: &T) {
        while !self.closing
            && self.version.is_none()
            && self.has_budget(transport)
            && !transport.is_congested()
            && let Some((kind, tag, exchange)) = self.held.pop_front()
        {
            self.held_bytes -= self.weight(kind, exchange.head());
            self.enqueue(kind, tag, exchange);
        }
    }

    /// One request at a time there is always room for.
    fn has_budget(&self, transport: &T) -> bool {
        self.in_flight < self.limits.requests
            && self.in_flight_bytes < self.limits.request_bytes
            && (self.in_flight + self.waiting.len() == 0 || !transport.is_short())
    }

    /// How many bytes a request will keep in flight.
    pub(super) fn weight(&self, kind: u8, head: &[u8]) -> usize {
        head.len() + claims::payload_bytes(kind, head).min(self.msize as usize)
    }

    /// Whether one more request may be held back, so that a `Tflush` behind it, or the end of the
    /// connection, is seen though every place is taken by requests that hang.
    fn may_hold_back(&self, transport: &T) -> bool {
        self.held.len() < self.few_if_short(transport)
            && self.held_bytes < self.limits.request_bytes / 4
    }

    /// How many requests, at most, may be where the budget does not count: each has a buffer.
    fn few_if_short(&self, transport: &T) -> usize {
        match transport.is_short() {
            true => FEW.min(self.limits.requests),
            false => self.limits.requests,
        }
    }

    fn admit(
        &mut self,
        exchange: T::Exchange,
        receiver: &mut T::Receiver,
        transport: &T,
    ) -> Result<(), Fault> {
        let head = exchange.head();
        let (Some(&kind), Some(tag)) = (head.get(4), head.get(5..7)) else {
            return Err(Fault::FrameSize {
                size: head.len() as u32,
                limit: self.msize,
            });
        };
        let tag = u16::from_le_bytes([tag[0], tag[1]]);
        if kind == kind::TVERSION {
            self.cancel_all(transport);
            self.version = Some((tag, exchange));
            self.answer_version(receiver, transport);
            return Ok(());
        }
        if self.tags.contains_key(&tag) {
            return Err(Fault::DuplicateTag(tag));
        }
        if kind == kind::TFLUSH
            && let Some(old_tag) = claims::old_tag(head)
        {
            self.flush(tag, old_tag, exchange, transport);
            return Ok(());
        }
        if self.held.is_empty() && self.has_budget(transport) {
            self.enqueue(kind, tag, exchange);
        } else {
            self.held_bytes += self.weight(kind, head);
            self.tags.insert(tag, Tagged::Held);
            self.held.push_back((kind, tag, exchange));
        }
        Ok(())
    }

    /// Takes a request's place in the order of its fids.
    fn enqueue(&mut self, kind: u8, tag: u16, exchange: T::Exchange) {
        let number = self.next_number;
        self.next_number += 1;
        let claims = Claims::of(kind, exchange.head());
        let bytes = self.weight(kind, exchange.head());

        let mut refused = None;
        let mut operands = claims.uses.map(|fid| match fid {
            Some(fid) => self.fids.get(fid),
            None => Operand::None,
        });
        let effect = match (kind, claims.uses[0]) {
            // It changes what the clunk behind it will set.
            (kind::TWRITE, Some(fid)) if self.fids.takes_xattr(fid) => Effect::Change,
            _ => claims.effect,
        };
        let mut promise = None;
        match effect {
            Effect::None => {}
            Effect::End => {
                if let Some(fid) = claims.uses[0] {
                    operands[0] = self.fids.free(fid);
                }
            }
            Effect::Change => {
                if let (Some(fid), false) = (claims.uses[0], matches!(operands[0], Operand::None)) {
                    let xattr = matches!(kind, kind::TXATTRCREATE | kind::TWRITE);
                    promise = Some((self.fids.promise(fid, xattr), 0));
                }
            }
            Effect::Make(fid) => {
                operands[1] = self.fids.get(fid);
                if matches!(operands[1], Operand::None) && !self.fids.has_room(&self.limits) {
                    refused = Some(Errno::EMFILE);
                } else {
                    promise = Some((self.fids.promise(fid, false), 1));
                }
            }
        }

        let call = self.spare_calls.pop().unwrap_or_default();
        self.tags.insert(
            tag,
            Tagged::Request {
                call: call.clone(),
                running: false,
                flushes: Vec::new(),
                dropped: false,
            },
        );
        self.in_flight += 1;
        self.in_flight_bytes += bytes;
        let work = Work {
            tag,
            kind,
            exchange,
            call,
            operands,
            promise,
            refused,
            bytes,
            tried: Tried::default(),
        };
        let ends = match (effect, &work.operands[0]) {
            (Effect::End, Operand::Fid(fid)) if fid.opened().is_ok() => Some(fid.clone()),
            _ => None,
        };
        if work.waits() {
            for (operand, state) in work.operands.iter().enumerate() {
                if let Operand::Promised(promise) = state {
                    self.fids.wait(
                        *promise,
                        Waiter {
                            request: number,
                            operand,
                        },
                    );
                }
            }
            self.parked.insert(number, work);
        } else {
            self.ready.push_back(work);
        }
        if let Some(fid) = ends {
            self.give_up_locks(&fid);
        }
    }

    /// A state has come: those who waited only for it can run.
    pub(super) fn keep(&mut self, promise: Promise, state: Option<&Arc<Fid>>) {
        for waiter in self.fids.keep(promise, state) {
            let Some(work) = self.parked.get_mut(&waiter.request) else {
                continue;
            };
            work.operands[waiter.operand] = match state {
                Some(fid) => Operand::Fid(fid.clone()),
                None => Operand::None,
            };
            let ends = matches!(work.kind, kind::TCLUNK | kind::TREMOVE);
            if !work.waits()
                && let Some(work) = self.parked.remove(&waiter.request)
            {
                self.ready.push_back(work);
            }
            if let (true, Some(fid)) = (ends, state) {
                self.give_up_locks(fid);
            }
        }
    }

    /// A request that promised a state will not be run: the number stays what it was.
    pub(super) fn abandon(&mut self, work: &Work<T::Exchange>) {
        let Some((promise, prior)) = work.promise else {
            return;
        };
        match work.operands[prior].clone() {
            Operand::None => self.keep(promise, None),
            Operand::Fid(fid) => self.keep(promise, Some(&fid)),
            Operand::Promised(earlier) => {
                for waiter in self.fids.forward(promise, earlier) {
                    if let Some(work) = self.parked.get_mut(&waiter.request) {
                        work.operands[waiter.operand] = Operand::Promised(earlier);
                    }
                }
            }
        }
    }
}
