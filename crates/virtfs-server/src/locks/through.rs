//! The open file of a fid, as the locks know it that are asked for through it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::InodeKey;

/// A number that no other open file of this process has had.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct OpenId(u64);

impl OpenId {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What locks are asked for through.
#[derive(Debug)]
pub(crate) struct Through {
    pub(crate) inode: InodeKey,
    pub(crate) open: OpenId,
    asked: AtomicBool,
    granted: AtomicBool,
    given_up: AtomicBool,
    ended: AtomicBool,
}

impl Through {
    /// A file that has just been opened.
    pub(crate) fn new(inode: InodeKey) -> Self {
        Self {
            inode,
            open: OpenId::new(),
            asked: AtomicBool::new(false),
            granted: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// A lock is about to be asked for.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// A lock was had.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::SeqCst);
    }

    /// Its clunk has come: nobody waits for a lock through it any more.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether its clunk has come.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// No lock can be had through it any more; whether one was ever asked for.
    pub(super) fn end(&self) -> bool {
        // First: a lock that is asked for beside this must not come after it.
        self.ended.store(true, Ordering::SeqCst);
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether no lock can be had through it any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(super) fn was_granted(&self) -> bool {
        self.granted.load(Ordering::SeqCst)
    }
}
