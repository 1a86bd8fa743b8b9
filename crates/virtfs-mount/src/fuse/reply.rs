//! The answer to one request.

use std::ops::BitOr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use zerocopy::{Immutable, IntoBytes};

use super::abi;
use super::attr::{Attr, EntryOut, Statfs, Time};
use super::device::Device;
use super::request::LockKind;

/// The one chance to answer a request, from any thread and at any time; EIO when dropped.
///
/// Nothing is reported when the kernel no longer wants the answer (the mount is gone).
#[derive(Debug)]
#[must_use = "a request that is not answered gets EIO"]
pub(crate) struct Reply {
    unique: u64,
    /// `None` once answered, and for requests that have no answer.
    device: Option<Arc<Device>>,
}

/// What an opened file is like (`FOPEN_`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenFlags(pub(super) u32);

impl OpenFlags {
    /// Nothing special.
    pub(crate) const NONE: Self = Self(0);
    /// Past the page cache.
    pub(crate) const DIRECT_IO: Self = Self(1 << 0);
    /// What the page cache holds of it is still good.
    pub(crate) const KEEP_CACHE: Self = Self(1 << 1);
}

impl BitOr for OpenFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Reply {
    pub(super) fn new(unique: u64, device: Arc<Device>) -> Self {
        Self {
            unique,
            device: Some(device),
        }
    }

    /// For a request that has no answer.
    pub(super) fn none(unique: u64) -> Self {
        Self {
            unique,
            device: None,
        }
    }

    /// The kernel's number of the request.
    pub(crate) fn unique(&self) -> u64 {
        self.unique
    }

    /// Success without a body.
    pub(crate) fn ok(self) {
        self.data(&[]);
    }

    /// Failure: a positive errno.
    pub(crate) fn error(mut self, errno: i32) {
        if let Some(device) = self.device.take() {
            device.refuse(self.unique, errno);
        }
    }

    /// The bytes of `Read`, `Readlink`, `Readdir`, `Getxattr`…, sent from where they lie.
    pub(crate) fn data(mut self, parts: &[&[u8]]) {
        if let Some(device) = self.device.take() {
            device.answer(self.unique, parts);
        }
    }

    /// `Lookup` and what makes a name.
    pub(crate) fn entry(self, entry: &EntryOut) {
        self.body(&entry.encode());
    }

    /// `Getattr`, `Setattr`.
    pub(crate) fn attr(self, attr: &Attr, valid: Duration) {
        self.body(&abi::AttrOut {
            attr_valid: valid.as_secs(),
            attr_valid_nsec: valid.subsec_nanos(),
            dummy: 0,
            attr: attr.encode(),
        });
    }

    /// `Statx`; `btime` when the server knows it.
    pub(crate) fn statx(self, attr: &Attr, btime: Option<Time>, valid: Duration) {
        self.body(&abi::StatxOut {
            attr_valid: valid.as_secs(),
            attr_valid_nsec: valid.subsec_nanos(),
            flags: 0,
            spare: [0; 2],
            stat: attr.encode_statx(btime),
        });
    }

    /// `Open`, `Opendir`.
    pub(crate) fn opened(self, fh: u64, flags: OpenFlags) {
        self.body(&open_out(fh, flags));
    }

    /// `Create`, `Tmpfile`.
    pub(crate) fn created(self, entry: &EntryOut, fh: u64, flags: OpenFlags) {
        self.data(&[entry.encode().as_bytes(), open_out(fh, flags).as_bytes()]);
    }

    /// `Write`, `CopyFileRange`: bytes done.
    pub(crate) fn written(self, size: u32) {
        self.body(&abi::WriteOut { size, padding: 0 });
    }

    /// `Statfs`.
    pub(crate) fn statfs(self, statfs: &Statfs) {
        self.body(&statfs.encode());
    }

    /// `Getxattr`, `Listxattr` of size 0: the size of what there is.
    pub(crate) fn size(self, size: u32) {
        self.body(&abi::GetxattrOut { size, padding: 0 });
    }

    /// `Getlk`: the lock that is in the way, or `Unlock`.
    pub(crate) fn lock(self, kind: LockKind, start: u64, end: u64, pid: u32) {
        let kind = match kind {
            LockKind::Read => abi::F_RDLCK,
            LockKind::Write => abi::F_WRLCK,
            LockKind::Unlock => abi::F_UNLCK,
        };
        self.body(&abi::FileLock {
            start,
            end,
            kind,
            pid,
        });
    }

    fn body<T: IntoBytes + Immutable>(self, body: &T) {
        self.data(&[body.as_bytes()]);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(device) = self.device.take() {
            device.refuse(self.unique, Errno::IO.raw_os_error());
        }
    }
}

fn open_out(fh: u64, flags: OpenFlags) -> abi::OpenOut {
    abi::OpenOut {
        fh,
        open_flags: flags.0,
        padding: 0,
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
