//! A server as the side that is written.

use std::io;
use std::sync::Arc;

use rustix::fs::{FileType, Timespec};
use rustix::io::Errno;
use virtfs_client::{
    Attributes, Error, Fid, File, LopenFlags, QidType, SetAttributes, SetTime,
    Timespec as WireTime, UnlinkFlags, XattrFlags,
};

use super::super::report::Report;
use super::remote_source::meta;
use super::tree::{Check, Details, Existing, Meta, Target};
use super::xattrs;

/// A directory of a server, below which copies are made.
#[derive(Debug)]
pub(crate) struct RemoteTarget {
    base: Fid,
    /// Owners are kept: the user that the server knows us as is root.
    owner: bool,
    /// The user that the server knows us as.
    uid: u32,
    /// The group of what is made, unless owners are kept.
    gid: u32,
    report: Arc<Report>,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Copy {
    file: File,
    /// It was made with the right owner.
    owned: bool,
}

impl RemoteTarget {
    /// Copies are made in `base`, with their owners if `owner`, else as the user `uid`.
    pub(crate) fn new(base: Fid, owner: bool, uid: u32, report: &Arc<Report>) -> Self {
        Self {
            base,
            owner,
            uid,
            gid: rustix::process::getegid().as_raw(),
            report: report.clone(),
        }
    }

    fn group(&self, meta: &Meta) -> u32 {
        match self.owner {
            true => meta.gid,
            false => self.gid,
        }
    }

