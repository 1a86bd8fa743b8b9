//! What the inode of a directory has more than that of a file.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, Weak};

use crate::tree::LocalNode;
use crate::weaktable::WeakTable;

#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Its node, of which there is one.
    pub(crate) place: Mutex<Weak<LocalNode>>,
    /// The nodes below, by name.
    pub(crate) children: WeakTable<LocalNode>,
    /// Whether it is the root of the export.
    pub(crate) is_root: AtomicBool,
    /// The count of moves at which the way up to the root was last seen whole (`contain`).
    pub(crate) checked: AtomicU64,
}
