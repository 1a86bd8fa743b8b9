//! The locks of the model, in the real table: the host, another client, and what ours may rely on.
//! Each request for a lock is about a byte of its own, so that what is held can be told from what
//! was answered.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use virtfs_vfs::{Detached, Errno, LockFile, LockHolder, LockKind, LockRange, LockSet};

use super::rng::Rng;
use super::wire::Serial;
use crate::Limits;
use crate::fid::Fid;
use crate::locks::{
    Asked, InodeKey, Kept, LockShares, LockTable, OpenId, OwnerKey, Taken, Through, WaiterId,
};

pub(super) const INODE: InodeKey = InodeKey { export: 0, path: 1 };

/// What the host sees held, by the files that it is held through.
#[derive(Default)]
struct Held {
    ours: BTreeSet<u64>,
    others: Vec<LockRange>,
}

type Host = Arc<Mutex<Held>>;

pub(super) struct Locks {
    pub(super) table: Arc<LockTable>,
    host: Host,
    shares: LockShares,
    other: Through,
    others: Vec<LockRange>,
    /// Taken out of the queue of those who wait, and not tried yet.
    due: Vec<(u16, WaiterId)>,
    kept: Option<Kept>,
    /// The bytes that our client was told it has, and the open files that it took them through.
    told: HashMap<Serial, OpenId>,
    /// Given up while it was being released: who knows.
    in_doubt: BTreeSet<Serial>,
    /// Which open file a request that ran was about.
    asked: HashMap<Serial, OpenId>,
    /// What was opened: what was locked through a fid goes with it.
    opened: HashMap<OpenId, Weak<Fid>>,
}

/// What our client asks for.
pub(super) struct Ask<'a> {
    pub(super) through: &'a Through,
    pub(super) serial: Serial,
    pub(super) kind: LockKind,
    pub(super) byte: u64,
    pub(super) process: u32,
    pub(super) interrupted: bool,
}

struct Interrupted(bool);

impl virtfs_vfs::Call for Interrupted {
    fn interrupted(&self) -> bool {
        self.0
    }

    fn about_to_block(&self) {}
}

pub(super) fn byte(at: u64) -> LockRange {
    LockRange {
        start: at,
        last: at,
    }
}

fn overlap(a: LockRange, b: LockRange) -> bool {
    a.start <= b.last && b.start <= a.last
}

impl Locks {
    pub(super) fn new(limits: &Limits) -> Self {
        let table = Arc::new(LockTable::new(limits));
        table.waiters().need_no_thread();
        Self {
            shares: table.shares(),
            table,
            host: Host::default(),
            other: Through::new(INODE),
            others: Vec::new(),
            due: Vec::new(),
            kept: None,
            told: HashMap::new(),
            in_doubt: BTreeSet::new(),
            asked: HashMap::new(),
            opened: HashMap::new(),
        }
    }

