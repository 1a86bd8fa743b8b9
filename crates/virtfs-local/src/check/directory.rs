//! One directory after the other, and what is in it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Dir, OFlags, Statx};
use rustix::io::Errno;
use virtfs_vfs::FileKind;

use super::links::Links;
use super::problem::{Problem, Teller};
use super::read::{find, kind, open};
use super::walk::{Next, Walk};
use super::xattrs::Xattrs;
use super::{Check, Outcome, Watch, content, folder};
use crate::inode::InodeId;
use crate::ownership::mapped_file::reserved::{FOLDER, ROOT, is_reserved};
use crate::proc::ProcFd;

/// A check on its way.
pub(super) struct Run<'w> {
    check: Check,
    proc: Arc<ProcFd>,
    device: u64,
    teller: Teller<'w>,
    walk: Walk,
    xattrs: Xattrs,
    links: Links,
    /// What was found with the entry at hand.
    problems: Vec<Problem>,
}

impl<'w> Run<'w> {
    pub(super) fn new(
        check: Check,
        root: OwnedFd,
        stat: &Statx,
        watch: &'w mut dyn Watch,
    ) -> io::Result<Self> {
        Ok(Self {
            check,
            proc: ProcFd::get()?,
            device: InodeId::of(stat).dev,
            teller: Teller::new(watch),
            walk: Walk::new(root, stat),
            xattrs: Xattrs::new(),
            links: Links::default(),
            problems: Vec::new(),
        })
    }

    /// Looks at everything.
    pub(super) fn all(mut self) -> Outcome {
        while self.teller.goes_on()
            && let Some(next) = self.walk.next()
        {
            match next {
                Next::Directory(dir) => self.directory(dir.as_fd()),
                Next::Lost(Errno::STALE) => {
                    let what = "it was moved away meanwhile, and what is in it left out";
                    self.tell(Problem::unchecked(what, Errno::STALE));
                }
                Next::Lost(error) => self.tell(Problem::unchecked("it cannot be entered", error)),
            }
        }
        self.on_all();
        self.teller.outcome
    }

    /// What can be said at the end.
    fn on_all(&mut self) {
        let outcome = &self.teller.outcome;
        if outcome.mapped_xattr && outcome.mapped_file {
            let what = "there is metadata of both models, mapped-xattr and mapped-file; a server \
                        uses that of its own";
            let mend = "name the one in use by --security-model to hear of it alone";
            self.teller.tell(b"", &Problem::note(what, mend));
        }
        if self.links.full {
            let what = "there are too many hard links to remember: not all were compared";
            self.teller
                .tell(b"", &Problem::new(super::Severity::Unchecked, what, ""));
        }
    }

    fn tell(&mut self, problem: Problem) {
        self.teller.tell(self.walk.path(), &problem);
    }

    fn directory(&mut self, dir: BorrowedFd<'_>) {
        if self.walk.at_root() {
            self.root(dir);
        }
        let metadata = match self.check.mapped_file.then(|| folder::of(dir)) {
            None | Some(Ok(None)) => None,
            Some(Ok(folder)) => folder,
            Some(Err(problem)) => {
                self.walk.down(FOLDER);
                self.tell(problem);
                self.walk.up();
                None
            }
        };
        let mut barred = false;
        let read = self.each(dir, |run, name| {
            run.name(dir, metadata.as_ref(), name, &mut barred)
        });
        if let Err(error) = read {
            self.tell(Problem::unchecked("its entries cannot be read", error));
        }
        if let Some(metadata) = &metadata {
            self.teller.outcome.mapped_file = true;
            self.walk.down(FOLDER);
            self.folder(metadata.as_fd(), dir);
            self.walk.up();
        }
    }

    /// The root's own values.
    fn root(&mut self, dir: BorrowedFd<'_>) {
        if !self.teller.entry() {
            return;
        }
        let directory = FileKind::Directory;
        if self.check.mapped_xattr {
            let found = self
                .xattrs
                .judge(&self.proc, dir, directory, &mut self.problems);
            self.teller.outcome.mapped_xattr |= found.any;
        }
        if self.check.mapped_file {
            match crate::inode::look(dir, crate::inode::LOOK) {
                Ok(stat) => {
                    let stored = folder::judge(&self.proc, dir, ROOT, &stat, &mut self.problems);
                    self.teller.outcome.mapped_file |= stored.is_some();
                }
                Err(error) => self.tell(Problem::unchecked("it cannot be looked at", error)),
            }
        }
        self.tell_all();
    }

