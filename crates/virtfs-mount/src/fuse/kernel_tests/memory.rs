//! A handler with some files in memory; what it is asked to wait for, it keeps.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::io::Errno;

use crate::fuse::{
    Attr, DirBuffer, EntryOut, Handler, LockKind, Op, OpenFlags, Reply, Request, SetattrIn, Statfs,
};

/// Reading it is answered by whoever takes the kept reply.
pub(super) const KEPT: &str = "kept";
/// Reading it holds the thread until interrupted, or until the mount is gone.
pub(super) const HELD: &str = "held";

const ROOT: u64 = 1;

#[derive(Default)]
pub(super) struct Memory {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// Node by node, from 2 on.
    pub(super) files: Vec<File>,
    /// Replies that were kept aside: of reads of [`KEPT`] and of locks.
    pub(super) kept: Vec<Reply>,
    /// Requests that hold a thread in [`HELD`].
    pub(super) held: HashSet<u64>,
    /// Interrupts that came, and how many of them to disown first.
    pub(super) interrupts: usize,
    pub(super) disown: usize,
    pub(super) ended: bool,
    pub(super) longest_write: usize,
    pub(super) readdirplus: usize,
    pub(super) unlocks: usize,
}

#[derive(Default)]
pub(super) struct File {
    name: String,
    content: Vec<u8>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Memory {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let memory = Self::default();
        let file = |(name, content): &(&str, &str)| File {
            name: (*name).to_owned(),
            content: content.as_bytes().to_vec(),
            ..File::default()
        };
        memory.lock().files = files.iter().map(file).collect();
        memory
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until the state is such.
    pub(super) fn wait(&self, such: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.lock(), |state| !such(state))
            .unwrap()
    }

    fn hold(&self, unique: u64, reply: Reply) {
        self.lock().held.insert(unique);
        self.changed.notify_all();
        drop(self.wait(|state| state.ended || !state.held.contains(&unique)));
        reply.error(Errno::INTR.raw_os_error());
    }
}

impl State {
    fn find(&self, name: &[u8]) -> Option<u64> {
        let index = self
            .files
            .iter()
            .position(|file| file.name.as_bytes() == name)?;
        Some(index as u64 + 2)
    }

    fn file(&mut self, node: u64) -> Option<&mut File> {
        self.files
            .get_mut(usize::try_from(node.checked_sub(2)?).ok()?)
    }

    fn attr(&mut self, node: u64) -> Attr {
        let (mode, size) = match self.file(node) {
            None => (0o40_755, 0),
            Some(file) => (0o100_644, file.content.len() as u64),
        };
        Attr {
            ino: node,
            mode,
            size,
            nlink: 1,
            blksize: 4096,
            ..Attr::default()
        }
    }

    fn entry(&mut self, node: u64) -> EntryOut {
        EntryOut {
            node,
            attr: self.attr(node),
            ..EntryOut::default()
        }
    }

    fn list(&mut self, offset: u64, size: u32, plus: bool) -> DirBuffer {
        let mut buffer = DirBuffer::new(size);
        for at in offset..self.files.len() as u64 {
            let entry = self.entry(at + 2);
            let name = self.files[at as usize].name.clone();
            let full = if plus {
                buffer.push_plus(&entry, at + 1, 8, name.as_bytes())
            } else {
                buffer.push(entry.attr.ino, at + 1, 8, name.as_bytes())
            };
            if full {
                break;
            }
        }
        buffer
    }

    fn truncate(&mut self, node: u64, set: SetattrIn) {
        if let (Some(file), Some(size)) = (self.file(node), set.size) {
            file.content.resize(size as usize, 0);
        }
    }
}

impl Handler for Memory {
    fn handle_at_once(&self, request: Request<'_>, reply: Reply) {
        self.handle(request, reply);
    }