    fn host(&self) -> MutexGuard<'_, Held> {
        self.host.lock().unwrap()
    }

    /// Our client's request is carried out.
    pub(super) fn set(&mut self, ask: &Ask<'_>) -> Result<Taken, Errno> {
        self.asked.insert(ask.serial, ask.through.open);
        let key = OwnerKey {
            session: 1,
            client_id: b""[..].into(),
            proc_id: ask.process,
        };
        let asked = Asked {
            through: ask.through,
            kind: ask.kind,
            range: byte(ask.byte),
            records: &self.shares.records,
        };
        let file = || open(&self.host, true);
        self.table
            .set(&key, asked, &Interrupted(ask.interrupted), file)
    }

    /// Our client's clunk is carried out.
    pub(super) fn release(
        &mut self,
        serial: Serial,
        through: &Through,
        interrupted: bool,
    ) -> Result<(), Errno> {
        self.asked.insert(serial, through.open);
        self.table.release(through, &Interrupted(interrupted))
    }

    /// The other client locks or releases something that ours will ask for, or the host lets go
    /// of somebody, or keeps somebody.
    pub(super) fn others_act(&mut self, next: Serial, rng: &mut Rng) {
        match rng.below(12) {
            0 => self.keep(),
            1..4 => self.let_go(),
            _ if self.kept.is_some() => {}
            4..9 if self.others.len() < 4 => {
                let start = (next + rng.below(8)) as u64;
                let last = start + rng.below(12) as u64;
                let range = LockRange { start, last };
                if self.others.iter().all(|held| !overlap(*held, range))
                    && self.other_sets(LockKind::Write, range)
                {
                    self.others.insert(rng.below(self.others.len() + 1), range);
                }
            }
            _ => drop(self.other_releases_one()),
        }
    }

    /// Whether there was one.
    pub(super) fn other_releases_one(&mut self) -> bool {
        let Some(range) = self.others.pop() else {
            return false;
        };
        assert!(self.other_sets(LockKind::Unlock, range));
        true
    }

    fn other_sets(&self, kind: LockKind, range: LockRange) -> bool {
        let key = OwnerKey {
            session: 2,
            client_id: b""[..].into(),
            proc_id: 1,
        };
        let asked = Asked {
            through: &self.other,
            kind,
            range,
            records: &self.shares.records,
        };
        let file = || open(&self.host, false);
        self.table.set(&key, asked, &Detached, file) == Ok(Taken::Granted)
    }

    /// Somebody has the owners of the inode and is in the host with them.
    fn keep(&mut self) {
        if self.kept.is_none() {
            self.kept = Some(self.table.keep(INODE));
        }
    }

    pub(super) fn let_go(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.table.let_go(kept);
        }
    }

    /// Whether a call that cannot be interrupted would have to wait.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Who is to be tried again, sooner or later.
    pub(super) fn one_is_due(&mut self, rng: &mut Rng) -> Option<(u16, WaiterId)> {
        self.due
            .extend(std::iter::from_fn(|| self.table.waiters().take_due()));
        match self.due.len() {
            0 => None,
            many => Some(self.due.swap_remove(rng.below(many))),
        }
    }

    /// A byte that our client has, as far as it knows.
    pub(super) fn some_byte(&self, rng: &mut Rng) -> Option<Serial> {
        let mut told: Vec<_> = self.told.keys().copied().collect();
        told.sort_unstable();
        (!told.is_empty()).then(|| told[rng.below(told.len())])
    }

    /// A file was opened.
    pub(super) fn opened(&mut self, fid: &Arc<Fid>) {
        if let Ok(open) = fid.opened() {
            self.opened.insert(open.through.open, Arc::downgrade(fid));
        }
    }

    /// A lock was answered, or given up (`None`).
    pub(super) fn lock_ended(&mut self, serial: Serial, granted: Option<bool>) {
        let held = self.host().ours.contains(&(serial as u64));
        match granted {
            Some(true) => {
                let open = self.asked[&serial];
                assert!(
                    held || self.is_ended(open),
                    "it was granted and is not held: {serial}"
                );
                if held {
                    self.told.insert(serial, open);
                }
            }
            _ => assert!(!held, "it was not granted and is held: {serial}"),
        }
    }

    fn is_ended(&self, open: OpenId) -> bool {
        let fid = self.opened[&open].upgrade();
        fid.is_none_or(|fid| fid.opened().is_ok_and(|open| open.through.has_ended()))
    }

    /// The release of a byte was answered, or given up (`None`), or is not the owner's.
    pub(super) fn unlock_ended(&mut self, byte: Serial, released: Option<bool>) {
        match released {
            Some(true) => {
                assert!(!self.host().ours.contains(&(byte as u64)));
                self.told.remove(&byte);
            }
            Some(false) => {}
            None => {
                self.told.remove(&byte);
                self.in_doubt.insert(byte);
            }
        }
    }

    /// A clunk was answered.
    pub(super) fn clunk_ended(&mut self, serial: Serial) {
        let Some(open) = self.asked.get(&serial) else {
            return;
        };
        let gone = self.told.extract_if(|_, through| through == open);
        let gone: Vec<_> = gone.map(|(byte, _)| byte).collect();
        let host = self.host();
        for byte in gone {
            assert!(!host.ours.contains(&(byte as u64)), "its fid was clunked");
        }
    }

    /// A version was answered: all is gone.
    pub(super) fn version_ended(&mut self) {
        self.told.clear();
        self.in_doubt.clear();
        if self.kept.is_none() {
            assert!(self.host().ours.is_empty());
        }
    }

    /// Nothing is going on: what is held is what our client knows of.
    pub(super) fn are_told(&self) {
        let known = |byte: &u64| {
            let serial = *byte as Serial;
            self.in_doubt.contains(&serial) || self.told.contains_key(&serial)
        };
        assert!(self.host().ours.iter().all(known), "nobody knows of a lock");
        for (serial, open) in &self.told {
            let held = self.host().ours.contains(&(*serial as u64));
            assert!(held != self.is_ended(*open), "byte {serial}");
        }
        assert!(self.table.waiters().are_none());
    }

    /// The session is over.
    pub(super) fn are_none(&mut self) {
        self.let_go();
        while self.other_releases_one() {}
        let host = self.host();
        assert!(host.ours.is_empty() && host.others.is_empty());
        assert!(self.table.waiters().are_none() && self.table.is_empty());
    }
}

/// A file of the host, of one of our client's owners or of the other's.
struct File {
    host: Host,
    ours: bool,
    bytes: Mutex<BTreeSet<u64>>,
}

fn open(host: &Host, ours: bool) -> Result<Box<dyn LockFile>, Errno> {
    Ok(Box::new(File {
        host: host.clone(),
        ours,
        bytes: Mutex::default(),
    }))
}

impl LockFile for File {
    fn whole_file_only(&self) -> bool {
        false
    }

    fn set(&self, kind: LockKind, range: LockRange) -> Result<LockSet, Errno> {
        let mut held = self.host.lock().unwrap();
        let mut bytes = self.bytes.lock().unwrap();
        match (kind, self.ours) {
            (LockKind::Unlock, true) => {
                bytes.retain(|at| !overlap(byte(*at), range));
                held.ours.retain(|at| !overlap(byte(*at), range));
            }
            (LockKind::Unlock, false) => held.others.retain(|held| !overlap(*held, range)),
            (_, true) => {
                assert!(held.others.iter().all(|other| !overlap(*other, range)));
                bytes.insert(range.start);
                held.ours.insert(range.start);
            }
            (_, false) => {
                assert!(held.ours.iter().all(|ours| !overlap(byte(*ours), range)));
                held.others.push(range);
            }
        }
        Ok(LockSet::Done)
    }

    fn test(&self, _: LockKind, _: LockRange) -> Result<Option<LockHolder>, Errno> {
        Ok(None)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let mut held = self.host.lock().unwrap();
        if self.ours {
            let bytes = self.bytes.lock().unwrap();
            held.ours.retain(|at| !bytes.contains(at));
        } else {
            held.others.clear();
        }
    }
}
