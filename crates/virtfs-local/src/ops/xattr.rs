//! Extended attributes: `user.*`, and POSIX ACLs where the model serves them.
//!
//! On an open file by its descriptor. An `O_PATH` descriptor takes none of these calls, so there
//! they go through `/proc/self/fd`, relative to its held descriptor (Linux 6.13), or to the
//! thread's current directory.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{self, XattrFlags};
use rustix::io;
use rustix::path::DecInt;
use virtfs_vfs::{Cx, Errno, Node, Open, XattrPut};

use crate::LocalFs;
use crate::call::{call, errno, raw};
use crate::ops::stat::Subject;
use crate::proc::ProcFd;
use crate::sys::xattrat;
use crate::thread;

/// What the server keeps for itself; no client sees or sets it.
const RESERVED: &[u8] = b"user.virtfs.server";
const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
/// The largest value, and the largest list, that Linux has (`XATTR_SIZE_MAX`).
const MAX: usize = 64 << 10;
/// Big enough for most values, so that they need one call.
const SMALL: usize = 256;

/// `Txattrwalk` to an attribute.
pub(crate) fn get(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
    limit: usize,
) -> Result<Vec<u8>, Errno> {
    let name = served(fs, name)?;
    if is_reserved(name.to_bytes()) {
        return Err(Errno::ENODATA);
    }
    let file = File::of(fs, cx, node, open)?;
    fill(limit, |value| file.get(cx, &name, value))
}

/// `Txattrwalk` to the list.
pub(crate) fn list(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    limit: usize,
) -> Result<Vec<u8>, Errno> {
    let file = File::of(fs, cx, node, open)?;
    let mut names = fill(MAX, |names| file.list(cx, names))?;
    let all = std::mem::take(&mut names);
    for name in all.split_inclusive(|b| *b == 0) {
        let bare = name.strip_suffix(&[0]).unwrap_or(name);
        if is_served(fs, bare) && !is_reserved(bare) {
            names.extend_from_slice(name);
        }
    }
    if names.len() > limit {
        return Err(Errno::E2BIG);
    }
    Ok(names)
}

/// The clunk of a `Txattrcreate`.
pub(crate) fn put(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
    value: &[u8],
    how: XattrPut,
) -> Result<(), Errno> {
    fs.writable()?;
    let name = changeable(fs, name)?;
    let flags = match how {
        XattrPut::Any => XattrFlags::empty(),
        XattrPut::Create => XattrFlags::CREATE,
        XattrPut::Replace => XattrFlags::REPLACE,
    };
    File::of(fs, cx, node, open)?.set(cx, &name, value, flags)
}

/// The clunk of a `Txattrcreate` that removes.
pub(crate) fn remove(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
) -> Result<(), Errno> {
    fs.writable()?;
    let name = changeable(fs, name)?;
    File::of(fs, cx, node, open)?.remove(cx, &name)
}

fn is_served(fs: &LocalFs, name: &[u8]) -> bool {
    name.starts_with(b"user.") || ACLS.contains(&name) && fs.model.serves_acls()
}

fn is_reserved(name: &[u8]) -> bool {
    name.strip_prefix(RESERVED)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

fn served(fs: &LocalFs, name: &[u8]) -> Result<CString, Errno> {
    if !is_served(fs, name) {
        return Err(Errno::EOPNOTSUPP);
    }
    CString::new(name).map_err(|_| Errno::EINVAL)
}

fn changeable(fs: &LocalFs, name: &[u8]) -> Result<CString, Errno> {
    let name = served(fs, name)?;
    if is_reserved(name.to_bytes()) {
        return Err(Errno::EACCES);
    }
    Ok(name)
}

/// Calls with growing buffers until the value fits; `E2BIG` beyond the limit.
fn fill(limit: usize, mut f: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; SMALL];
    loop {
        match f(&mut value) {
            Ok(length) if length > limit => return Err(Errno::E2BIG),
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(io::Errno::RANGE) if value.len() < MAX => {
                let length = f(&mut []).map_err(errno)?;
                if length > limit {
                    return Err(Errno::E2BIG);
                }
                // It may grow before the next call; at its largest it always fits.
                let room = length.max(value.len() * 4).min(MAX);
                value.resize(room, 0);
            }
            Err(error) => return Err(errno(error)),
        }
    }
}

