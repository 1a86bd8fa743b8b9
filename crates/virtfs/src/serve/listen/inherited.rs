//! `fd:N` and `stdio`: what the process was started with.

use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, getsockname};
use rustix::stdio;

use super::{DeviceSocket, Kind, Reach, Source, tcp};
use crate::cli::Address;
use crate::failure::{Doing, Failure};
use crate::sys;

/// Takes over a descriptor. To be called before the process opens any, once for each number.
pub(super) fn take(name: &str, number: RawFd) -> Result<OwnedFd, Failure> {
    sys::inherited_fd(number).doing(|| {
        format!("{name}: the program that starts virtfs does not pass on this descriptor")
    })
}

/// A socket that VMMs connect to.
pub(super) fn device(name: &str, fd: OwnedFd) -> Result<DeviceSocket, Failure> {
    let refusal = || {
        Failure::new(format!(
            "{name}: it is not a Unix stream socket that listens; VMMs connect to a vhost-user \
             device, so pass on a socket after bind() and listen()"
        ))
    };
    let stat = fstat(&fd).doing(|| name)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(refusal());
    }
    let address = getsockname(&fd).doing(|| name)?;
    let is_stream = socket_type(&fd).doing(|| name)? == SocketType::STREAM;
    let listens = socket_acceptconn(&fd).doing(|| name)?;
    if address.address_family() != AddressFamily::UNIX || !is_stream || !listens {
        return Err(refusal());
    }
    set_blocking(&fd, false).doing(|| name)?;
    Ok(DeviceSocket {
        socket: fd,
        path: unix_path(address),
    })
}

/// A listening socket, or one connection.
pub(super) fn descriptor(
    name: String,
    fd: OwnedFd,
    allow_foreign: bool,
) -> Result<Source, Failure> {
    let kind = fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    let source = match kind.doing(|| &name)? {
        FileType::Socket => socket(&name, fd, allow_foreign),
        FileType::CharacterDevice => {
            let twin = fcntl_dupfd_cloexec(&fd, 3).doing(|| &name)?;
            Ok((Kind::Pair(fd, twin), Reach::Descriptor))
        }
        FileType::Fifo => Err(Failure::new(format!(
            "{name}: a pipe goes one way only; pass on a socket, or use '--listen stdio' with two \
             pipes"
        ))),
        _ => Err(Failure::new(format!("{name}: it is not a stream socket"))),
    };
    let (kind, reach) = source?;
    let listens = matches!(kind, Kind::Listener { .. });
    let blocking = match &kind {
        Kind::Listener { socket, .. } => set_blocking(socket, false),
        Kind::Socket(fd) | Kind::Pair(fd, _) => set_blocking(fd, true),
    };
    blocking.doing(|| &name)?;
    let name = match &reach {
        Reach::Unix(path) if listens => format!("{name} (unix:{})", path.display()),
        Reach::Tcp(address) if listens => format!("{name} (tcp:{address})"),
        _ => name,
    };
    Ok(Source { name, kind, reach })
}

fn socket(name: &str, fd: OwnedFd, allow_foreign: bool) -> Result<(Kind, Reach), Failure> {
    if socket_type(&fd).doing(|| name)? != SocketType::STREAM {
        return Err(Failure::new(format!("{name}: it is not a stream socket")));
    }
    if !socket_acceptconn(&fd).doing(|| name)? {
        return Ok((Kind::Socket(fd), Reach::Descriptor));
    }
    let address = getsockname(&fd).doing(|| name)?;
    let internet = SocketAddr::try_from(address.clone()).ok();
    let reach = match internet {
        Some(address) if !allow_foreign && !tcp::is_loopback(&address) => {
            return Err(tcp::refusal(name, address));
        }
        Some(address) => Reach::Tcp(address),
        None => unix_path(address).map_or(Reach::Unknown, Reach::Unix),
    };
    let is_tcp = internet.is_some();
    Ok((Kind::Listener { socket: fd, is_tcp }, reach))
}

fn unix_path(address: SocketAddrAny) -> Option<std::path::PathBuf> {
    let address = SocketAddrUnix::try_from(address).ok()?;
    let path = address.path()?;
    Some(std::ffi::OsStr::from_bytes(path.to_bytes()).into())
}

/// Standard input and output, which are `/dev/null` and standard error from now on.
pub(super) fn stdio() -> Result<Source, Failure> {
    let name = Address::Stdio.to_string();
    let (stdin, stdout) = (stdio::stdin(), stdio::stdout());
    if rustix::termios::isatty(stdin) || rustix::termios::isatty(stdout) {
        return Err(Failure::new(
            "stdio: a terminal does not speak 9P; '--listen stdio' is for a program that starts \
             virtfs and talks to it",
        ));
    }
    let take = |fd: BorrowedFd<'_>| -> Result<OwnedFd, Errno> {
        let fd = fcntl_dupfd_cloexec(fd, 3)?;
        set_blocking(&fd, true)?;
        Ok(fd)
    };
    let pair = (take(stdin).doing(|| &name)?, take(stdout).doing(|| &name)?);
    openat(
        CWD,
        c"/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .and_then(|null| stdio::dup2_stdin(&null))
    .and_then(|()| stdio::dup2_stdout(stdio::stderr()))
    .doing(|| &name)?;
    Ok(Source {
        name,
        kind: Kind::Pair(pair.0, pair.1),
        reach: Reach::Descriptor,
    })
}

fn set_blocking(fd: &OwnedFd, blocking: bool) -> Result<(), Errno> {
    let mut flags = fcntl_getfl(fd)?;
    flags.set(OFlags::NONBLOCK, !blocking);
    fcntl_setfl(fd, flags)
}
