//! The numbers of fids, and the order of requests that it gives.
//!
//! A message that makes or changes a fid binds its number, on arrival, to a state that is still
//! to come. Later messages that name the number wait for that state and for nothing else; a
//! number that is freed is free at once. So a client may send walk, getattr and clunk of a new
//! fid without waiting.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::Limits;
use crate::budget::{Budget, fair};
use crate::fid::{Fid, Kind};

/// A state still to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Promise(u64);

/// A fid as a request sees it.
#[derive(Clone)]
pub(super) enum Operand {
    /// The request names none here, or an unknown one.
    None,
    /// This one.
    Fid(Arc<Fid>),
    /// One that an earlier request makes.
    Promised(Promise),
}

impl Operand {
    /// The fid, once there is one.
    pub(super) fn fid(&self) -> Option<&Arc<Fid>> {
        match self {
            Self::Fid(fid) => Some(fid),
            Self::None | Self::Promised(_) => None,
        }
    }
}

/// A request that waits for a state: its number, and which of its operands it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) request: u64,
    pub(super) operand: usize,
}

#[derive(Default)]
struct Promised {
    number: u32,
    xattr: bool,
    waiters: Vec<Waiter>,
}

#[derive(Default)]
pub(super) struct FidTable {
    /// What numbers are bound to; `None` is a state to come, which `coming` names. There may be a
    /// million.
    bindings: FxHashMap<u32, Option<Arc<Fid>>>,
    coming: FxHashMap<u32, Promise>,
    promised: FxHashMap<Promise, Promised>,
    next: u64,
    /// What the fids of all sessions are counted in, and how many of these are.
    all: Arc<Budget>,
    counted: usize,
}

impl FidTable {
    /// Has the fids counted among those of all sessions.
    pub(super) fn count_in(&mut self, all: &Arc<Budget>) {
        self.all = all.clone();
    }

    /// Whether one number more may be bound.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        let (used, own) = (self.all.used(), self.bindings.len());
        let (all, fair) = fair((limits.all_fids, limits.sessions), used, own, 1);
        own < limits.fids && own < fair && used < all
    }

    /// To be called when numbers were bound or freed.
    fn count(&mut self) {
        let now = self.bindings.len();
        match now >= self.counted {
            true => self.all.add(now - self.counted),
            false => self.all.give_back(self.counted - now),
        }
        self.counted = now;
    }

    /// Whether no number is bound.
    pub(super) fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// How many numbers are bound.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether no number waits for its state.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.promised.is_empty()
    }

    /// What a number stands for now.
    pub(super) fn get(&self, number: u32) -> Operand {
        match self.bindings.get(&number) {
            None => Operand::None,
            Some(Some(fid)) => Operand::Fid(fid.clone()),
            Some(None) => promised(self.coming.get(&number).copied()),
        }
    }

    /// Frees a number; what it stood for.
    pub(super) fn free(&mut self, number: u32) -> Operand {
        let freed = self.bindings.remove(&number);
        self.count();
        match freed {
            None => Operand::None,
            Some(Some(fid)) => Operand::Fid(fid),
            Some(None) => promised(self.coming.remove(&number)),
        }
    }

    /// Whether a number stands for an extended attribute that a clunk will set, or will if the
    /// request that makes it succeeds.
    pub(super) fn takes_xattr(&self, number: u32) -> bool {
        match self.bindings.get(&number) {
            Some(Some(fid)) => matches!(fid.kind(), Kind::XattrWrite(_)),
            Some(None) => self
                .coming
                .get(&number)
                .and_then(|promise| self.promised.get(promise))
                .is_some_and(|promised| promised.xattr),
            None => false,
        }
    }

    /// Binds a number to a state to come, which may be that of an `xattr` to be written.
    pub(super) fn promise(&mut self, number: u32, xattr: bool) -> Promise {
        let promise = Promise(self.next);
        self.next += 1;
        self.promised.insert(
            promise,
            Promised {
                number,
                xattr,
                waiters: Vec::new(),
            },
        );
        self.bindings.insert(number, None);
        self.coming.insert(number, promise);
        self.count();
        promise
    }

    /// Has a request told when the state has come.
    pub(super) fn wait(&mut self, promise: Promise, waiter: Waiter) {
        if let Some(promised) = self.promised.get_mut(&promise) {
            promised.waiters.push(waiter);
        }
    }

    /// The state has come: binds the number, if it has not been freed or bound anew meanwhile.
    /// Returns those who waited. A number that comes to nothing is freed.
    pub(super) fn keep(&mut self, promise: Promise, state: Option<&Arc<Fid>>) -> Vec<Waiter> {
        let Some(promised) = self.promised.remove(&promise) else {
            return Vec::new();
        };
        let number = promised.number;
        if self.coming.get(&number) == Some(&promise) {
            self.coming.remove(&number);
            match state {
                Some(fid) => drop(self.bindings.insert(number, Some(fid.clone()))),
                None => drop(self.bindings.remove(&number)),
            }
        }
        self.count();
        promised.waiters
    }

    /// The state to come is what that of another promise will be: those who wait for the first
    /// wait for the second, and so does its number.
    pub(super) fn forward(&mut self, promise: Promise, to: Promise) -> Vec<Waiter> {
        let Some(promised) = self.promised.remove(&promise) else {
            return Vec::new();
        };
        if self.coming.get(&promised.number) == Some(&promise) {
            self.coming.insert(promised.number, to);
        }
        if let Some(target) = self.promised.get_mut(&to) {
            target.waiters.extend(&promised.waiters);
        }
        promised.waiters
    }

    /// Takes out the fids whose clunk has something to do that nothing else does.
    pub(super) fn take_unclunked(&mut self) -> Vec<Arc<Fid>> {
        let unclunked = |fid: &Arc<Fid>| matches!(fid.kind(), Kind::XattrWrite(_));
        let taken = self
            .bindings
            .extract_if(|_, bound| bound.as_ref().is_some_and(unclunked));
        let taken = taken.filter_map(|(_, bound)| bound).collect();
        self.count();
        taken
    }

    /// Forgets all; what was bound is returned to be dropped.
    pub(super) fn clear(&mut self) -> Vec<Arc<Fid>> {
        self.promised.clear();
        self.coming.clear();
        let all = std::mem::take(&mut self.bindings).into_values();
        self.count();
        all.flatten().collect()
    }
}

fn promised(promise: Option<Promise>) -> Operand {
    promise.map_or(Operand::None, Operand::Promised)
}

impl Drop for FidTable {
    fn drop(&mut self) {
        self.clear();
    }
}
