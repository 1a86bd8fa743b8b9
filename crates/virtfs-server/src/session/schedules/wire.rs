//! A transport in memory, between the client of the model and its session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use virtfs_vfs::{ReplyBody, RequestBody};

use crate::transport::{Exchange, Fault, Receiver, Transport};

/// The number of a request in the order of sending: names it for ever, unlike its tag.
pub(super) type Serial = usize;

/// After so many unsent replies no more is to be asked for.
const CONGESTED: usize = 8;

#[derive(Default)]
struct Lines {
    /// Sent by the client, not received.
    coming: VecDeque<(Serial, Vec<u8>)>,
    /// Received, not cut.
    here: VecDeque<(Serial, Vec<u8>)>,
    hung_up: bool,
    stopped: bool,
    finished: VecDeque<Vec<u8>>,
    /// What the client can take.
    sent: VecDeque<Vec<u8>>,
    /// Exchanges that are neither answered nor given up.
    alive: usize,
}

/// Both ends share it.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Mutex<Lines>>);

impl Wire {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap()
    }

    pub(super) fn send(&self, serial: Serial, frame: Vec<u8>) {
        self.lines().coming.push_back((serial, frame));
    }

    pub(super) fn hang_up(&self) {
        self.lines().hung_up = true;
    }

    /// The next reply that the client can take.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        self.lines().sent.pop_front()
    }

    pub(super) fn has_sent(&self) -> bool {
        !self.lines().sent.is_empty()
    }

    /// Whether a receive would return.
    pub(super) fn is_readable(&self) -> bool {
        let lines = self.lines();
        !lines.coming.is_empty() || lines.hung_up || lines.stopped
    }

    pub(super) fn alive(&self) -> usize {
        self.lines().alive
    }
}

/// A request on its way through the session.
pub(super) struct Message {
    pub(super) serial: Serial,
    head: Vec<u8>,
    wire: Wire,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.wire.lines().alive -= 1;
    }
}

impl Exchange for Message {
    fn head(&self) -> &[u8] {
        &self.head
    }

    fn reply_room(&self) -> usize {
        usize::MAX
    }

    fn request_body(&mut self, _: usize) -> &mut dyn RequestBody {
        unreachable!("no request is carried out")
    }

    fn reply_body(&mut self, _: usize, _: usize) -> &mut dyn ReplyBody {
        unreachable!("no request is carried out")
    }
}

pub(super) struct Ear(pub(super) Wire);

impl Receiver for Ear {
    type Exchange = Message;

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        Ok(self.0.lines().here.front().map(|(_, frame)| frame[4]))
    }

    fn next(&mut self) -> Result<Option<Message>, Fault> {
        let mut lines = self.0.lines();
        let Some((serial, head)) = lines.here.pop_front() else {
            return Ok(None);
        };
        lines.alive += 1;
        let wire = self.0.clone();
        Ok(Some(Message { serial, head, wire }))
    }

    fn fill(&mut self) -> Result<bool, Fault> {
        let mut lines = self.0.lines();
        let coming = std::mem::take(&mut lines.coming);
        let more = !coming.is_empty();
        lines.here.extend(coming);
        Ok(more || !(lines.hung_up || lines.stopped))
    }

    fn set_msize(&mut self, _: u32) {}
}

impl Transport for Wire {
    type Exchange = Message;
    type Receiver = Ear;

    fn reply(&self, exchange: Message, head: &[u8]) {
        drop(exchange);
        self.lines().finished.push_back(head.to_vec());
    }

    fn discard(&self, exchange: Message) {
        drop(exchange);
    }

    fn has_replies(&self) -> bool {
        !self.lines().finished.is_empty()
    }

    fn is_congested(&self) -> bool {
        self.lines().finished.len() >= CONGESTED
    }

    fn flush(&self) {
        let mut lines = self.lines();
        let finished = std::mem::take(&mut lines.finished);
        lines.sent.extend(finished);
    }

    fn stop_receiving(&self) {
        self.lines().stopped = true;
    }
}