/// How to get at a file's attributes.
enum File<'a> {
    Open(Subject),
    Path {
        fs: &'a LocalFs,
        /// The name in `/proc/self/fd`.
        path: DecInt,
        /// Keeps the name good.
        _fd: Subject,
    },
}

/// Whether the kernel lacks `getxattrat` and its like.
static MISSING: AtomicBool = AtomicBool::new(false);

impl<'a> File<'a> {
    fn of(
        fs: &'a LocalFs,
        cx: &Cx<'_>,
        node: &Node,
        open: Option<&'a Open>,
    ) -> Result<Self, Errno> {
        let node = fs.node(node)?;
        let subject = Subject::of(fs, cx, &node, open)?;
        Ok(match subject {
            Subject::Open(_) => Self::Open(subject),
            Subject::Node(_) => Self::Path {
                fs,
                path: ProcFd::name(subject.as_fd()),
                _fd: subject,
            },
        })
    }

    fn get(&self, cx: &Cx<'_>, name: &CStr, value: &mut [u8]) -> io::Result<usize> {
        raw(cx, || match self {
            Self::Open(fd) => fs::fgetxattr(fd, name, &mut *value),
            Self::Path { fs, path, .. } => either(
                fs,
                value,
                |value| xattrat::get(fs.tree.proc.as_fd(), path.as_c_str(), name, value),
                |value| fs::getxattr(path.as_c_str(), name, value),
            ),
        })
    }

    fn list(&self, cx: &Cx<'_>, names: &mut [u8]) -> io::Result<usize> {
        raw(cx, || match self {
            Self::Open(fd) => fs::flistxattr(fd, &mut *names),
            Self::Path { fs, path, .. } => either(
                fs,
                names,
                |names| xattrat::list(fs.tree.proc.as_fd(), path.as_c_str(), names),
                |names| fs::listxattr(path.as_c_str(), names),
            ),
        })
    }

    fn set(&self, cx: &Cx<'_>, name: &CStr, value: &[u8], flags: XattrFlags) -> Result<(), Errno> {
        call(cx, || match self {
            Self::Open(fd) => fs::fsetxattr(fd, name, value, flags),
            Self::Path { fs, path, .. } => either(
                fs,
                &mut [],
                |_| {
                    let proc = fs.tree.proc.as_fd();
                    xattrat::set(proc, path.as_c_str(), name, value, flags.bits())
                },
                |_| fs::setxattr(path.as_c_str(), name, value, flags),
            ),
        })
    }

    fn remove(&self, cx: &Cx<'_>, name: &CStr) -> Result<(), Errno> {
        call(cx, || match self {
            Self::Open(fd) => fs::fremovexattr(fd, name),
            Self::Path { fs, path, .. } => either(
                fs,
                &mut [],
                |_| xattrat::remove(fs.tree.proc.as_fd(), path.as_c_str(), name),
                |_| fs::removexattr(path.as_c_str(), name),
            ),
        })
    }
}

/// The call relative to the held `/proc/self/fd`, or the older one relative to the current
/// directory, which is made the same.
fn either<T>(
    fs: &LocalFs,
    buffer: &mut [u8],
    at: impl Fn(&mut [u8]) -> io::Result<T>,
    here: impl Fn(&mut [u8]) -> io::Result<T>,
) -> io::Result<T> {
    if !MISSING.load(Ordering::Relaxed) {
        match at(buffer) {
            Err(io::Errno::NOSYS) => MISSING.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    thread::stand_in(&fs.tree.proc).map_err(|e| io::Errno::from_raw_os_error(e.raw() as i32))?;
    here(buffer)
}

#[cfg(test)]
mod tests {
    use virtfs_vfs::{Detached, FileSystem, Name, Qids, User};

    use super::*;

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
