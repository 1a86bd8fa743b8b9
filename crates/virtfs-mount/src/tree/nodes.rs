//! The table of nodes: the kernel's numbers for files, and where directories are.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use rustc_hash::{FxBuildHasher, FxHashMap};
use virtfs_client::{Attributes, Fid};

use super::node::{FileKey, Node};
use crate::sync::lock;

/// The number of the root (`FUSE_ROOT_ID`).
pub(crate) const ROOT: u64 = 1;

/// How deep a directory may be that is found by its path.
const MAX_DEPTH: usize = 4096;

/// The files that the kernel knows. A number is never given again.
#[derive(Debug)]
pub(crate) struct Nodes {
    table: Mutex<Table>,
    /// The server's fids stay with their file, wherever it is moved.
    stay: bool,
}

#[derive(Debug)]
struct Table {
    last: u64,
    nodes: FxHashMap<u64, Known>,
    by_file: FxHashMap<FileKey, u64>,
    /// By the [hash](place) of parent and name: a hint, which other clients make wrong.
    by_place: FxHashMap<u64, u64>,
}

#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    /// How many look-ups the kernel has not forgotten.
    lookups: u64,
    /// Where it was last seen; not of the root.
    place: Option<Place>,
}

#[derive(Debug)]
struct Place {
    hash: u64,
    parent: u64,
    /// Of a directory; others are never found by their path.
    name: Option<Arc<[u8]>>,
}

impl Nodes {
    /// A table with a root. `stay`: fids stay with their file, wherever it is moved.
    pub(crate) fn new(root: Fid, attributes: &Attributes, stay: bool) -> Self {
        let root = Arc::new(Node::new(ROOT, root, attributes));
        let mut table = Table {
            last: ROOT,
            nodes: FxHashMap::default(),
            by_file: FxHashMap::default(),
            by_place: FxHashMap::default(),
        };
        table.by_file.insert(root.file, ROOT);
        let known = Known {
            node: root,
            lookups: 1,
            place: None,
        };
        table.nodes.insert(ROOT, known);
        Self {
            table: Mutex::new(table),
            stay,
        }
    }

    /// The node with a number.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Node>> {
        Some(lock(&self.table).nodes.get(&id)?.node.clone())
    }

    /// Counts a look-up that found a file under a name: the file's node, a new one if need be.
    pub(crate) fn enter(
        &self,
        parent: u64,
        name: &[u8],
        fid: Fid,
        attributes: &Attributes,
    ) -> Arc<Node> {
        let file = FileKey::from(fid.qid());
        let mut table = lock(&self.table);
        let (node, spare) = match table.by_file.get(&file).copied() {
            Some(id) => match table.nodes.get_mut(&id) {
                Some(known) => {
                    known.lookups += 1;
                    (known.node.clone(), Some(fid))
                }
                None => (table.insert(fid, attributes), None),
            },
            None => (table.insert(fid, attributes), None),
        };
        table.put(&node, parent, name);
        // A fid is dropped where no lock is held: that sends a message.
        drop(table);
        if let Some(fid) = spare {
            node.saw(attributes);
            if !self.stay {
                drop(node.renew(fid));
            }
        }
        node
    }

    /// Whether a file that the kernel knows was last seen under this name.
    pub(crate) fn is_known(&self, parent: u64, name: &[u8]) -> bool {
        lock(&self.table)
            .by_place
            .contains_key(&place(parent, name))
    }

    /// Counts a look-up that found a file under a name, without a fid of it: its node, if the
    /// kernel knows the file.
    pub(crate) fn enter_known(
        &self,
        parent: u64,
        name: &[u8],
        attributes: &Attributes,
    ) -> Option<Arc<Node>> {
        let mut table = lock(&self.table);
        let id = *table.by_file.get(&attributes.qid.into())?;
        let known = table.nodes.get_mut(&id)?;
        known.lookups += 1;
        let node = known.node.clone();
        table.put(&node, parent, name);
        drop(table);
        node.saw(attributes);
        Some(node)
    }

    /// Counts one more look-up of a node.
    pub(crate) fn enter_again(&self, node: &Node) {
        if let Some(known) = lock(&self.table).nodes.get_mut(&node.id) {
            known.lookups += 1;
        }
    }

    /// The kernel forgets look-ups.
    pub(crate) fn forget(&self, forgets: impl Iterator<Item = (u64, u64)>) {
        let mut gone = Vec::new();
        let mut table = lock(&self.table);
        for (id, lookups) in forgets {
            let Some(known) = table.nodes.get_mut(&id).filter(|_| id != ROOT) else {
                continue;
            };
            known.lookups = known.lookups.saturating_sub(lookups);
            if known.lookups == 0 {
                gone.extend(table.remove(id));
            }
        }
        drop(table);
        drop(gone);
    }

    /// The server no longer knows a node's file: should its number come up again, that is another.
    pub(crate) fn disown(&self, node: &Node) {
        let mut table = lock(&self.table);
        if node.id != ROOT && table.by_file.get(&node.file) == Some(&node.id) {
            table.by_file.remove(&node.file);
        }
    }

    /// An entry was renamed; what was there is replaced.
    pub(crate) fn renamed(&self, from: (u64, &[u8]), to: (u64, &[u8])) {
        let mut table = lock(&self.table);
        table.take_place(to.0, to.1);
        if let Some(node) = table.take_place(from.0, from.1) {
            table.put(&node, to.0, to.1);
        }
    }

    /// An entry was removed.
    pub(crate) fn removed(&self, parent: u64, name: &[u8]) {
        lock(&self.table).take_place(parent, name);
    }

    /// The names on the way from the root to a directory, as far as is known.
    pub(crate) fn path(&self, node: &Node) -> Option<Vec<Arc<[u8]>>> {
        let table = lock(&self.table);
        let mut names = Vec::new();
        let mut id = node.id;
        while id != ROOT && names.len() < MAX_DEPTH {
            let place = table.nodes.get(&id)?.place.as_ref()?;
            names.push(place.name.clone()?);
            id = place.parent;
        }
        names.reverse();
        (id == ROOT).then_some(names)
    }
}

