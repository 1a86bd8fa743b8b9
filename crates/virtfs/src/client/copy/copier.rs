//! The copying of trees, by the threads of a pool.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FileType, Timespec};

use super::super::pool::{Pool, Task};
use super::super::report::Report;
use super::MAX_DEPTH;
use super::content::{self, Copying};
use super::identity;
use super::links::{Claim, Links};
use super::progress::Progress;
use super::tree::{Details, Existing, Found, Meta, Source, Target, Xattrs};

/// What can be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) recursive: bool,
    pub(crate) no_clobber: bool,
    pub(crate) xattrs: bool,
    /// What is read and written at a time, in bytes.
    pub(crate) piece: usize,
}

/// A copy of some trees into one directory.
pub(crate) struct Copier<S: Source, T: Target> {
    pub(super) source: S,
    pub(super) target: T,
    base: T::Dir,
    pub(super) options: Options,
    links: Links,
    pub(super) report: Arc<Report>,
    pub(super) progress: Arc<Progress>,
    /// The time of last access of the directories that are being made at the top.
    mark: Timespec,
}

/// Something to copy.
pub(crate) struct Start<S: Source> {
    /// What was typed, for messages.
    pub(crate) typed: Vec<u8>,
    /// The name of the copy in the base; none: the base itself, for a directory.
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) item: S::Item,
    pub(crate) meta: Meta,
}

/// A directory that is being copied.
pub(crate) struct Node<S: Source, T: Target> {
    source: S::Dir,
    target: T::Dir,
    place: Place<S, T>,
    details: Details,
}

/// Where an entry is, and where its copy goes.
pub(crate) struct Place<S: Source, T: Target> {
    parent: Option<Arc<Node<S, T>>>,
    /// What was typed, or the name in the parent.
    label: Vec<u8>,
    /// Its name in the target; none: the base itself.
    name: Option<Vec<u8>>,
    depth: usize,
}

pub(crate) enum Step<S: Source, T: Target> {
    Entry(Box<(Place<S, T>, S::Item, Meta)>),
    Segment(Arc<Copying<S, T>>, u64),
}

impl<S: Source, T: Target> Copier<S, T> {
    /// Copies into the target's base.
    pub(crate) fn new(
        source: S,
        target: T,
        options: Options,
        report: &Arc<Report>,
        progress: &Arc<Progress>,
    ) -> io::Result<Self> {
        Ok(Self {
            source,
            base: target.base()?,
            target,
            options,
            links: Links::default(),
            report: report.clone(),
            progress: progress.clone(),
            mark: identity::mark(),
        })
    }

    /// Copies all that can be copied; what cannot is told.
    pub(crate) fn run(&self, starts: Vec<Start<S>>) -> io::Result<()> {
        let mut names = HashSet::new();
        let (mut together, mut one_by_one) = (Vec::new(), Vec::new());
        for start in starts {
            let place = Place {
                parent: None,
                label: start.typed,
                name: start.name,
                depth: 1,
            };
            if start.meta.is_dir() && !self.options.recursive {
                let why = "it is a directory; -r copies it";
                self.report.failed_because(&place.path(), why);
                continue;
            }
            let alone = place.name.is_none();
            if let Some(name) = &place.name
                && !names.insert(name.clone())
            {
                let why = "another of the sources has this name: it would replace that";
                self.report.failed_because(&place.path(), why);
                continue;
            }
            self.met(&start.meta);
            let step = Step::Entry(Box::new((place, start.item, start.meta)));
            // What goes into the base itself may meet what is there by then.
            match alone {
                true => one_by_one.push(step),
                false => together.push(step),
            }
        }
        Pool::run(self, together)?;
        for step in one_by_one {
            if !self.report.lost() {
                Pool::run(self, [step])?;
            }
        }
        Ok(())
    }

    fn met(&self, meta: &Meta) {
        count(&self.progress.found, 1);
        if meta.kind == FileType::RegularFile {
            count(&self.progress.bytes_found, meta.size);
        }
    }

    pub(super) fn copied(&self) {
        count(&self.progress.copied, 1);
    }