    fn handle(&self, request: Request<'_>, reply: Reply) {
        let node = request.node;
        let mut state = self.lock();
        let name = state
            .file(node)
            .map(|file| file.name.clone())
            .unwrap_or_default();
        match request.op {
            Op::Lookup { name } => match state.find(name) {
                Some(node) => reply.entry(&state.entry(node)),
                None => reply.error(Errno::NOENT.raw_os_error()),
            },
            Op::Getattr { .. } => reply.attr(&state.attr(node), Duration::ZERO),
            Op::Setattr(set) => {
                state.truncate(node, set);
                reply.attr(&state.attr(node), Duration::ZERO);
            }
            Op::Create { name, .. } => {
                let name = String::from_utf8(name.to_vec()).unwrap();
                state.files.push(File {
                    name,
                    ..File::default()
                });
                let node = state.files.len() as u64 + 1;
                reply.created(&state.entry(node), node, OpenFlags::NONE);
            }
            Op::Open { flags, .. } => {
                if flags & 0o1000 != 0 {
                    state.truncate(
                        node,
                        SetattrIn {
                            size: Some(0),
                            ..SetattrIn::default()
                        },
                    );
                }
                // Else it is the kernel's read-ahead that waits, which nobody interrupts.
                let waits = name == KEPT || name == HELD;
                reply.opened(
                    node,
                    if waits {
                        OpenFlags::DIRECT_IO
                    } else {
                        OpenFlags::NONE
                    },
                );
            }
            Op::Opendir { .. } => reply.opened(ROOT, OpenFlags::NONE),
            Op::Readdir { offset, size, .. } => {
                reply.data(&[state.list(offset, size, false).bytes()]);
            }
            Op::Readdirplus { offset, size, .. } => {
                state.readdirplus += 1;
                reply.data(&[state.list(offset, size, true).bytes()]);
            }
            Op::Read { .. } if name == KEPT => state.kept.push(reply),
            Op::Read { .. } if name == HELD => {
                drop(state);
                self.hold(request.unique, reply);
            }
            Op::Read {
                fh, offset, size, ..
            } => {
                let content = &state.file(fh).unwrap().content;
                let start = content.len().min(offset as usize);
                let end = content.len().min(start + size as usize);
                // In two pieces, as they may lie.
                let (one, two) = content[start..end].split_at((end - start) / 2);
                reply.data(&[one, two]);
            }
            Op::Write {
                fh, offset, data, ..
            } => {
                state.longest_write = state.longest_write.max(data.len());
                let content = &mut state.file(fh).unwrap().content;
                let start = offset as usize;
                content.resize(content.len().max(start + data.len()), 0);
                content[start..start + data.len()].copy_from_slice(data);
                reply.written(data.len() as u32);
            }
            Op::Setlk(lock) | Op::Setlkw(lock) if lock.kind == LockKind::Unlock => {
                state.unlocks += 1;
                reply.ok();
            }
            Op::Setlkw(_) => state.kept.push(reply),
            // The kernel shows processes that exist, and no others.
            Op::Getlk(lock) => reply.lock(LockKind::Write, 3, lock.end, std::process::id()),
            Op::Setxattr { name, value, .. } => {
                state
                    .file(node)
                    .unwrap()
                    .xattrs
                    .insert(name.to_vec(), value.to_vec());
                reply.ok();
            }
            Op::Getxattr { name, size } => {
                match state.file(node).and_then(|f| f.xattrs.get(name)) {
                    None => reply.error(Errno::NODATA.raw_os_error()),
                    Some(value) if size == 0 => reply.size(value.len() as u32),
                    Some(value) => reply.data(&[value]),
                }
            }
            Op::Statfs => reply.statfs(&Statfs {
                blocks: 1000,
                bfree: 400,
                bavail: 300,
                files: 20,
                ffree: 10,
                bsize: 4096,
                namelen: 255,
                frsize: 4096,
            }),
            // Ends without an answer, which is EIO.
            Op::Mkdir { .. } => drop(reply),
            Op::Symlink { .. } => {
                drop(state);
                panic!("a handler that panics (this is part of the test)");
            }
            Op::Release { .. } | Op::Releasedir { .. } | Op::Flush { .. } | Op::Forget(_) => {
                reply.ok();
            }
            _ => reply.error(Errno::NOSYS.raw_os_error()),
        }
        self.changed.notify_all();
    }

    fn interrupt(&self, unique: u64) -> bool {
        let mut state = self.lock();
        state.interrupts += 1;
        self.changed.notify_all();
        if state.disown > 0 {
            state.disown -= 1;
            return false;
        }
        if let Some(index) = state.kept.iter().position(|reply| reply.unique() == unique) {
            state.kept.remove(index).error(Errno::INTR.raw_os_error());
            return true;
        }
        state.held.remove(&unique)
    }

    fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}
