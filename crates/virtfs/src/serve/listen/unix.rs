//! `unix:PATH`: a socket in the file system, which only this user and perhaps a group may connect
//! to.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, chmod, chownat, openat, statat, statx,
    unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, connect, listen,
    socket_with,
};
use rustix::process::umask;

use super::group::Group;
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
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        let stat = statx(dir, name, flags, wanted)?;
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

    /// Lets a group connect too.
    fn give_to(&self, group: &Group) -> Result<(), Failure> {
        // What was bound, whatever has its name by now.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let given = openat(&self.dir, &self.name, flags, Mode::empty()).and_then(|socket| {
            if Identity::of(&socket, OsStr::new(""))? != self.identity {
                return Err(Errno::STALE);
            }
            chownat(&socket, c"", None, Some(group.id), AtFlags::EMPTY_PATH)?;
            // A descriptor that is only a path has no fchmod.
            let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
            chmod(path, Mode::from_raw_mode(0o660))
        });
        given.map_err(|errno| group.refusal(errno))
    }

    /// Removes it, unless another file has taken its name.
    pub(in crate::serve) fn remove(&self) {
        if Identity::of(&self.dir, &self.name).is_ok_and(|now| now == self.identity) {
            // A socket that stays is replaced by the next server.
            let _ = unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// A socket that was made, and listens.
#[derive(Debug)]
pub(in crate::serve) struct Made {
    /// It does not block.
    pub(in crate::serve) socket: OwnedFd,
    pub(in crate::serve) file: SocketFile,
    /// Where it is, from the root on.
    pub(in crate::serve) path: PathBuf,
}

/// Binds a path, which may be that of a socket that no program listens at any more. Only this user
/// can connect, and `group`.
pub(in crate::serve) fn make(path: &Path, group: Option<&Group>) -> Result<Made, Failure> {
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
    let given = group.map_or(Ok(()), |group| file.give_to(group));
    let listens = given.and_then(|()| listen(&socket, 128).map_err(failed));
    if let Err(failure) = listens {
        file.remove();
        return Err(failure);
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    Ok(Made { socket, file, path })
}

/// A socket for clients.
pub(super) fn bind(path: &Path, group: Option<&Group>) -> Result<(Source, SocketFile), Failure> {
    let made = make(path, group)?;
    let source = Source {
        name: Address::Unix(path.into()).to_string(),
        kind: Kind::Listener {
            socket: made.socket,
            is_tcp: false,
        },
        reach: Reach::Unix(made.path),
    };
    Ok((source, made.file))
}

/// How long to wait for a server that was killed, whose other processes end a moment after it.
const DYING: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// Whether no program listens at a socket, or soon none does.
fn is_stale(address: &SocketAddrUnix) -> Result<bool, Errno> {
    for pause in DYING {
        if is_dead(address)? {
            return Ok(true);
        }
        std::thread::sleep(pause);
    }
    is_dead(address)
}

fn is_dead(address: &SocketAddrUnix) -> Result<bool, Errno> {
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