    fn entry(
        &self,
        place: Place<S, T>,
        item: S::Item,
        meta: Meta,
        pool: &Pool<'_, Step<S, T>>,
        scratch: &mut Vec<u8>,
    ) {
        let done = match meta.kind {
            FileType::Directory => return self.directory(place, item, meta, pool, scratch),
            FileType::Socket => {
                self.report.tell(&place.path(), "a socket is not copied");
                Ok(())
            }
            _ => self.leaf(&place, item, &meta, pool, scratch),
        };
        if let Err(error) = done {
            self.report.failed(&place.path(), &error);
        }
        self.leave(place);
    }

    /// Anything but a directory.
    fn leaf(
        &self,
        place: &Place<S, T>,
        item: S::Item,
        meta: &Meta,
        pool: &Pool<'_, Step<S, T>>,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let at = self.at(place);
        let name = place.name()?;
        if self.options.no_clobber && self.target.exists(at, name)? {
            return Ok(());
        }
        let mut first = false;
        if meta.nlink > 1 {
            match self.links.claim(meta.id, meta.nlink) {
                Claim::First => first = true,
                Claim::Alone => {}
                Claim::Later(to) => {
                    // Where links are impossible a copy of its own is the next best.
                    if self.target.link(at, name, &to).is_ok() {
                        count(&self.progress.bytes, meta.size);
                        self.copied();
                        return Ok(());
                    }
                }
            }
        }
        let made = match meta.kind {
            FileType::RegularFile => self.create(place, item, meta).map(Some),
            FileType::Symlink => self.source.link_text(&item).and_then(|text| {
                self.target.symlink(at, name, &text, meta)?;
                Ok(None)
            }),
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice => {
                self.target.special(at, name, meta).map(|()| None)
            }
            _ => Err(io::Error::other("it is of no known type")),
        };
        match &made {
            Ok(_) if first => self.links.made(meta.id, place.target_path()),
            Err(_) if first => self.links.failed(meta.id),
            _ => {}
        }
        match made? {
            None => self.copied(),
            Some(copying) => content::copy(copying, pool, scratch),
        }
        Ok(())
    }

    fn create(&self, place: &Place<S, T>, item: S::Item, meta: &Meta) -> io::Result<Copying<S, T>> {
        let (source, xattrs) = self.source.open(item, self.options.xattrs)?;
        let check = |existing: Existing<'_>| {
            identity::refuse_same(meta, || self.source.atime_of_file(&source), existing)
        };
        let at = self.at(place);
        let target = self.target.file(at, place.name()?, meta, &check)?;
        let details = Details {
            meta: *meta,
            xattrs,
        };
        Ok(Copying::new(source, target, place.share(), details))
    }

    fn directory(
        &self,
        place: Place<S, T>,
        item: S::Item,
        meta: Meta,
        pool: &Pool<'_, Step<S, T>>,
        scratch: &mut Vec<u8>,
    ) {
        match self.enter(&place, item, &meta) {
            Err(error) => {
                self.report.failed(&place.path(), &error);
                self.leave(place);
            }
            Ok((source, target, xattrs)) => {
                let details = Details { meta, xattrs };
                let node = Arc::new(Node {
                    source,
                    target,
                    place,
                    details,
                });
                count(&self.progress.listing, 1);
                if let Err(error) = self.below(&node, pool, scratch) {
                    self.report.failed(&node.place.path(), &error);
                }
                self.progress.listing.fetch_sub(1, Ordering::Relaxed);
                self.leave_node(node);
            }
        }
    }

    fn enter(
        &self,
        place: &Place<S, T>,
        item: S::Item,
        meta: &Meta,
    ) -> io::Result<(S::Dir, T::Dir, Xattrs)> {
        if place.depth > MAX_DEPTH {
            return Err(io::Error::other("it is too deep"));
        }
        if place.is_within(meta) {
            return Err(io::Error::other("it contains itself: the tree has no end"));
        }
        let inside = || io::Error::other("the copy is inside of what is copied");
        if meta.atime == self.mark {
            return Err(inside());
        }
        let (source, xattrs) = self.source.enter(item, self.options.xattrs)?;
        let target = match &place.name {
            Some(name) => self.target.directory(self.at(place), name)?,
            None => self.target.base()?,
        };
        // Others' directories cannot be marked; then the depth is the limit.
        if place.parent.is_none() && self.target.touch_dir(&target, self.mark).is_ok() {
            let atime = self.source.atime_of_dir(&source)?;
            if atime == self.mark {
                self.target.touch_dir(&target, meta.atime)?;
                return Err(io::Error::other(
                    "source and destination are the same directory",
                ));
            }
        }
        Ok((source, target, xattrs))
    }

    fn below(
        &self,
        node: &Arc<Node<S, T>>,
        pool: &Pool<'_, Step<S, T>>,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut listing = self.source.list(&node.source)?;
        loop {
            let found = self.source.next(&node.source, &mut listing)?;
            if found.is_empty() || pool.stopped() {
                return Ok(());
            }
            for Found { name, what } in found {
                let place = Place {
                    parent: Some(node.clone()),
                    label: name.clone(),
                    name: Some(name),
                    depth: node.place.depth + 1,
                };
                match what {
                    Ok((item, meta)) => {
                        self.met(&meta);
                        pool.give(Step::Entry(Box::new((place, item, meta))), scratch);
                    }
                    Err(error) => self.report.failed(&place.path(), &error),
                }
            }
        }
    }

    /// The directory that the copy is made in.
    pub(super) fn at<'p>(&'p self, place: &'p Place<S, T>) -> &'p T::Dir {
        place
            .parent
            .as_ref()
            .map_or(&self.base, |node| &node.target)
    }

    /// An entry is done. The last one of a directory finishes it, and so on upwards: its times
    /// are set when nothing in it changes any more.
    pub(super) fn leave(&self, place: Place<S, T>) {
        if let Some(parent) = place.parent {
            self.leave_node(parent);
        }
    }

    fn leave_node(&self, node: Arc<Node<S, T>>) {
        let mut last = Arc::into_inner(node);
        while let Some(node) = last {
            match self.target.finish_dir(&node.target, &node.details) {
                Ok(()) => self.copied(),
                Err(error) => self.report.failed(&node.place.path(), &error),
            }
            last = node.place.parent.and_then(Arc::into_inner);
        }
    }
}