    /// Looks at a name in a directory. `barred` is whether it was told that entries cannot be
    /// reached.
    fn name(
        &mut self,
        dir: BorrowedFd<'_>,
        metadata: Option<&OwnedFd>,
        name: &[u8],
        barred: &mut bool,
    ) {
        let reserved = self.check.mapped_file && is_reserved(name);
        // Under the other model this is a file like any other.
        let other = self.check.mapped_xattr && metadata.is_none();
        if reserved {
            self.walk.down(name);
            self.reserved(name, other);
            self.walk.up();
        }
        if !reserved || (other && name != FOLDER && name != ROOT) {
            match find(dir, name) {
                Ok(Some((fd, stat))) => {
                    self.walk.down(name);
                    self.entry(fd.as_fd(), &stat, metadata, name);
                }
                Ok(None) => {}
                Err(Errno::ACCESS) if std::mem::replace(barred, true) => {}
                Err(error) => {
                    self.walk.down(name);
                    let what = match error {
                        Errno::ACCESS => "it and what is beside it cannot be looked at",
                        _ => "it cannot be looked at",
                    };
                    self.tell(Problem::unchecked(what, error));
                }
            }
        }
        self.walk.up();
    }

    /// A name that is the server's own, and not where it has its use.
    fn reserved(&mut self, name: &[u8], other: bool) {
        if name == FOLDER || self.walk.path() == ROOT {
            return;
        }
        let hidden = "clients never see a file of this name, which is like those of the metadata";
        self.tell(match name {
            ROOT => {
                let what = "the root's metadata is read in the root alone, and not here";
                Problem::warning(what, "remove it")
            }
            _ if other => Problem::note(format!("under mapped-file, {hidden}"), "rename it"),
            _ => Problem::warning(hidden, "rename it"),
        });
    }

    fn entry(&mut self, fd: BorrowedFd<'_>, stat: &Statx, metadata: Option<&OwnedFd>, name: &[u8]) {
        let host = kind(stat);
        let (mut by_xattr, mut by_file) = (host, host);
        if self.check.mapped_xattr && matches!(host, FileKind::Regular | FileKind::Directory) {
            let found = self.xattrs.judge(&self.proc, fd, host, &mut self.problems);
            self.teller.outcome.mapped_xattr |= found.any;
            by_xattr = found.values.kind(host);
        }
        if self.check.mapped_file {
            let stored = metadata.and_then(|metadata| {
                let metadata = metadata.as_fd();
                folder::judge(&self.proc, metadata, name, stat, &mut self.problems)
            });
            by_file = stored.map_or(host, |(_, values)| values.kind(host));
            if host == FileKind::Regular && stat.stx_nlink > 1 {
                let (id, path) = (InodeId::of(stat), self.walk.path());
                let problem = self.links.meet(id, stat.stx_nlink, path, stored);
                self.problems.extend(problem);
            }
        }
        if host == FileKind::Regular {
            let mut judge = |kind| {
                content::judge(&self.proc, fd, stat.stx_size, kind, &mut self.problems);
            };
            judge(by_xattr);
            if by_file != by_xattr {
                judge(by_file);
            }
        }
        self.tell_all();
        let here = !self.check.one_device || InodeId::of(stat).dev == self.device;
        if host == FileKind::Directory && here {
            self.walk.visit(name);
        }
    }

    /// Looks at a folder of metadata.
    fn folder(&mut self, folder: BorrowedFd<'_>, dir: BorrowedFd<'_>) {
        let mut empty = true;
        let base = self.walk.path().len();
        let read = self.each(folder, |run, name| {
            empty = false;
            run.walk.down(name);
            if let Some(problem) = folder::judge_entry(folder, dir, name) {
                run.tell(problem);
            }
            run.walk.back_to(base);
        });
        match read {
            Err(error) => self.tell(Problem::unchecked("its entries cannot be read", error)),
            Ok(()) if empty => {
                self.tell(Problem::note(
                    "an empty folder of metadata",
                    "nothing, or remove it",
                ));
            }
            Ok(()) => {}
        }
    }

    /// Calls for each name in a directory, until the watcher ends it.
    fn each(
        &mut self,
        dir: BorrowedFd<'_>,
        mut f: impl FnMut(&mut Self, &[u8]),
    ) -> Result<(), Errno> {
        for entry in Dir::new(open(&self.proc, dir, OFlags::DIRECTORY)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if !self.teller.entry() {
                break;
            }
            f(self, name);
        }
        Ok(())
    }

    fn tell_all(&mut self) {
        for problem in std::mem::take(&mut self.problems) {
            self.tell(problem);
        }
    }
}
