//! The entries of one directory: by name for walks, by age for lists.

use std::collections::{BTreeSet, HashMap};

use super::tree::EntryId;

#[derive(Debug)]
pub(super) struct Directory {
    /// The entry by which it is reached: a directory has one only. Held like a node holds it.
    pub(super) entry: EntryId,
    names: HashMap<Box<[u8]>, EntryId>,
    /// An entry's id is its cookie: it never changes, so a list that goes on misses nothing.
    order: BTreeSet<EntryId>,
}

impl Directory {
    pub(super) fn new(entry: EntryId) -> Self {
        Self {
            entry,
            names: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<EntryId> {
        self.names.get(name).copied()
    }

    pub(super) fn insert(&mut self, name: &[u8], entry: EntryId) {
        self.names.insert(name.into(), entry);
        self.order.insert(entry);
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Some(entry) = self.names.remove(name) {
            self.order.remove(&entry);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The entries younger than this one.
    pub(super) fn behind(&self, cookie: EntryId) -> impl Iterator<Item = EntryId> {
        let from = cookie.saturating_add(1);
        self.order.range(from..).copied()
    }
}
