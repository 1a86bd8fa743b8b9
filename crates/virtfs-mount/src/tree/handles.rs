//! What is open: the kernel's numbers for open files and directories.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rustc_hash::FxHashMap;
use virtfs_client::{Directory, Entry, File, LopenFlags};

use super::node::Node;
use crate::fail::Result;
use crate::sync::lock;

/// All that is open.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    last: AtomicU64,
    open: Mutex<FxHashMap<u64, Handle>>,
}

/// Something open.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    File(Arc<OpenFile>),
    Dir(Arc<OpenDir>),
}

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) node: Arc<Node>,
    pub(crate) file: File,
    /// The server writes at the end, whatever the offset.
    pub(crate) append: bool,
    /// Somebody asked for a lock through it.
    pub(crate) locked: AtomicBool,
    /// For pages of mappings, which have their place, where `file` appends.
    placed: OnceLock<File>,
}

impl OpenFile {
    pub(crate) fn new(node: Arc<Node>, file: File, append: bool) -> Self {
        Self {
            node,
            file,
            append,
            locked: AtomicBool::new(false),
            placed: OnceLock::new(),
        }
    }

    /// The file to write pages to, at their offset.
    pub(crate) fn placed(&self) -> Result<&File> {
        if !self.append {
            return Ok(&self.file);
        }
        if let Some(file) = self.placed.get() {
            return Ok(file);
        }
        let file = self.node.fid().open(LopenFlags::RDWR)?;
        Ok(self.placed.get_or_init(|| file))
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct OpenDir {
    pub(crate) node: Arc<Node>,
    pub(crate) directory: Directory,
    /// What was read of it and not yet taken.
    pub(crate) batch: Mutex<Batch>,
}

/// Entries behind a cookie.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The cookie behind which `entries` begin.
    pub(crate) cookie: u64,
    pub(crate) entries: VecDeque<Entry>,
}

impl Handles {
    /// A number for something open.
    pub(crate) fn insert(&self, handle: Handle) -> u64 {
        let fh = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&self.open).insert(fh, handle);
        fh
    }

    /// The open file with a number.
    pub(crate) fn file(&self, fh: u64) -> Option<Arc<OpenFile>> {
        match lock(&self.open).get(&fh)? {
            Handle::File(file) => Some(file.clone()),
            Handle::Dir(_) => None,
        }
    }

    /// The open directory with a number.
    pub(crate) fn dir(&self, fh: u64) -> Option<Arc<OpenDir>> {
        match lock(&self.open).get(&fh)? {
            Handle::Dir(dir) => Some(dir.clone()),
            Handle::File(_) => None,
        }
    }

    /// Takes out what is no longer open.
    pub(crate) fn remove(&self, fh: u64) -> Option<Handle> {
        lock(&self.open).remove(&fh)
    }

    /// Any open file of a node. Slow: for servers that lose a file with its name.
    pub(crate) fn of_node(&self, id: u64) -> Option<Arc<OpenFile>> {
        let open = lock(&self.open);
        open.values().find_map(|handle| match handle {
            Handle::File(file) if file.node.id == id => Some(file.clone()),
            _ => None,
        })
    }
}
