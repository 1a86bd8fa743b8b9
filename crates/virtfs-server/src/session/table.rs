//! The numbers of fids, and the order of requests that it gives.
//!
//! A message that makes or changes a fid binds its number, on arrival, to a state that is still
//! to come. Later messages that name the number wait for that state and for nothing else; a
//! number that is freed is free at once. So a client may send walk, getattr and clunk of a new
//! fid without waiting.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::fid::{Fid, FidKind};

/// A state still to come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Promise(u64);

/// What a number is bound to.
enum Binding {
    Fid(Arc<Fid>),
    Promised(Promise),
}

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
    bindings: FxHashMap<u32, Binding>,
    promised: FxHashMap<Promise, Promised>,
    next: u64,
}

impl FidTable {
    /// How many numbers are bound.
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
            Some(Binding::Fid(fid)) => Operand::Fid(fid.clone()),
            Some(Binding::Promised(promise)) => Operand::Promised(*promise),
        }
    }

    /// Frees a number; what it stood for.
    pub(super) fn free(&mut self, number: u32) -> Operand {
        match self.bindings.remove(&number) {
            None => Operand::None,
            Some(Binding::Fid(fid)) => Operand::Fid(fid),
            Some(Binding::Promised(promise)) => Operand::Promised(promise),
        }
    }

    /// Whether a number stands for an extended attribute that a clunk will set, or will if the
    /// request that makes it succeeds.
    pub(super) fn takes_xattr(&self, number: u32) -> bool {
        match self.bindings.get(&number) {
            Some(Binding::Fid(fid)) => matches!(fid.kind, FidKind::XattrWrite(_)),
            Some(Binding::Promised(promise)) => self
                .promised
                .get(promise)
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
        self.bindings.insert(number, Binding::Promised(promise));
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
        let bound = self.bindings.get_mut(&promised.number);
        if let Some(binding @ Binding::Promised(_)) = bound
            && matches!(binding, Binding::Promised(latest) if *latest == promise)
        {
            match state {
                Some(fid) => *binding = Binding::Fid(fid.clone()),
                None => drop(self.bindings.remove(&promised.number)),
            }
        }
        promised.waiters
    }

    /// The state to come is what that of another promise will be: those who wait for the first
    /// wait for the second, and so does its number.
    pub(super) fn forward(&mut self, promise: Promise, to: Promise) -> Vec<Waiter> {
        let Some(promised) = self.promised.remove(&promise) else {
            return Vec::new();
        };
        if let Some(binding) = self.bindings.get_mut(&promised.number)
            && matches!(binding, Binding::Promised(latest) if *latest == promise)
        {
            *binding = Binding::Promised(to);
        }
        if let Some(target) = self.promised.get_mut(&to) {
            target.waiters.extend(&promised.waiters);
        }
        promised.waiters
    }

    /// Takes out the fids whose clunk has something to do that nothing else does.
    pub(super) fn take_unclunked(&mut self) -> Vec<Arc<Fid>> {
        let unclunked = |binding: &Binding| match binding {
            Binding::Fid(fid) => matches!(fid.kind, FidKind::XattrWrite(_)),
            Binding::Promised(_) => false,
        };
        let taken = self.bindings.extract_if(|_, binding| unclunked(binding));
        taken
            .filter_map(|(_, binding)| match binding {
                Binding::Fid(fid) => Some(fid),
                Binding::Promised(_) => None,
            })
            .collect()
    }

    /// Forgets all; what was bound is returned to be dropped.
    pub(super) fn clear(&mut self) -> Vec<Arc<Fid>> {
        self.promised.clear();
        let all = std::mem::take(&mut self.bindings).into_values();
        all.filter_map(|binding| match binding {
            Binding::Fid(fid) => Some(fid),
            Binding::Promised(_) => None,
        })
        .collect()
    }
}