impl<S: Source, T: Target> Place<S, T> {
    /// The same place for another user of it.
    fn share(&self) -> Self {
        Self {
            parent: self.parent.clone(),
            label: self.label.clone(),
            name: self.name.clone(),
            depth: self.depth,
        }
    }

    /// Whether a directory of this kind is above. The number alone does not say it: some servers
    /// give the files of several file systems the same ones.
    fn is_within(&self, meta: &Meta) -> bool {
        let mut above = &self.parent;
        while let Some(node) = above {
            let there = &node.details.meta;
            if (there.id, there.ctime, there.mtime) == (meta.id, meta.ctime, meta.mtime) {
                return true;
            }
            above = &node.place.parent;
        }
        false
    }

    /// The name of the copy. Only a directory can do without.
    pub(super) fn name(&self) -> io::Result<&[u8]> {
        let none = || io::Error::other("it has no name");
        self.name.as_deref().ok_or_else(none)
    }

    /// The source's path, for messages.
    pub(super) fn path(&self) -> Vec<u8> {
        let mut names = vec![&self.label];
        let mut parent = &self.parent;
        while let Some(node) = parent {
            names.push(&node.place.label);
            parent = &node.place.parent;
        }
        let mut path = Vec::new();
        for name in names.into_iter().rev() {
            if !path.is_empty() && !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// The copy's path from the base on.
    fn target_path(&self) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = self.name.iter().cloned().collect();
        let mut parent = &self.parent;
        while let Some(node) = parent {
            names.extend(node.place.name.clone());
            parent = &node.place.parent;
        }
        names.reverse();
        names
    }
}

impl<S: Source, T: Target> Task for Step<S, T> {
    type Shared = Copier<S, T>;

    fn run(self, pool: &Pool<'_, Self>, scratch: &mut Vec<u8>) {
        match self {
            Self::Entry(entry) => {
                let (place, item, meta) = *entry;
                pool.shared.entry(place, item, meta, pool, scratch);
            }
            Self::Segment(copying, from) => content::segment(copying, from, pool, scratch),
        }
        // Looked for only after failures: each file would fail for the same reason.
        if pool.shared.report.lost() {
            pool.stop();
        }
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
