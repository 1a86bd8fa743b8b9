//! The client of the model: it sends at random what the protocol allows, and takes no reply that
//! the protocol does not.

use std::collections::HashMap;

use virtfs_proto::{
    Dialect, GetattrMask, LockFlags, LockStatus, LockType, LopenFlags, NOFID, NOTAG, Names,
    Tattach, Tclunk, Tflush, Tgetattr, Tlock, Tlopen, Tmessage, Tversion, Twalk, Twrite,
    Txattrcreate, XattrFlags, kind,
};
use virtfs_vfs::Errno;

use super::history::History;
use super::locks::Locks;
use super::rng::Rng;
use super::wire::{Serial, Wire};

/// So few that they are used again soon.
const TAGS: u16 = 14;
pub(super) const FIDS: u32 = 5;

struct Unanswered {
    kind: u8,
    serial: Serial,
    /// The tag that a flush names, and which request had it then.
    flushes: Option<(u16, Option<Serial>)>,
    /// The byte that it releases, and whether it is the owner's request.
    unlocks: Option<(Serial, bool)>,
}

/// What a reply says of a request.
pub(super) enum Told {
    /// A lock was granted or not, or was given up.
    Lock(Serial, Option<bool>),
    /// The release of a byte was answered, or was given up.
    Unlock(Serial, Option<bool>),
    /// A fid was clunked.
    Clunk(Serial),
    /// All began anew.
    Version,
}

#[derive(Default)]
pub(super) struct Client {
    next: Serial,
    unanswered: HashMap<u16, Unanswered>,
    interrupted: bool,
}

impl Client {
    /// The number of the request that it sends next.
    pub(super) fn next(&self) -> Serial {
        self.next
    }

    /// From now on requests may be interrupted that were not flushed.
    pub(super) fn is_interrupted(&mut self) {
        self.interrupted = true;
    }

    pub(super) fn has_all(&self) -> bool {
        self.unanswered.is_empty()
    }

