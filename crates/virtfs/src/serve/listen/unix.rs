//! `unix:PATH`: a socket in the file system, which nobody else may connect to.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, openat, statat, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, connect, listen,
    socket_with,
};
use rustix::process::umask;

use super::{Kind, Reach, Source};
use crate::cli::Address;
use crate::failure::{Failure, reason};

/// A socket's entry in its directory.
#[derive(Debug)]
pub(in crate::serve) struct SocketFile {
    dir: OwnedFd,
    name: OsString,
    identity: Identity,
}

/// What tells a file from another that has its name, and perhaps its inode's number, later.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: (u32, u32),
    inode: u64,
    born: Option<(i64, u32)>,
}

impl Identity {
    fn of(dir: &OwnedFd, name: &OsStr) -> Result<Self, Errno> {
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        let stat = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
        let has_born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        let born = (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec);
        Ok(Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            born: has_born.then_some(born),
        })
    }
}

impl SocketFile {
    fn new(path: &Path) -> Result<Self, Errno> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(CWD, parent, flags, Mode::empty())?;
        let identity = Identity::of(&dir, &name)?;
        Ok(Self {
            dir,
            name,
            identity,
        })
    }

    /// The directory that it is in.
    pub(in crate::serve) fn dir(&self) -> &OwnedFd {
        &self.dir
    }

    /// Removes it, unless another file has taken its name.
    pub(in crate::serve) fn remove(&self) {
        if Identity::of(&self.dir, &self.name).is_ok_and(|now| now == self.identity) {
            // A socket that stays is replaced by the next server.
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// Binds a path, which may be that of a socket that no program listens at any more.
pub(super) fn bind(path: &Path) -> Result<(Source, SocketFile), Failure> {
    let typed = Address::Unix(path.into()).to_string();
    let failed = |errno| explain(&typed, path, errno);
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => {
            return Err(Failure::new(format!(
                "{typed}: there is a file of this name, and it is not a socket; remove it or take \
                 another name"
            )));
        }
        Ok(_) if is_stale(&address).map_err(failed)? => {
            match unlinkat(CWD, path, AtFlags::empty()) {
                // The server that made it may just have removed it.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(_) => return Err(failed(Errno::ADDRINUSE)),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let socket = stream_socket().map_err(failed)?;
    // The start has one thread, so no other is surprised by the umask.
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = bind_socket(&socket, &address);
    umask(before);
    bound.map_err(failed)?;
    let file = SocketFile::new(path).map_err(failed)?;
    if let Err(errno) = listen(&socket, 128) {
        file.remove();
        return Err(failed(errno));
    }
    let source = Source {
        name: typed,
        kind: Kind::Listener {
            socket,
            is_tcp: false,
        },
        reach: Reach::Unix(std::path::absolute(path).unwrap_or_else(|_| path.into())),
    };
    Ok((source, file))
}

/// Whether no program listens at a socket.
fn is_stale(address: &SocketAddrUnix) -> Result<bool, Errno> {
    match connect(stream_socket()?, address) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(true),
        // A full queue or another type of socket: somebody is there.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn stream_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn explain(typed: &str, path: &Path, errno: Errno) -> Failure {
    let dir = path.parent().unwrap_or(path).display();
    Failure::new(match errno {
        Errno::ADDRINUSE => {
            format!("{typed}: a program listens there already; stop it or take another path")
        }
        Errno::NAMETOOLONG => format!("{typed}: the path of a socket has 107 bytes at most"),
        Errno::NOENT => format!("{typed}: there is no directory {dir}"),
        Errno::ACCESS => format!("{typed}: this user may not make a socket in {dir}"),
        errno => format!("{typed}: {}", reason(&io::Error::from(errno))),
    })
}
