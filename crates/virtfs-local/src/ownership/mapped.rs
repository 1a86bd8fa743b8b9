//! What the mapped models share: the four values of a file, what they mean, and what is
//! remembered of them.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Statx;
use virtfs_vfs::{Device, FileKind};

use super::Owned;
use crate::ids::Owner;
use crate::options::Options;
use crate::sync::lock;

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

/// Where the mapped models keep `security.capability`.
pub(crate) const CAPABILITY_KEPT: &CStr = c"user.virtfs.security.capability";

/// What is stored of a file; the host's own value stands for what is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Values {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// With the bits of the kind.
    pub(crate) mode: Option<u32>,
    /// As glibc encodes it.
    pub(crate) rdev: Option<u64>,
}

impl Values {
    /// The kind that a file is to clients. Only a regular file of the host can be something else,
    /// and never a directory; bits that name no kind are QEMU's loss.
    pub(crate) fn kind(&self, host: FileKind) -> FileKind {
        match (host, self.mode.and_then(FileKind::from_mode)) {
            (FileKind::Regular, Some(kind)) if kind != FileKind::Directory => kind,
            _ => host,
        }
    }

    /// The attributes that clients get.
    pub(crate) fn owned(&self, stat: &Statx, host: FileKind, rules: &Mapping) -> Owned {
        let seen = Owned::of(stat);
        let kind = self.kind(host);
        let permissions = self.mode.unwrap_or(seen.mode) & 0o7777;
        let owner = rules.default_owner;
        Owned {
            mode: kind.mode_bits() | permissions,
            uid: self.uid.or(owner.map(|o| o.uid)).unwrap_or(seen.uid),
            gid: self.gid.or(owner.map(|o| o.gid)).unwrap_or(seen.gid),
            rdev: match (is_device(kind), self.rdev) {
                (true, Some(rdev)) => device(rdev),
                _ => seen.rdev,
            },
        }
    }
}

/// The inverse of [`Device::to_wire`].
pub(crate) fn device(rdev: u64) -> Device {
    Device {
        major: ((rdev >> 32 & 0xffff_f000) | (rdev >> 8 & 0xfff)) as u32,
        minor: ((rdev >> 12 & 0xffff_ff00) | (rdev & 0xff)) as u32,
    }
}

pub(crate) fn is_device(kind: FileKind) -> bool {
    matches!(kind, FileKind::CharDevice | FileKind::BlockDevice)
}

/// The mode without what a change of content takes away, if that is anything.
pub(crate) fn without_setid(mode: u32) -> Option<u32> {
    let mut drop = mode & SETUID;
    // Without group execute permission setgid once meant mandatory locks, and stays.
    if mode & GROUP_EXECUTE != 0 {
        drop |= mode & SETGID;
    }
    (drop != 0).then_some(mode & !drop)
}

/// What can be chosen for a mapped model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    fmode: u32,
    dmode: u32,
    pub(crate) default_owner: Option<Owner>,
}

impl Mapping {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            fmode: options.fmode & 0o777,
            dmode: options.dmode & 0o777,
            default_owner: options.default_owner,
        }
    }

    /// The permission bits of the host's files, less what the process's umask takes away.
    pub(crate) fn host_mode(&self, kind: FileKind) -> u32 {
        let mode = match kind {
            FileKind::Directory => self.dmode,
            _ => self.fmode,
        };
        mode & !crate::thread::former_umask()
    }
}

/// What is remembered of a file while it is known.
#[derive(Debug)]
pub(crate) struct Memory {
    /// As a `dirent_type`.
    kind: AtomicU8,
    /// Whether a change of content has something to take away: [`SETID`], [`CAPABILITY`].
    privileges: AtomicU8,
    /// What the mapped models remember beside it. The others have nothing stored, and many files.
    stored: Option<Box<Stored>>,
}

#[derive(Debug, Default)]
struct Stored {
    /// Held over a change of what is stored that depends on what was stored.
    changing: Mutex<()>,
    read: Mutex<Read>,
    /// The values of a file that lost the name by which they are found (`mapped-file`).
    kept: Mutex<Option<Box<Kept>>>,
}

/// What is left of the metadata of a file that lost its name.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) values: Values,
    /// The metadata file, where other names of the file share it.
    pub(crate) file: Option<Arc<OwnedFd>>,
}

/// It is or was setuid, or setgid.
const SETID: u8 = 1;
/// It may have `security.capability`.
const CAPABILITY: u8 = 2;