    fn send<'a>(
        &mut self,
        wire: &Wire,
        history: &mut History,
        tag: u16,
        message: impl Into<Tmessage<'a>>,
    ) {
        let message = message.into();
        let mut frame = vec![0; 128];
        let length = message.encode(Dialect::L, tag, &mut frame).unwrap();
        frame.truncate(length);
        let kind = frame[4];
        let unlocks = match message {
            Tmessage::Lock(lock) if lock.kind == LockType::UNLCK => {
                Some((lock.start as Serial, lock.proc_id == 1))
            }
            _ => None,
        };
        let flushes = match message {
            Tmessage::Flush(Tflush { oldtag }) => {
                let old = self.unanswered.get(&oldtag).map(|old| old.serial);
                Some((oldtag, old))
            }
            Tmessage::Version(_) => {
                history.sent_version();
                None
            }
            _ => {
                history.sent(self.next, &frame);
                None
            }
        };
        let serial = self.next;
        self.next += 1;
        let sent = Unanswered {
            kind,
            serial,
            flushes,
            unlocks,
        };
        self.unanswered.insert(tag, sent);
        wire.send(serial, frame);
    }

    /// Neither unanswered nor named by a flush that is.
    fn free_tag(&self, rng: &mut Rng) -> Option<u16> {
        let named = |tag| {
            let mut all = self.unanswered.values();
            all.any(|sent| sent.flushes.is_some_and(|(old, _)| old == tag))
        };
        let start = rng.below(TAGS.into()) as u16;
        let mut tags = (0..TAGS).map(|at| (start + at) % TAGS);
        tags.find(|tag| !self.unanswered.contains_key(tag) && !named(*tag))
    }

    fn attach(&mut self, wire: &Wire, history: &mut History, tag: u16, fid: u32) {
        let attach = Tattach {
            fid,
            afid: NOFID,
            uname: b"",
            aname: b"",
            n_uname: 0,
        };
        self.send(wire, history, tag, attach);
    }

    /// Makes fids, and opens most.
    pub(super) fn attach_all(&mut self, wire: &Wire, history: &mut History) {
        for fid in 0..FIDS {
            self.attach(wire, history, fid as u16, fid);
        }
        for fid in 1..FIDS {
            let flags = LopenFlags::RDONLY;
            let tag = (FIDS + fid) as u16;
            self.send(wire, history, tag, Tlopen { fid, flags });
        }
    }

    /// Sends one request, if there is a tag for it.
    pub(super) fn ask(&mut self, wire: &Wire, history: &mut History, locks: &Locks, rng: &mut Rng) {
        if self.unanswered.contains_key(&NOTAG) {
            return;
        }
        if rng.below(70) == 0 {
            return self.begin(wire, history);
        }
        let Some(tag) = self.free_tag(rng) else {
            return;
        };
        let fid = rng.below(FIDS as usize) as u32;
        let newfid = rng.below(FIDS as usize) as u32;
        match rng.below(24) {
            0..3 => self.attach(wire, history, tag, fid),
            3..6 => {
                let names = Names::from_slice(&[]);
                self.send(wire, history, tag, Twalk { fid, newfid, names });
            }
            6..9 => {
                let flags = LopenFlags::RDONLY;
                self.send(wire, history, tag, Tlopen { fid, flags });
                // Sometimes all at once.
                if rng.percent(30)
                    && let Some(tag) = self.free_tag(rng)
                {
                    self.lock(wire, history, (locks, rng), tag, fid);
                    if let Some(tag) = self.free_tag(rng) {
                        self.send(wire, history, tag, Tclunk { fid });
                    }
                }
            }
            9 => {
                let create = Txattrcreate {
                    fid,
                    name: b"user.a",
                    size: 10,
                    flags: XattrFlags::empty(),
                };
                self.send(wire, history, tag, create);
            }
            10 => {
                let (offset, count) = (0, 0);
                self.send(wire, history, tag, Twrite { fid, offset, count });
            }
            11..16 => self.lock(wire, history, (locks, rng), tag, fid),
            16..18 => self.send(wire, history, tag, Tclunk { fid }),
            18..20 => {
                let request_mask = GetattrMask::BASIC;
                self.send(wire, history, tag, Tgetattr { fid, request_mask });
            }
            _ => {
                let oldtag = rng.below(TAGS.into()) as u16;
                self.send(wire, history, tag, Tflush { oldtag });
            }
        }
    }

    /// Asks for a lock of its own, or for the release of one that it has.
    fn lock(
        &mut self,
        wire: &Wire,
        history: &mut History,
        (locks, rng): (&Locks, &mut Rng),
        tag: u16,
        fid: u32,
    ) {
        let unlocks = match rng.percent(25) {
            true => locks.some_byte(rng),
            false => None,
        };
        let lock = Tlock {
            fid,
            kind: match unlocks {
                Some(_) => LockType::UNLCK,
                None => LockType::WRLCK,
            },
            flags: LockFlags::BLOCK,
            start: unlocks.unwrap_or(self.next) as u64,
            length: 1,
            // Sometimes it is not the owner who releases it.
            proc_id: match unlocks.is_some() && rng.percent(20) {
                true => 2,
                false => 1,
            },
            client_id: b"",
        };
        self.send(wire, history, tag, lock);
    }

    /// Starts anew: what was asked before is answered before that, or not at all.
    pub(super) fn begin(&mut self, wire: &Wire, history: &mut History) {
        let (msize, version) = (8192, &b"9P2000.L"[..]);
        self.send(wire, history, NOTAG, Tversion { msize, version });
    }

    pub(super) fn clunk(&mut self, wire: &Wire, history: &mut History, fid: u32) {
        self.send(wire, history, 100 + fid as u16, Tclunk { fid });
    }

    /// Gives up a request that is not being given up yet; whether there is one.
    pub(super) fn give_up_one(&mut self, wire: &Wire, history: &mut History) -> bool {
        if self.unanswered.contains_key(&NOTAG) {
            return false;
        }
        let flushed: Vec<_> = self.unanswered.values().filter_map(|s| s.flushes).collect();
        let mut asked: Vec<_> = self
            .unanswered
            .iter()
            .filter(|(tag, sent)| {
                let flush = (**tag, Some(sent.serial));
                sent.flushes.is_none() && **tag != NOTAG && !flushed.contains(&flush)
            })
            .map(|(tag, _)| *tag)
            .collect();
        asked.sort_unstable();
        let Some(oldtag) = asked.first().copied() else {
            return false;
        };
        self.send(wire, history, 200 + oldtag, Tflush { oldtag });
        true
    }

    /// Takes a reply.
    pub(super) fn take(&mut self, reply: &[u8]) -> Option<Told> {
        let (got, tag) = (reply[4], u16::from_le_bytes([reply[5], reply[6]]));
        let Some(sent) = self.unanswered.remove(&tag) else {
            panic!("a second reply, or one after its flush, to tag {tag}: kind {got}");
        };
        assert!(
            got == sent.kind + 1 || got == kind::RLERROR,
            "{got} to {}",
            sent.kind
        );
        if got == kind::RLERROR {
            let error = u32::from_le_bytes(reply[7..11].try_into().unwrap());
            let interrupted = error == Errno::EINTR.raw();
            assert!(
                !interrupted || self.interrupted,
                "tag {tag} was not flushed"
            );
        }
        if sent.kind == kind::TVERSION {
            self.unanswered.clear();
            return Some(Told::Version);
        }
        let Some((oldtag, Some(old))) = sent.flushes else {
            let blocked = got == kind::RLOCK && reply[7] != LockStatus::SUCCESS.0;
            return sent.told(Some(got != kind::RLERROR && !blocked));
        };
        assert_eq!(got, kind::RFLUSH);
        let is_old = |sent: &Unanswered| sent.serial == old;
        if !self.unanswered.get(&oldtag).is_some_and(is_old) {
            return None;
        }
        let given_up = self.unanswered.remove(&oldtag)?;
        assert!(
            given_up.flushes.is_none(),
            "a flush of a flush came before it"
        );
        given_up.told(None)
    }
}

impl Unanswered {
    /// What it says that it was done or was not, or that there is no answer.
    fn told(&self, done: Option<bool>) -> Option<Told> {
        match (self.kind, self.unlocks) {
            (kind::TLOCK, None) => Some(Told::Lock(self.serial, done)),
            (_, Some((byte, true))) => Some(Told::Unlock(byte, done)),
            (kind::TCLUNK, _) if done == Some(true) => Some(Told::Clunk(self.serial)),
            _ => None,
        }
    }
}
