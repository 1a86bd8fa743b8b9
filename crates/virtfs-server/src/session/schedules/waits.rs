//! Waiting for locks in the model, and what the client is told of them.

use virtfs_proto::kind;

use super::client::Told;
use super::threads::{World, is_cancelled};
use super::wire::Message;
use crate::session::core::Work;

impl World {
    /// The client takes a reply, if there is one, and looks what it has.
    pub(super) fn take_reply(&mut self) {
        if let Some(reply) = self.wire.take() {
            self.calls = 0;
            match self.client.take(&reply) {
                Some(Told::Lock(serial, granted)) => self.locks.lock_ended(serial, granted),
                Some(Told::Unlock(byte, released)) => self.locks.unlock_ended(byte, released),
                Some(Told::Clunk(serial)) => self.locks.clunk_ended(serial),
                Some(Told::Version) => {
                    self.locks.version_ended();
                    if self.wanders {
                        self.client.attach_all(&self.wire, &mut self.history);
                    }
                }
                None => {}
            }
        }
    }

    /// Whether the lock table keeps a call out, because another is in the host.
    pub(super) fn is_kept_out(&self, work: &Work<Message>) -> bool {
        let opened = work.operands[0]
            .fid()
            .is_some_and(|fid| fid.opened().is_ok());
        let locks = opened && matches!(work.kind, kind::TLOCK | kind::TCLUNK);
        locks && self.locks.is_kept() && !is_cancelled(work)
    }

    /// Whether there was one.
    pub(super) fn one_is_tried_again(&mut self) -> bool {
        let Some((tag, id)) = self.locks.one_is_due(&mut self.rng) else {
            return false;
        };
        if self.core.try_again(tag, id) {
            self.help(false);
        }
        true
    }

    pub(super) fn one_has_waited_long(&mut self) {
        let mut tags: Vec<_> = self.core.waiting.keys().copied().collect();
        tags.sort_unstable();
        if !tags.is_empty() {
            let tag = tags[self.rng.below(tags.len())];
            self.core.hurry(vec![tag]);
            self.help(false);
        }
    }

    pub(super) fn interrupt_all(&mut self) {
        let core = &self.core;
        let queued = core.ready.iter().chain(core.parked.values());
        self.interrupted
            .extend(queued.map(|work| work.exchange.serial));
        self.core.interrupt_all();
        self.client.is_interrupted();
        self.help(false);
    }

    /// Nobody waits for a lock through a fid that is given up, nor who was told not to.
    pub(super) fn nobody_waits_in_vain(&self) {
        for waiting in self.core.waiting.values() {
            let serial = waiting.work.exchange.serial;
            assert!(!self.interrupted.contains(&serial), "it was interrupted");
            let fid = waiting.work.operands[0].fid().unwrap();
            let through = &fid.opened().unwrap().through;
            assert!(
                !through.is_given_up() && !through.has_ended(),
                "its fid ends"
            );
        }
    }
}
