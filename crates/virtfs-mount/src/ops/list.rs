//! Reading directories.

use std::iter;
use std::sync::Arc;

use virtfs_client::{Attributes, Entry};

use crate::fail::Result;
use crate::fuse::{DirBuffer, EntryOut};
use crate::handler::Tree;
use crate::ops::attr::{ino, sound};
use crate::sync::lock;
use crate::tree::{Batch, Node, OpenDir};

/// How much of a directory is read at once, in bytes on the wire.
const BATCH: u32 = 32 << 10;

/// What `Readdirplus` takes for an entry beside its name: `struct fuse_direntplus`.
const PLUS: usize = 152;

impl Tree {
    pub(crate) fn readdir(&self, fh: u64, offset: u64, size: u32) -> Result<Vec<u8>> {
        let open = self.dir(fh)?;
        let mut batch = lock(&open.batch);
        let mut buffer = DirBuffer::new(size);
        go_to(&open, &mut batch, offset)?;
        while let Some(entry) = batch.entries.front() {
            let (number, kind) = (ino(entry.qid.path), entry.kind.into());
            if buffer.push(number, entry.offset, kind, &entry.name) {
                break;
            }
            batch.take();
        }
        Ok(buffer.bytes().to_vec())
    }

    pub(crate) fn readdirplus(&self, fh: u64, offset: u64, size: u32) -> Result<Vec<u8>> {
        let open = self.dir(fh)?;
        let mut batch = lock(&open.batch);
        let mut buffer = DirBuffer::new(size);
        go_to(&open, &mut batch, offset)?;
        let count = fitting(&batch, size as usize);
        let names = batch.entries.iter().take(count).map(|entry| &*entry.name);
        let mut found = self.look_all(&open.node, names).into_iter();
        for _ in 0..count {
            let Some(entry) = batch.entries.front() else {
                break;
            };
            // What cannot be looked up, or should not be, is a name alone.
            let mut shown = EntryOut::default();
            shown.attr.ino = ino(entry.qid.path);
            if let Some(Some((node, attributes))) = found.next() {
                shown = self.entry(&node, &attributes);
            }
            if buffer.push_plus(&shown, entry.offset, entry.kind.into(), &entry.name) {
                // Looked up, and not taken.
                let rest = found.flatten().map(|(node, _)| (node.id, 1));
                self.nodes.forget(iter::once((shown.node, 1)).chain(rest));
                break;
            }
            batch.take();
        }
        Ok(buffer.bytes().to_vec())
    }
}

impl Tree {
    /// Looks names up and counts that, in one round trip for those that need a fid and one for
    /// those that are known already. `None` for what was not found, and for `.` and `..`.
    fn look_all<'n>(
        &self,
        dir: &Node,
        names: impl Iterator<Item = &'n [u8]>,
    ) -> Vec<Option<(Arc<Node>, Attributes)>> {
        let fid = dir.fid();
        let mut all = Vec::new();
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for (at, name) in names.enumerate() {
            all.push(None);
            if !is_child(name) {
                continue;
            }
            let is_known = self.client.ordered() && self.nodes.is_known(dir.id, name);
            if is_known { &mut known } else { &mut new }.push((at, name));
        }
        let of = |places: &[(usize, &'n [u8])]| -> Vec<&'n [u8]> {
            places.iter().map(|(_, name)| *name).collect()
        };
        for ((at, name), result) in known.iter().zip(fid.stat_all(&of(&known))) {
            let node = |attributes| {
                sound(&attributes).ok()?;
                let node = self.nodes.enter_known(dir.id, name, &attributes)?;
                Some((node, attributes))
            };
            if let (Some(slot), Ok(attributes)) = (all.get_mut(*at), result) {
                *slot = node(attributes);
            }
        }
        for ((at, name), result) in new.iter().zip(fid.lookup_all(&of(&new))) {
            if let (Some(slot), Ok((found, attributes))) = (all.get_mut(*at), result)
                && sound(&attributes).is_ok()
            {
                let node = self.nodes.enter(dir.id, name, found, &attributes);
                *slot = Some((node, attributes));
            }
        }
        all
    }
}

impl Batch {
    fn take(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.cookie = entry.offset;
        }
    }
}

/// Makes the batch go on behind a cookie, with something in it unless there is nothing more.
fn go_to(open: &Arc<OpenDir>, batch: &mut Batch, cookie: u64) -> Result<()> {
    // A directory that is read from its start is read anew.
    if cookie != batch.cookie || cookie == 0 {
        *batch = Batch {
            cookie,
            ..Batch::default()
        };
    }
    while batch.entries.is_empty() {
        let read = open.directory.read_from(batch.cookie, BATCH)?;
        let Some(last) = read.last() else {
            return Ok(());
        };
        let next = last.offset;
        batch.entries.extend(read.into_iter().filter(is_sound));
        if batch.entries.is_empty() {
            if next == batch.cookie {
                return Ok(());
            }
            batch.cookie = next;
        }
    }
    Ok(())
}

/// How many entries fit into a buffer of this size.
fn fitting(batch: &Batch, size: usize) -> usize {
    let mut left = size;
    let fits = |entry: &&Entry| {
        let needs = (PLUS + entry.name.len()).next_multiple_of(8);
        let fits = needs <= left;
        left = left.saturating_sub(needs);
        fits
    };
    batch.entries.iter().take_while(fits).count()
}

/// The kernel gives up a directory for a single entry that it cannot take.
fn is_sound(entry: &Entry) -> bool {
    (1..=255).contains(&entry.name.len())
        && entry.offset != 0
        && !entry.name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

fn is_child(name: &[u8]) -> bool {
    !matches!(name, b"." | b"..")
}
