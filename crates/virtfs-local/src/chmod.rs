//! The mode of what a descriptor stands for.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, chmodat};
use rustix::io;
use virtfs_vfs::{Cx, Errno};

use crate::call::{call, errno, raw};
use crate::proc::ProcFd;
use crate::sys;
use crate::thread::Fsetid;

/// Sets the mode of what a descriptor, `O_PATH` or open, stands for.
pub(crate) fn chmod(
    cx: &Cx<'_>,
    proc: &ProcFd,
    fd: BorrowedFd<'_>,
    mode: u32,
) -> Result<(), Errno> {
    static MISSING: AtomicBool = AtomicBool::new(false);
    let _fsetid = Fsetid::raise_for(mode);
    if !MISSING.load(Ordering::Relaxed) {
        match raw(cx, || sys::chmod::chmod(fd, mode)) {
            // Also what a filter that does not know the call may say.
            Err(io::Errno::NOSYS | io::Errno::PERM) => {}
            result => return result.map_err(errno),
        }
    }
    let result = by_name(cx, proc, fd, mode);
    if result.is_ok() {
        MISSING.store(true, Ordering::Relaxed);
    }
    result
}

/// The way before Linux 6.6.
fn by_name(cx: &Cx<'_>, proc: &ProcFd, fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let name = ProcFd::name(fd);
    let mode = Mode::from_raw_mode(mode);
    call(cx, || {
        chmodat(proc, name.as_c_str(), mode, AtFlags::empty())
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    use virtfs_vfs::{Detached, User};

    use super::*;
    use crate::LocalFs;
    use crate::ops::walk::step;

    #[test]
    fn the_way_before_linux_6_6_sets_the_mode_of_the_file_itself() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let fs = LocalFs::open(dir.path(), Default::default()).unwrap();
        let cx = Cx::new(User::NOBODY, &Detached);
        let set = |name: &[u8], mode| {
            let (node, _) = step(&cx, &fs.root, name).unwrap();
            by_name(&cx, &fs.tree.proc, node.fd(&cx).unwrap().as_fd(), mode)
        };
        set(b"file", 0o601).unwrap();
        assert_eq!(set(b"link", 0o777), Err(Errno::EOPNOTSUPP));
        let mode = std::fs::metadata(dir.path().join("file")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o601);
    }
}