    /// Makes something by `make`; a symbolic link, or what `replaces` says, gives way to it.
    fn make<T>(
        &self,
        at: &Fid,
        name: &[u8],
        replaces: impl Fn(&Attributes) -> bool,
        make: impl Fn() -> Result<T, Error>,
    ) -> io::Result<T> {
        match make() {
            Err(error) if is(&error, Errno::EXIST) => {
                let (_, there) = at.lookup(name)?;
                if !there.qid.kind.contains(QidType::SYMLINK) && !replaces(&there) {
                    return Err(error.into());
                }
                at.unlink_at(name, UnlinkFlags::empty())?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    /// The owner, before all else: its change takes setuid and capabilities away. Whether the
    /// copy has it.
    fn own(
        &self,
        meta: &Meta,
        owned: bool,
        set: impl Fn(&SetAttributes) -> Result<(), Error>,
    ) -> io::Result<bool> {
        if !self.owner || owned {
            return Ok(self.owner);
        }
        let owner = SetAttributes {
            uid: Some(meta.uid),
            gid: Some(meta.gid),
            ..SetAttributes::default()
        };
        match set(&owner) {
            Err(error) if is(&error, Errno::PERM) => {
                self.report.warn_once(
                    "the server does not let owners be set: they are left out (--no-owner)",
                );
                Ok(false)
            }
            done => Ok(done.map(|()| true)?),
        }
    }

    /// Mode and times; `own` is whether the copy has the source's owner.
    fn set(
        &self,
        meta: &Meta,
        own: bool,
        set: impl Fn(&SetAttributes) -> Result<(), Error>,
    ) -> io::Result<()> {
        let mode = meta.mode_for(own || meta.uid == self.uid, own || meta.gid == self.gid);
        if mode != meta.mode {
            self.report
                .warn_once("setuid and setgid are left out where the owner is not kept");
        }
        Ok(set(&SetAttributes {
            mode: (meta.kind != FileType::Symlink).then_some(mode),
            atime: Some(SetTime::At(time(meta.atime))),
            mtime: Some(SetTime::At(time(meta.mtime))),
            ..SetAttributes::default()
        })?)
    }

    fn set_xattrs(&self, file: &Fid, details: &Details) -> io::Result<()> {
        xattrs::set_all(&details.xattrs, &self.report, |name, value| {
            Ok(file.set_xattr(name, value, XattrFlags::empty())?)
        })
    }

    fn finish_entry(&self, at: &Fid, name: &[u8], meta: &Meta) -> io::Result<()> {
        let fid = at.walk(&[name])?;
        let set = |set: &SetAttributes| fid.setattr(set);
        let own = self.own(meta, false, set);
        match own.and_then(|own| self.set(meta, own, set)) {
            // A server may not know how to do this to a link.
            Err(error)
                if meta.kind == FileType::Symlink
                    && error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) =>
            {
                Ok(())
            }
            done => done,
        }
    }
}

impl Target for RemoteTarget {
    type Dir = Fid;
    type File = Copy;

    fn base(&self) -> io::Result<Fid> {
        Ok(self.base.walk::<&[u8]>(&[])?)
    }

    fn directory(&self, at: &Fid, name: &[u8]) -> io::Result<Fid> {
        match at.mkdir(name, 0o700, self.gid) {
            Ok(_) => {}
            Err(error) if is(&error, Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let fid = at.walk(&[name])?;
        match fid.qid().kind.contains(QidType::DIR) {
            true => Ok(fid),
            false => Err(Errno::NOTDIR.into()),
        }
    }

    fn touch_dir(&self, dir: &Fid, atime: Timespec) -> io::Result<()> {
        Ok(dir.setattr(&access(atime))?)
    }

    fn file(&self, at: &Fid, name: &[u8], meta: &Meta, check: Check<'_>) -> io::Result<Copy> {
        let flags = LopenFlags::WRONLY | LopenFlags::CREATE | LopenFlags::EXCL;
        let create = || at.create(name, flags, 0o600, self.group(meta));
        let new = |file| Copy {
            file,
            // Who makes a file as root owns it as root.
            owned: meta.uid == 0,
        };
        match create() {
            Err(error) if is(&error, Errno::EXIST) => {
                let (fid, there) = at.lookup(name)?;
                match FileType::from_raw_mode(there.mode) {
                    FileType::Symlink => {
                        at.unlink_at(name, UnlinkFlags::empty())?;
                        return Ok(new(create()?));
                    }
                    FileType::Directory => return Err(Errno::ISDIR.into()),
                    FileType::RegularFile => {}
                    _ => return Err(Errno::EXIST.into()),
                }
                check(Existing {
                    meta: self::meta(&there),
                    touch: &|atime| Ok(fid.setattr(&access(atime))?),
                })?;
                let flags = LopenFlags::WRONLY | LopenFlags::TRUNC;
                Ok(Copy {
                    file: fid.into_open(flags)?,
                    owned: false,
                })
            }
            created => Ok(new(created?)),
        }
    }

    fn write_at(&self, copy: &Copy, bytes: &[u8], offset: u64) -> io::Result<()> {
        Ok(copy.file.write_all_at(bytes, offset)?)
    }

    fn set_len(&self, copy: &Copy, length: u64) -> io::Result<()> {
        Ok(copy.file.setattr(&SetAttributes {
            size: Some(length),
            ..SetAttributes::default()
        })?)
    }

    fn finish_file(&self, copy: Copy, at: &Fid, name: &[u8], details: &Details) -> io::Result<()> {
        let set = |set: &SetAttributes| copy.file.setattr(set);
        let own = self.own(&details.meta, copy.owned, set)?;
        let attributes = match details.xattrs.is_empty() {
            true => Ok(()),
            false => self.set_xattrs(&at.walk(&[name])?, details),
        };
        self.set(&details.meta, own, set)?;
        attributes
    }

    fn finish_dir(&self, dir: &Fid, details: &Details) -> io::Result<()> {
        let set = |set: &SetAttributes| dir.setattr(set);
        let own = self.own(&details.meta, false, set)?;
        let attributes = self.set_xattrs(dir, details);
        self.set(&details.meta, own, set)?;
        attributes
    }

    fn symlink(&self, at: &Fid, name: &[u8], text: &[u8], meta: &Meta) -> io::Result<()> {
        let file =
            |there: &Attributes| FileType::from_raw_mode(there.mode) == FileType::RegularFile;
        self.make(at, name, file, || at.symlink(name, text, self.group(meta)))?;
        self.finish_entry(at, name, meta)
    }

    fn special(&self, at: &Fid, name: &[u8], meta: &Meta) -> io::Result<()> {
        let mode = meta.kind.as_raw_mode() | 0o600;
        let (major, minor) = meta.rdev;
        let alike = |there: &Attributes| FileType::from_raw_mode(there.mode) == meta.kind;
        self.make(at, name, alike, || {
            at.mknod(name, mode, major, minor, self.group(meta))
        })?;
        self.finish_entry(at, name, meta)
    }

    fn link(&self, at: &Fid, name: &[u8], to: &[Vec<u8>]) -> io::Result<()> {
        let fid = self.base.walk(to)?;
        match at.link(name, &fid) {
            Err(error) if is(&error, Errno::EXIST) => {
                let (_, there) = at.lookup(name)?;
                if there.qid.path == fid.qid().path {
                    return Ok(());
                }
                let kind = FileType::from_raw_mode(there.mode);
                if !matches!(kind, FileType::RegularFile | FileType::Symlink) {
                    return Err(error.into());
                }
                at.unlink_at(name, UnlinkFlags::empty())?;
                Ok(at.link(name, &fid)?)
            }
            made => Ok(made?),
        }
    }

    fn exists(&self, at: &Fid, name: &[u8]) -> io::Result<bool> {
        match at.walk(&[name]) {
            Ok(_) => Ok(true),
            Err(error) if is(&error, Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is(error: &Error, errno: Errno) -> bool {
    matches!(error, Error::Server(number) if *number == errno.raw_os_error())
}

fn access(atime: Timespec) -> SetAttributes {
    SetAttributes {
        atime: Some(SetTime::At(time(atime))),
        ..SetAttributes::default()
    }
}

fn time(time: Timespec) -> WireTime {
    WireTime {
        sec: time.tv_sec as u64,
        nsec: time.tv_nsec as u64,
    }
}
