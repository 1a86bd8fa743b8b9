//! What the fids of a schedule stand for, as QEMU has them: by path. The generator chooses fids by
//! it, and conditions of listed differences ask it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use virtfs_proto::{LopenFlags, NOFID, QidType, Rmessage, Tmessage};

use crate::host;
use crate::reply::Reply;
use crate::request::Request;

/// The fids in use.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    share: PathBuf,
    fids: BTreeMap<u32, Fid>,
    /// The types of files by their qid's path, where requests or replies told them.
    kinds: BTreeMap<u64, Kind>,
    no_version: bool,
    /// What was agreed on last, if something was since the schedule began.
    msize: Option<u32>,
    /// How many requests have changed names so far.
    changes: u64,
    /// How many there were when the listing through a fid began.
    listings: BTreeMap<u32, u64>,
}

/// What a fid stands for.
#[derive(Clone, Debug)]
pub(crate) struct Fid {
    /// The names from the root of the export.
    pub(crate) path: Vec<Vec<u8>>,
    /// The path of QEMU's qid.
    pub(crate) file: u64,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    /// Whether another fid of the file was renamed by `Trename`: QEMU 11.1.3 changes the paths of the
    /// other fids as long as it has not met that fid in its table, and leaves the rest where they were.
    forgotten: bool,
}

/// A file's type, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Directory,
    Regular,
    Symlink,
    /// A device, a named pipe or a socket.
    Special,
}

/// What a fid can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Walked,
    Open(LopenFlags),
    /// The value of an attribute, or the names of them.
    XattrRead,
    /// An attribute that will be set, of so many bytes.
    XattrWrite(u64),
}

/// What QEMU finds at the path that it keeps for a fid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The file that the fid was made for.
    Same,
    /// Nothing.
    Gone,
    /// Another file.
    Other,
}

