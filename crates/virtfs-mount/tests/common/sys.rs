//! Calls that have no safe form.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};

/// What fcntl(2) does about a lock.
#[derive(Clone, Copy)]
pub enum How {
    Try,
    Wait,
    Ask,
    TryOpenFile,
}

/// A lock's kind: `F_RDLCK`, `F_WRLCK`, `F_UNLCK`.
pub const READ: i32 = libc::F_RDLCK;
pub const WRITE: i32 = libc::F_WRLCK;
pub const UNLOCK: i32 = libc::F_UNLCK;

/// Locks bytes of a file; gives the kind and process that the kernel reports.
pub fn lock(file: impl AsFd, how: How, kind: i32, start: i64, len: i64) -> io::Result<(i32, i32)> {
    let command = match how {
        How::Try => libc::F_SETLK,
        How::Wait => libc::F_SETLKW,
        How::Ask => libc::F_GETLK,
        How::TryOpenFile => libc::F_OFD_SETLK,
    };
    let mut lock = libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    // SAFETY: the commands take a pointer to a `struct flock`, which lives until the call returns.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, &mut lock) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((lock.l_type.into(), lock.l_pid))
}

/// How long an attribute's value is, as getxattr(2) says without a buffer.
pub fn xattr_size(path: &Path, name: &str) -> io::Result<usize> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let name = CString::new(name).unwrap();
    // SAFETY: two strings that live until the call returns, and no buffer.
    let size = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    usize::try_from(size).or(Err(io::Error::last_os_error()))
}

/// How long the list of attributes is.
pub fn xattr_list_size(path: &Path) -> io::Result<usize> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a string that lives until the call returns, and no buffer.
    let size = unsafe { libc::listxattr(path.as_ptr(), std::ptr::null_mut(), 0) };
    usize::try_from(size).or(Err(io::Error::last_os_error()))
}

/// A shared mapping of a file's start, to read and to write.
pub struct Mapping {
    start: *mut libc::c_void,
    len: usize,
}

impl Mapping {
    pub fn new(file: impl AsFd, len: usize) -> Self {
        let how = ProtFlags::READ | ProtFlags::WRITE;
        let null = std::ptr::null_mut();
        // SAFETY: a new mapping, where the kernel has room.
        let start = unsafe { mmap(null, len, how, MapFlags::SHARED, file, 0) };
        Self {
            start: start.unwrap(),
            len,
        }
    }

    pub fn read(&self, at: usize) -> u8 {
        assert!(at < self.len);
        // SAFETY: inside the mapping, which other processes may change.
        unsafe { self.start.cast::<u8>().add(at).read_volatile() }
    }

    pub fn write(&self, at: usize, byte: u8) {
        assert!(at < self.len);
        // SAFETY: inside the mapping, of which there is no reference.
        unsafe { self.start.cast::<u8>().add(at).write_volatile(byte) }
    }

    pub fn sync(&self) {
        // SAFETY: the whole mapping.
        unsafe { msync(self.start, self.len, MsyncFlags::SYNC).unwrap() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, of which there is no reference.
        unsafe { munmap(self.start, self.len).unwrap() }
    }
}