#[derive(Debug, Default)]
struct Read {
    /// Counts our changes: what was read before one says nothing after it.
    changes: u64,
    seen: Option<(Stamp, Values, Extent)>,
}

/// Which of the values were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// The mode alone.
    Mode,
    /// All.
    All,
}

/// What changes with every change of what is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    ino: u64,
    sec: i64,
    nsec: u32,
}

/// The host's clock for inodes stands still for up to some hundredths of a second: only a change
/// time this old is known to move with the next change.
const SETTLED: Duration = Duration::from_secs(1);

impl Stamp {
    /// That of the file in which the values are, if a later change is sure to be told from it.
    pub(crate) fn of(stat: &Statx) -> Option<Self> {
        let (sec, nsec) = (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let changed = Duration::new(u64::try_from(sec).ok()?, nsec.min(999_999_999));
        let ino = stat.stx_ino;
        (changed + SETTLED < now).then_some(Self { ino, sec, nsec })
    }
}

impl Memory {
    /// Of a file of a model that stores nothing beside it: it is what the host says.
    pub(crate) fn of(host: FileKind) -> Self {
        Self {
            kind: AtomicU8::new(host.dirent_type()),
            privileges: AtomicU8::new(0),
            stored: None,
        }
    }

    /// Of a file with these values, which may have `security.capability`.
    pub(crate) fn new(host: FileKind, values: &Values, capability: bool) -> Self {
        let kind = values.kind(host);
        let regular = kind == FileKind::Regular;
        let mut privileges = 0;
        if regular && values.mode.is_some_and(|m| without_setid(m).is_some()) {
            privileges |= SETID;
        }
        if regular && capability {
            privileges |= CAPABILITY;
        }
        Self {
            kind: AtomicU8::new(kind.dirent_type()),
            privileges: AtomicU8::new(privileges),
            stored: Some(Box::default()),
        }
    }

    /// What was read, if the model reads anything.
    fn read(&self) -> Option<MutexGuard<'_, Read>> {
        self.stored.as_ref().map(|stored| lock(&stored.read))
    }

    /// The values of a file that lost its name.
    pub(crate) fn kept(&self) -> Option<Kept> {
        let kept = lock(&self.stored.as_ref()?.kept);
        kept.as_deref().cloned()
    }

    /// Remembers them.
    pub(crate) fn keep(&self, values: Option<Kept>) {
        if let Some(stored) = &self.stored {
            *lock(&stored.kept) = values.map(Box::new);
        }
    }

    /// Changes them while nobody else sees them.
    pub(crate) fn change_kept<R>(&self, change: impl FnOnce(&mut Option<Kept>) -> R) -> R {
        let Some(stored) = &self.stored else {
            return change(&mut None);
        };
        let mut boxed = lock(&stored.kept);
        let mut kept = boxed.take().map(|kept| *kept);
        let result = change(&mut kept);
        *boxed = kept.map(Box::new);
        result
    }

    /// Of a file that we have just made with this mode.
    pub(crate) fn made(kind: FileKind, mode: u32) -> Self {
        let values = Values {
            mode: Some(kind.mode_bits() | mode & 0o7777),
            ..Values::default()
        };
        Self::new(kind, &values, false)
    }

    /// Takes over what is known for sure, from who has just made the file; somebody else may have
    /// met it before it was whole.
    pub(crate) fn absorb(&self, made: &Self) {
        let mut read = self.read();
        if let Some(read) = &mut read {
            read.changes += 1;
            read.seen = None;
        }
        self.kind
            .store(made.kind.load(Ordering::Relaxed), Ordering::Relaxed);
        let privileges = made.privileges.load(Ordering::Relaxed);
        self.privileges.fetch_or(privileges, Ordering::AcqRel);
    }

    /// With what was read before there was a node.
    pub(crate) fn having_seen(self, stamp: Option<Stamp>, values: Values, what: Extent) -> Self {
        if let Some(mut read) = self.read() {
            read.seen = stamp.map(|stamp| (stamp, values, what));
        }
        self
    }

    /// The kind that the file is to clients, as last seen.
    pub(crate) fn kind(&self) -> FileKind {
        let bits = u32::from(self.kind.load(Ordering::Relaxed)) << 12;
        FileKind::from_mode(bits).unwrap_or(FileKind::Regular)
    }