impl Tracker {
    /// No fids; `share` is what QEMU serves.
    pub(crate) fn new(share: &Path) -> Self {
        Self {
            share: share.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn fid(&self, fid: u32) -> Option<&Fid> {
        self.fids.get(&fid)
    }

    /// Whether the last `Tversion` was of no dialect.
    pub(crate) fn no_version(&self) -> bool {
        self.no_version
    }

    /// Whether a request is longer than the two sides have agreed on.
    pub(crate) fn is_too_long(&self, request: &Request) -> bool {
        self.msize
            .is_some_and(|msize| request.frame(&[]).len() > msize as usize)
    }

    /// All fids by number.
    pub(crate) fn fids(&self) -> impl Iterator<Item = (u32, &Fid)> {
        self.fids.iter().map(|(number, fid)| (*number, fid))
    }

    /// What is at the path of a fid now.
    pub(crate) fn place(&self, fid: &Fid) -> Place {
        if fid.forgotten {
            return Place::Other;
        }
        match std::fs::symlink_metadata(self.host_path(&fid.path)) {
            // A qid's path is the inode number and a one behind it, on the first device.
            Ok(found) if found.ino() == fid.file >> 1 => Place::Same,
            Ok(_) => Place::Other,
            Err(_) => Place::Gone,
        }
    }

    /// The names in the directory of a fid, sorted.
    pub(crate) fn names_in(&self, fid: &Fid) -> Vec<Vec<u8>> {
        let mut names = host::list(&self.host_path(&fid.path)).unwrap_or_default();
        names.retain(|name| !name.starts_with(b".virtfs_metadata"));
        names
    }

    /// The worst place of the fids that a request uses.
    pub(crate) fn place_of(&self, request: &Request) -> Place {
        let used = request.fids();
        let places = used.iter().filter_map(|fid| self.fid(*fid));
        let places: Vec<_> = places.map(|fid| self.place(fid)).collect();
        for place in [Place::Other, Place::Gone] {
            if places.contains(&place) {
                return place;
            }
        }
        Place::Same
    }

    /// The path, below the export, of the file that a request has just made.
    pub(crate) fn made(&self, request: &Request) -> Option<PathBuf> {
        let (dfid, name) = match request.message()? {
            Tmessage::Lcreate(m) => (m.fid, m.name),
            Tmessage::Symlink(m) => (m.dfid, m.name),
            Tmessage::Mknod(m) => (m.dfid, m.name),
            Tmessage::Mkdir(m) => (m.dfid, m.name),
            _ => return None,
        };
        Some(relative(&joined(&self.fid(dfid)?.path, name)))
    }

    /// Whether what a request is to make is there already.
    pub(crate) fn made_exists(&self, request: &Request) -> bool {
        let made = self.made(request);
        made.is_some_and(|path| std::fs::symlink_metadata(self.share.join(path)).is_ok())
    }

    /// Whether names have changed since the listing through this fid began.
    pub(crate) fn changed_meanwhile(&self, fid: u32) -> bool {
        let begun = self.listings.get(&fid);
        begun.is_some_and(|changes| *changes != self.changes)
    }

    /// Whether a directory gives what is made in it an ACL.
    pub(crate) fn has_default_acl(&self, fid: &Fid) -> bool {
        let path = self.host_path(&fid.path);
        let name = c"system.posix_acl_default";
        rustix::fs::lgetxattr(path, name, &mut [0; 1024][..]).is_ok()
    }

    /// Takes note of what a request has done, by QEMU's reply.
    pub(crate) fn note(&mut self, request: &Request, reply: &Reply<'_>) {
        let Some(message) = request.message() else {
            return;
        };
        self.changes += u64::from(reply.is_done() && changes_names(&message));
        match (message, reply) {
            (Tmessage::Readdir(m), _) => {
                let changes = self.changes;
                let begun = self.listings.entry(m.fid).or_insert(changes);
                if request.behind.is_none() {
                    *begun = changes;
                }
            }
            (Tmessage::Clunk(m), _) => {
                self.fids.remove(&m.fid);
                self.listings.remove(&m.fid);
            }
            (Tmessage::Remove(m), _) => drop(self.fids.remove(&m.fid)),
            (Tmessage::Version(m), _) => {
                self.fids.clear();
                if let Reply::Done(Rmessage::Version(agreed), _) = reply {
                    self.msize = Some(agreed.msize);
                }
                self.no_version = m.version != b"9P2000.L" || !reply.is_done();
            }
            (message, Reply::Done(done, _)) => self.note_done(&message, done, reply),
            _ => {}
        }
    }

    fn note_done(&mut self, message: &Tmessage<'_>, done: &Rmessage<'_>, reply: &Reply<'_>) {
        self.learn(message, done, reply);
        match message {
            Tmessage::Attach(m) => {
                let root = Fid {
                    path: Vec::new(),
                    file: reply.qid().map_or(0, |qid| qid.path),
                    kind: Kind::Directory,
                    state: State::Walked,
                    forgotten: false,
                };
                self.fids.insert(m.fid, root);
            }
            Tmessage::Walk(m) => {
                let Some(from) = self.fids.get(&m.fid).cloned() else {
                    return;
                };
                let Rmessage::Walk(walked) = done else { return };
                if walked.qids.iter().count() < m.names.len() {
                    return;
                }
                let path = m
                    .names
                    .iter()
                    .fold(from.path, |path, name| joined(&path, name));
                let (file, kind) = match reply.qid() {
                    Some(qid) => (qid.path, self.kind(qid.path, qid.kind)),
                    None => (from.file, from.kind),
                };
                let state = State::Walked;
                let forgotten = false;
                let fid = Fid {
                    path,
                    file,
                    kind,
                    state,
                    forgotten,
                };
                self.fids.insert(m.newfid, fid);
            }
            Tmessage::Lopen(m) => {
                if let Some(fid) = self.fids.get_mut(&m.fid) {
                    fid.state = State::Open(m.flags);
                }
            }
            Tmessage::Lcreate(m) => {
                let file = reply.qid().map_or(0, |qid| qid.path);
                if let Some(fid) = self.fids.get_mut(&m.fid) {
                    fid.path = joined(&fid.path, m.name);
                    fid.file = file;
                    fid.kind = Kind::Regular;
                    fid.state = State::Open(m.flags);
                }
            }
            Tmessage::Xattrwalk(m) => {
                if let Some(fid) = self.fids.get(&m.fid).cloned() {
                    let state = State::XattrRead;
                    self.fids.insert(m.newfid, Fid { state, ..fid });
                }
            }
            Tmessage::Xattrcreate(m) => {
                if let Some(fid) = self.fids.get_mut(&m.fid) {
                    fid.state = State::XattrWrite(m.size);
                }
            }
            Tmessage::Rename(m) => {
                let (from, to) = (self.fid(m.fid), self.fid(m.dfid));
                if let (Some(from), Some(to)) = (from, to) {
                    let (from, to) = (from.path.clone(), joined(&to.path, m.name));
                    for (number, fid) in &mut self.fids {
                        fid.forgotten |= *number != m.fid && fid.path.starts_with(&from);
                    }
                    self.moved(&from, &to);
                }
            }
            Tmessage::Renameat(m) => {
                let target = if m.newdirfid == NOFID {
                    m.olddirfid
                } else {
                    m.newdirfid
                };
                if let (Some(from), Some(to)) = (self.fid(m.olddirfid), self.fid(target)) {
                    let from = joined(&from.path, m.oldname);
                    let to = joined(&to.path, m.newname);
                    self.moved(&from, &to);
                }
            }
            _ => {}
        }
    }

    /// Notes the type of a file.
    fn learn(&mut self, message: &Tmessage<'_>, done: &Rmessage<'_>, reply: &Reply<'_>) {
        let mode = match (message, done) {
            (_, Rmessage::Getattr(m)) => m.mode,
            (Tmessage::Mknod(m), _) => m.mode,
            _ => return,
        };
        let kind = match mode & 0o170000 {
            0o040000 => Kind::Directory,
            0o120000 => Kind::Symlink,
            0o100000 | 0 => Kind::Regular,
            _ => Kind::Special,
        };
        let Some(file) = reply.qid().map(|qid| qid.path) else {
            return;
        };
        self.kinds.insert(file, kind);
        for fid in self.fids.values_mut().filter(|fid| fid.file == file) {
            fid.kind = kind;
        }
    }

    fn kind(&self, file: u64, told: QidType) -> Kind {
        if told.contains(QidType::DIR) {
            Kind::Directory
        } else if told.contains(QidType::SYMLINK) {
            Kind::Symlink
        } else {
            self.kinds.get(&file).copied().unwrap_or(Kind::Regular)
        }
    }

    /// QEMU replaces the beginning of every path that a rename has moved.
    fn moved(&mut self, from: &[Vec<u8>], to: &[Vec<u8>]) {
        for fid in self.fids.values_mut() {
            if let Some(rest) = fid.path.strip_prefix(from) {
                fid.path = to.iter().chain(rest).cloned().collect();
            }
        }
    }

    fn host_path(&self, path: &[Vec<u8>]) -> PathBuf {
        self.share.join(relative(path))
    }
}

fn changes_names(message: &Tmessage<'_>) -> bool {
    matches!(
        message,
        Tmessage::Lcreate(_)
            | Tmessage::Symlink(_)
            | Tmessage::Mknod(_)
            | Tmessage::Mkdir(_)
            | Tmessage::Link(_)
            | Tmessage::Rename(_)
            | Tmessage::Renameat(_)
            | Tmessage::Unlinkat(_)
            | Tmessage::Remove(_)
    )
}

fn relative(path: &[Vec<u8>]) -> PathBuf {
    path.iter()
        .map(|name| std::ffi::OsStr::from_bytes(name))
        .collect()
}

/// One name further; QEMU resolves the two dots on the path alone.
fn joined(path: &[Vec<u8>], name: &[u8]) -> Vec<Vec<u8>> {
    let mut path = path.to_vec();
    match name {
        b"." => {}
        b".." => drop(path.pop()),
        // QEMU ends a name at a zero.
        name => path.push(
            name.split(|&byte| byte == 0)
                .next()
                .unwrap_or_default()
                .to_vec(),
        ),
    }
    path
}