/// A number for a parent and a name. Two with one number cost a round trip, no more.
fn place(parent: u64, name: &[u8]) -> u64 {
    FxBuildHasher.hash_one((parent, name))
}

impl Table {
    fn insert(&mut self, fid: Fid, attributes: &Attributes) -> Arc<Node> {
        self.last += 1;
        let node = Arc::new(Node::new(self.last, fid, attributes));
        self.by_file.insert(node.file, node.id);
        let known = Known {
            node: node.clone(),
            lookups: 1,
            place: None,
        };
        self.nodes.insert(node.id, known);
        node
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Node>> {
        let known = self.nodes.remove(&id)?;
        if self.by_file.get(&known.node.file) == Some(&id) {
            self.by_file.remove(&known.node.file);
        }
        if let Some(place) = &known.place
            && self.by_place.get(&place.hash) == Some(&id)
        {
            self.by_place.remove(&place.hash);
        }
        Some(known.node)
    }

    /// Says where a file was seen.
    fn put(&mut self, node: &Node, parent: u64, name: &[u8]) {
        let hash = place(parent, name);
        let Some(known) = self.nodes.get_mut(&node.id).filter(|_| node.id != ROOT) else {
            return;
        };
        let same = |at: &Place| {
            at.hash == hash && at.parent == parent && at.name.as_deref().is_none_or(|at| at == name)
        };
        if !known.place.as_ref().is_some_and(same) {
            let place = Place {
                hash,
                parent,
                name: node.is_dir().then(|| name.into()),
            };
            let before = known.place.replace(place);
            if let Some(before) = before
                && self.by_place.get(&before.hash) == Some(&node.id)
            {
                self.by_place.remove(&before.hash);
            }
        }
        self.by_place.insert(hash, node.id);
    }

    /// Takes a file from its place.
    fn take_place(&mut self, parent: u64, name: &[u8]) -> Option<Arc<Node>> {
        let hash = place(parent, name);
        let id = self.by_place.remove(&hash)?;
        let known = self.nodes.get_mut(&id)?;
        let place = known
            .place
            .take_if(|at| at.hash == hash && at.parent == parent);
        place.map(|_| known.node.clone())
    }
}
