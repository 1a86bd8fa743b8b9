//! The local file system as the side that is written. The server chose the names, and may have
//! chosen them against us: every call is relative to a directory's descriptor and follows nothing.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
    XattrFlags, chownat, fchmod, fchown, fremovexattr, fsetxattr, fstat, ftruncate, futimens,
    linkat, makedev, mkdirat, mknodat, openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::{Errno, pwrite};

use super::super::report::Report;
use super::local_source::meta;
use super::tree::{Check, Details, Existing, Meta, Target};
use super::xattrs;

/// A directory of the local file system, below which copies are made.
#[derive(Debug)]
pub(crate) struct LocalTarget {
    base: Arc<OwnedFd>,
    root: bool,
    owner: bool,
    /// The server may give what gives rights.
    trusted: bool,
    report: Arc<Report>,
}

const ACL: &CStr = c"system.posix_acl_access";
const OPEN_DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const OPEN_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl LocalTarget {
    /// Copies are made in `base`, with their owners if `owner`, and with what gives rights on this
    /// machine (device nodes, `security.*`) if `trusted`. From now on the process has no
    /// umask: device nodes get their modes by the call that makes them, because none changes the
    /// mode of a name without following a link.
    pub(crate) fn new(base: OwnedFd, owner: bool, trusted: bool, report: &Arc<Report>) -> Self {
        rustix::process::umask(Mode::empty());
        let root = rustix::process::geteuid().is_root();
        Self {
            base: Arc::new(base),
            root,
            owner: owner && root,
            trusted,
            report: report.clone(),
        }
    }

    /// Makes something by `make`; a symbolic link, or what `replaces` says, gives way to it.
    fn make(
        &self,
        at: &OwnedFd,
        name: &CString,
        replaces: impl Fn(FileType) -> bool,
        make: impl Fn() -> Result<(), Errno>,
    ) -> io::Result<()> {
        match make() {
            Err(Errno::EXIST) => {
                let kind = kind(at, name)?;
                if kind != FileType::Symlink && !replaces(kind) {
                    return Err(Errno::EXIST.into());
                }
                unlinkat(at, name, AtFlags::empty())?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    /// Owner and times of what cannot be opened.
    fn finish_entry(&self, at: &OwnedFd, name: &CString, meta: &Meta) -> io::Result<()> {
        if self.owner {
            let (uid, gid) = owner(meta);
            chownat(at, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(
            at,
            name,
            &times(meta),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    fn finish(&self, file: &OwnedFd, details: &Details) -> io::Result<()> {
        let meta = &details.meta;
        if self.owner {
            let (uid, gid) = owner(meta);
            fchown(file, uid, gid)?;
        }
        let attributes = xattrs::set_all(&details.xattrs, &self.report, |name, value| {
            if !self.trusted && xattrs::is_privileged(name) {
                self.report.warn_once(
                    "security.* and trusted.* attributes are left out (--trust-server keeps them)",
                );
                return Ok(());
            }
            let name = CString::new(name)?;
            Ok(fsetxattr(file, &name, value, XattrFlags::empty())?)
        });
        if !details
            .xattrs
            .iter()
            .any(|(name, _)| name == ACL.to_bytes())
        {
            // The directory may have given it one, which would let in whom the source does not.
            // There is none, otherwise, or nothing of the kind.
            let _ = fremovexattr(file, ACL);
        }
        // After the owner, whose change takes setuid away; after the attributes, which a mode
        // could forbid to set.
        fchmod(file, Mode::from_raw_mode(self.mode(file, meta)?))?;
        futimens(file, &times(meta))?;
        attributes
    }

    fn mode(&self, file: &OwnedFd, meta: &Meta) -> io::Result<u32> {
        if self.owner || meta.mode & 0o6000 == 0 {
            return Ok(meta.mode);
        }
        let copy = self::meta(&fstat(file)?);
        // Root who keeps no owners lends nobody root's rights, whoever the server says it was.
        let own = |same: bool| same && !self.root;
        let mode = meta.mode_for(own(copy.uid == meta.uid), own(copy.gid == meta.gid));
        if mode != meta.mode {
            self.report
                .warn_once("setuid and setgid are left out where the owner is not kept");
        }
        Ok(mode)
    }

    fn overwrite(&self, at: &OwnedFd, name: &CString, check: Check<'_>) -> io::Result<OwnedFd> {
        // What is there may be anything by now: it is not waited for.
        let file = openat(at, name, OPEN_FILE | OFlags::NONBLOCK, Mode::empty())?;
        let found = meta(&fstat(&file)?);
        if found.kind != FileType::RegularFile {
            return Err(Errno::EXIST.into());
        }
        check(Existing {
            meta: found,
            touch: &|atime| touch(&file, atime),
        })?;
        ftruncate(&file, 0)?;
        Ok(file)
    }
}

impl Target for LocalTarget {
    type Dir = OwnedFd;
    type File = OwnedFd;

    fn base(&self) -> io::Result<OwnedFd> {
        Ok(openat(&self.base, c".", OPEN_DIR, Mode::empty())?)
    }

    fn directory(&self, at: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
        let name = CString::new(name)?;
        match mkdirat(at, &name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(openat(at, &name, OPEN_DIR, Mode::empty())?)
    }

    fn touch_dir(&self, dir: &OwnedFd, atime: Timespec) -> io::Result<()> {
        touch(dir, atime)
    }

    fn file(&self, at: &OwnedFd, name: &[u8], _: &Meta, check: Check<'_>) -> io::Result<OwnedFd> {
        let name = CString::new(name)?;
        let flags = OPEN_FILE | OFlags::CREATE | OFlags::EXCL;
        let create = || openat(at, &name, flags, Mode::RUSR | Mode::WUSR);
        match create() {
            Err(Errno::EXIST) => match kind(at, &name)? {
                FileType::Symlink => {
                    unlinkat(at, &name, AtFlags::empty())?;
                    Ok(create()?)
                }
                FileType::Directory => Err(Errno::ISDIR.into()),
                FileType::RegularFile => self.overwrite(at, &name, check),
                _ => Err(Errno::EXIST.into()),
            },
            created => Ok(created?),
        }
    }

    fn write_at(&self, file: &OwnedFd, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match pwrite(file, bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, file: &OwnedFd, length: u64) -> io::Result<()> {
        Ok(ftruncate(file, length)?)
    }

    fn finish_file(
        &self,
        file: OwnedFd,
        _: &OwnedFd,
        _: &[u8],
        details: &Details,
    ) -> io::Result<()> {
        self.finish(&file, details)
    }

    fn finish_dir(&self, dir: &OwnedFd, details: &Details) -> io::Result<()> {
        self.finish(dir, details)
    }

    fn symlink(&self, at: &OwnedFd, name: &[u8], text: &[u8], meta: &Meta) -> io::Result<()> {
        let (name, text) = (CString::new(name)?, CString::new(text)?);
        let file = |kind| kind == FileType::RegularFile;
        self.make(at, &name, file, || symlinkat(&text, at, &name))?;
        self.finish_entry(at, &name, meta)
    }

    fn special(&self, at: &OwnedFd, name: &[u8], meta: &Meta) -> io::Result<()> {
        let name = CString::new(name)?;
        if meta.kind != FileType::Fifo && self.root && !self.trusted {
            return Err(io::Error::other(
                "a device node is made with --trust-server only",
            ));
        }
        let device = makedev(meta.rdev.0, meta.rdev.1);
        let alike = |kind| kind == meta.kind;
        self.make(at, &name, alike, || {
            mknodat(at, &name, meta.kind, Mode::from_raw_mode(meta.mode), device)
        })?;
        self.finish_entry(at, &name, meta)
    }

    fn link(&self, at: &OwnedFd, name: &[u8], to: &[Vec<u8>]) -> io::Result<()> {
        let name = CString::new(name)?;
        let (last, above) = to.split_last().ok_or(Errno::INVAL)?;
        let last = CString::new(&**last)?;
        let dir = match above {
            [] => None,
            above => {
                let path = CString::new(above.join(&b'/'))?;
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                Some(openat2(&self.base, &path, flags, Mode::empty(), resolve)?)
            }
        };
        let dir = dir.as_ref().unwrap_or(&self.base);
        let make = || linkat(dir, &last, at, &name, AtFlags::empty());
        match make() {
            Err(Errno::EXIST) => {
                let nofollow = AtFlags::SYMLINK_NOFOLLOW;
                let there = meta(&statat(at, &name, nofollow)?);
                if there.id == meta(&statat(dir, &last, nofollow)?).id {
                    return Ok(());
                }
                if !matches!(there.kind, FileType::RegularFile | FileType::Symlink) {
                    return Err(Errno::EXIST.into());
                }
                unlinkat(at, &name, AtFlags::empty())?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    fn exists(&self, at: &OwnedFd, name: &[u8]) -> io::Result<bool> {
        match kind(at, &CString::new(name)?) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn kind(at: &OwnedFd, name: &CString) -> Result<FileType, Errno> {
    let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn owner(meta: &Meta) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
}

fn times(meta: &Meta) -> Timestamps {
    Timestamps {
        last_access: meta.atime,
        last_modification: meta.mtime,
    }
}

fn touch(file: &OwnedFd, atime: Timespec) -> io::Result<()> {
    let unchanged = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    };
    let times = Timestamps {
        last_access: atime,
        last_modification: unchanged,
    };
    Ok(futimens(file, &times)?)
}