    /// Whether a change of content may have something to take away.
    pub(crate) fn has_privileges(&self) -> bool {
        self.privileges.load(Ordering::Acquire) != 0
    }

    /// Whether it may have `security.capability`.
    pub(crate) fn may_have_capability(&self) -> bool {
        self.privileges.load(Ordering::Acquire) & CAPABILITY != 0
    }

    /// Tells that it has `security.capability`.
    pub(crate) fn got_capability(&self) {
        self.privileges.fetch_or(CAPABILITY, Ordering::AcqRel);
    }

    /// Tells that it has none.
    pub(crate) fn lost_capability(&self) {
        self.privileges.fetch_and(!CAPABILITY, Ordering::AcqRel);
    }

    /// To be held while what is stored is read and changed.
    pub(crate) fn changing(&self) -> Option<MutexGuard<'_, ()>> {
        self.stored.as_ref().map(|stored| lock(&stored.changing))
    }

    /// To be asked before values are read, for [`Memory::saw`].
    pub(crate) fn changes(&self) -> u64 {
        self.read().map_or(0, |read| read.changes)
    }

    /// What was read when the stamp was this.
    pub(crate) fn seen(&self, stamp: Stamp) -> Option<(Values, Extent)> {
        let (at, values, what) = self.read()?.seen?;
        (at == stamp).then_some((values, what))
    }

    /// Remembers all values, which were read after `changes` was, and when the stamp was this.
    pub(crate) fn saw(&self, host: FileKind, values: &Values, changes: u64, stamp: Option<Stamp>) {
        if let Some(mut read) = self.read()
            && read.changes == changes
        {
            read.seen = stamp.map(|stamp| (stamp, *values, Extent::All));
            self.note(host, values.mode, values.kind(host));
        }
    }

    /// Remembers that we changed the values; `mode` is the new one, if that was among them.
    pub(crate) fn changed(&self, host: FileKind, mode: Option<u32>) {
        let mut read = self.read();
        if let Some(read) = &mut read {
            read.changes += 1;
            read.seen = None;
        }
        if let Some(mode) = mode {
            self.note(host, Some(mode), self.kind());
        }
    }

    fn note(&self, host: FileKind, mode: Option<u32>, kind: FileKind) {
        if host == FileKind::Directory {
            return;
        }
        self.kind.store(kind.dirent_type(), Ordering::Relaxed);
        let setid = kind == FileKind::Regular && mode.is_some_and(|m| without_setid(m).is_some());
        if setid {
            self.privileges.fetch_or(SETID, Ordering::AcqRel);
        } else {
            self.privileges.fetch_and(!SETID, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_survives() {
        for (major, minor) in [(0, 0), (10, 229), (240, 70000), (u32::MAX, u32::MAX)] {
            let number = Device { major, minor };
            assert_eq!(device(number.to_wire()), number);
        }
    }

    #[test]
    fn only_regular_files_are_something_else_and_never_a_directory() {
        let kind = |mode, host| {
            let mode = Some(mode);
            Values {
                mode,
                ..Values::default()
            }
            .kind(host)
        };
        assert_eq!(kind(0o120_777, FileKind::Regular), FileKind::Symlink);
        assert_eq!(kind(0o040_755, FileKind::Regular), FileKind::Regular);
        assert_eq!(kind(0o755, FileKind::Regular), FileKind::Regular);
        assert_eq!(kind(0o170_755, FileKind::Regular), FileKind::Regular);
        assert_eq!(kind(0o100_755, FileKind::Directory), FileKind::Directory);
        assert_eq!(kind(0o100_755, FileKind::Symlink), FileKind::Symlink);
    }

    #[test]
    fn setuid_and_setgid_go_as_the_kernel_takes_them() {
        assert_eq!(without_setid(0o100_755), None);
        assert_eq!(without_setid(0o102_744), None);
        assert_eq!(without_setid(0o106_744), Some(0o102_744));
        assert_eq!(without_setid(0o107_777), Some(0o101_777));
    }

    #[test]
    fn what_was_read_before_a_change_is_forgotten() {
        let memory = Memory::new(FileKind::Regular, &Values::default(), false);
        let before = memory.changes();
        let old = Values {
            mode: Some(0o100_644),
            ..Values::default()
        };
        memory.changed(FileKind::Regular, Some(0o104_755));
        memory.saw(FileKind::Regular, &old, before, None);
        assert!(memory.has_privileges());
    }
}
