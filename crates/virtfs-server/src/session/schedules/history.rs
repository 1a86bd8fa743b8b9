//! What happened to fids, held against the same requests one after the other.

use std::collections::HashMap;

use super::wire::Serial;
use crate::session::claims::{Claims, Effect};

/// Names a state of a fid for ever.
pub(super) type StateId = usize;

/// What a request that ran saw and did.
pub(super) struct Ran {
    /// The states of the fids that it names, and of the one in its way.
    pub(super) saw: [Option<StateId>; 2],
    /// The state that it made.
    pub(super) made: Option<StateId>,
}

/// What the client sent.
enum Sent {
    Request(Serial, Claims),
    Version,
}

/// All that was sent, in order, and what became of it.
#[derive(Default)]
pub(super) struct History {
    sent: Vec<Sent>,
    ran: HashMap<Serial, Ran>,
}

impl History {
    pub(super) fn sent(&mut self, serial: Serial, frame: &[u8]) {
        self.sent
            .push(Sent::Request(serial, Claims::of(frame[4], frame)));
    }

    pub(super) fn sent_version(&mut self) {
        self.sent.push(Sent::Version);
    }

    pub(super) fn ran(&mut self, serial: Serial, ran: Ran) {
        assert!(self.ran.insert(serial, ran).is_none(), "it ran twice");
    }

    /// Each request saw what it would have seen if those before it had been done before it came.
    pub(super) fn is_in_order(&self) {
        let mut fids = Fids::default();
        for sent in &self.sent {
            let Sent::Request(serial, claims) = sent else {
                fids = Fids::default();
                continue;
            };
            let first = claims.uses[0];
            let Some(ran) = self.ran.get(serial) else {
                // Given up. A clunk may have freed the number: the client cannot know.
                if let (Effect::End, Some(fid)) = (claims.effect, first) {
                    fids.may_be(fid).push(None);
                }
                continue;
            };
            for (fid, saw) in claims.uses.iter().zip(ran.saw) {
                if let Some(fid) = fid {
                    fids.see(*fid, saw, *serial);
                }
            }
            match claims.effect {
                Effect::None => {}
                Effect::Make(fid) => {
                    fids.see(fid, ran.saw[1], *serial);
                    fids.set(fid, ran.made.or(ran.saw[1]));
                }
                Effect::Change => fids.set(first.unwrap(), ran.made.or(ran.saw[0])),
                Effect::End => fids.set(first.unwrap(), None),
            }
        }
    }
}

/// What each number may stand for.
#[derive(Default)]
struct Fids(HashMap<u32, Vec<Option<StateId>>>);

impl Fids {
    fn may_be(&mut self, fid: u32) -> &mut Vec<Option<StateId>> {
        self.0.entry(fid).or_insert_with(|| vec![None])
    }

    fn see(&mut self, fid: u32, saw: Option<StateId>, serial: Serial) {
        let may_be = self.may_be(fid);
        assert!(
            may_be.contains(&saw),
            "request {serial} saw fid {fid} as {saw:?}, not as one of {may_be:?}"
        );
        *may_be = vec![saw];
    }

    fn set(&mut self, fid: u32, state: Option<StateId>) {
        *self.may_be(fid) = vec![state];
    }
}
