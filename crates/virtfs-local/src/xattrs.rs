//! The calls for extended attributes.
//!
//! On an open file by its descriptor. An `O_PATH` descriptor takes none of these calls, so there
//! they go through `/proc/self/fd`, relative to its held descriptor (Linux 6.13), or to the
//! thread's current directory.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, XattrFlags};
use rustix::io;
use rustix::path::DecInt;
use virtfs_vfs::Cx;

use crate::call::raw;
use crate::proc::ProcFd;
use crate::sys::xattrat;
use crate::thread;

/// The file whose attributes are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holder<'a> {
    /// An open file.
    Open(BorrowedFd<'a>),
    /// An `O_PATH` descriptor.
    Path(&'a ProcFd, BorrowedFd<'a>),
}

impl AsFd for Holder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {
            Self::Open(fd) | Self::Path(_, fd) => fd,
        }
    }
}

/// Whether the kernel lacks `getxattrat` and its like.
static MISSING: AtomicBool = AtomicBool::new(false);

impl Holder<'_> {
    /// Reads a value; returns its length. `ERANGE` if it is longer than the buffer.
    pub(crate) fn get(&self, cx: &Cx<'_>, name: &CStr, value: &mut [u8]) -> io::Result<usize> {
        raw(cx, || match *self {
            Self::Open(fd) => fs::fgetxattr(fd, name, &mut *value),
            Self::Path(proc, fd) => either(
                proc,
                fd,
                value,
                |path, value| xattrat::get(proc.as_fd(), path.as_c_str(), name, value),
                |path, value| fs::getxattr(path.as_c_str(), name, value),
            ),
        })
    }

    /// Reads the names, each ended by a NUL; returns their length.
    pub(crate) fn list(&self, cx: &Cx<'_>, names: &mut [u8]) -> io::Result<usize> {
        raw(cx, || match *self {
            Self::Open(fd) => fs::flistxattr(fd, &mut *names),
            Self::Path(proc, fd) => either(
                proc,
                fd,
                names,
                |path, names| xattrat::list(proc.as_fd(), path.as_c_str(), names),
                |path, names| fs::listxattr(path.as_c_str(), names),
            ),
        })
    }

    /// Sets a value.
    pub(crate) fn set(
        &self,
        cx: &Cx<'_>,
        name: &CStr,
        value: &[u8],
        flags: XattrFlags,
    ) -> io::Result<()> {
        raw(cx, || match *self {
            Self::Open(fd) => fs::fsetxattr(fd, name, value, flags),
            Self::Path(proc, fd) => either(
                proc,
                fd,
                &mut [],
                |path, _| xattrat::set(proc.as_fd(), path.as_c_str(), name, value, flags.bits()),
                |path, _| fs::setxattr(path.as_c_str(), name, value, flags),
            ),
        })
    }

    /// Removes an attribute.
    pub(crate) fn remove(&self, cx: &Cx<'_>, name: &CStr) -> io::Result<()> {
        raw(cx, || match *self {
            Self::Open(fd) => fs::fremovexattr(fd, name),
            Self::Path(proc, fd) => either(
                proc,
                fd,
                &mut [],
                |path, _| xattrat::remove(proc.as_fd(), path.as_c_str(), name),
                |path, _| fs::removexattr(path.as_c_str(), name),
            ),
        })
    }
}

/// The call relative to the held `/proc/self/fd`, or the older one relative to the current
/// directory, which is made the same.
fn either<T>(
    proc: &ProcFd,
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    at: impl Fn(&DecInt, &mut [u8]) -> io::Result<T>,
    here: impl Fn(&DecInt, &mut [u8]) -> io::Result<T>,
) -> io::Result<T> {
    let path = &ProcFd::name(fd);
    if !MISSING.load(Ordering::Relaxed) {
        match at(path, buffer) {
            Err(io::Errno::NOSYS) => MISSING.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    thread::stand_in(proc).map_err(|e| io::Errno::from_raw_os_error(e.raw() as i32))?;
    here(path, buffer)
}

#[cfg(test)]
mod tests {
    use virtfs_vfs::{Detached, Errno, FileSystem, Name, Qids, User, XattrPut};

    use super::*;
    use crate::LocalFs;

    #[test]
    fn the_way_before_linux_6_13_reaches_the_file_itself() {
        // For all tests of this program: there is no other that would mind.
        MISSING.store(true, Ordering::Relaxed);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let fs = LocalFs::open(dir.path(), Default::default()).unwrap();
        let cx = Cx::new(User::NOBODY, &Detached);
        let (root, _) = fs.attach(&cx).unwrap();
        let name = Name::new(b"file").unwrap();
        let node = fs.walk(&cx, &root, &[name], &mut Qids::new()).unwrap();
        std::fs::remove_file(dir.path().join("file")).unwrap();
        let put = |how| fs.xattr_put(&cx, &node, None, b"user.a", b"b", how);
        put(XattrPut::Create).unwrap();
        assert_eq!(put(XattrPut::Create), Err(Errno::EEXIST));
        assert_eq!(fs.xattr(&cx, &node, None, b"user.a", 9).unwrap(), b"b");
        let list = fs.xattr_list(&cx, &node, None, 99).unwrap();
        assert_eq!(list, b"user.a\0");
        fs.xattr_remove(&cx, &node, None, b"user.a").unwrap();
        assert_eq!(
            fs.xattr(&cx, &node, None, b"user.a", 9),
            Err(Errno::ENODATA)
        );
    }
}
