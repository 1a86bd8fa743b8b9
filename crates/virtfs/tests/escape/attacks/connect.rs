//! To reach other programs of the host, or other hosts.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

use super::attacks;
use crate::outside::{Outside, soon};
use crate::sys;
use crate::victim::{Answer, Arg, Dead, Victim, text};

const STREAM: i32 = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;

attacks! {
    "connect.tcp" => |v, _| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inet(listener.local_addr().unwrap().port());
        let sent = match socket(v, libc::AF_INET, STREAM)? {
            Some(fd) => connect(v, fd, &address)?,
            None => false,
        };
        Ok(sent && somebody_came(&listener))
    },
    "connect.tcp-by-listener" => by_listener,
    "connect.tcp-by-first-message" => |v, _| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = inet(listener.local_addr().unwrap().port());
        let sent = match socket(v, libc::AF_INET, STREAM)? {
            Some(fd) => first_message(v, fd, &address)?,
            None => false,
        };
        Ok(sent && somebody_came(&listener))
    },
    "connect.udp" => |v, _| {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.set_nonblocking(true).unwrap();
        let address = inet(there.local_addr().unwrap().port());
        let sent = match socket(v, libc::AF_INET, libc::SOCK_DGRAM)? {
            Some(fd) => send_to(v, fd, &address, 0)?,
            None => false,
        };
        Ok(sent && soon(|| there.recv(&mut [0; 9]).is_ok()))
    },
    "connect.listen-tcp" => |v, _| {
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if let Some(fd) = socket(v, libc::AF_INET, STREAM)? {
            let address = inet(port);
            let _ = v.can(libc::SYS_bind, [fd.into(), Arg::Bytes(&address), 16.into()])?;
            let _ = v.can(libc::SYS_listen, [fd.into(), 1.into()])?;
        }
        Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
    },
    "connect.unix-path" => |v, o| {
        let path = o.nothing();
        let listener = UnixListener::bind(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(o.user), None).unwrap();
        let sent = match socket(v, libc::AF_UNIX, STREAM)? {
            Some(fd) => connect(v, fd, &unix(&path))?,
            None => false,
        };
        listener.set_nonblocking(true).unwrap();
        Ok(sent && soon(|| listener.accept().is_ok()))
    },
    "connect.unix-path-by-pair" => |v, o| {
        // A datagram can go to another address than the other end of its pair.
        let path = o.nothing();
        let there = UnixDatagram::bind(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(o.user), None).unwrap();
        there.set_nonblocking(true).unwrap();
        Ok(send_by_pair(v, &unix(&path))? && soon(|| there.recv(&mut [0; 9]).is_ok()))
    },
    "connect.unix-abstract" => |v, o| {
        let name = abstract_name(o);
        let there = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&there).unwrap();
        let sent = match socket(v, libc::AF_UNIX, STREAM)? {
            Some(fd) => connect(v, fd, &abstract_unix(&name))?,
            None => false,
        };
        listener.set_nonblocking(true).unwrap();
        Ok(sent && soon(|| listener.accept().is_ok()))
    },
    "connect.unix-abstract-by-pair" => |v, o| {
        let name = abstract_name(o);
        let there = SocketAddr::from_abstract_name(&name).unwrap();
        let there = UnixDatagram::bind_addr(&there).unwrap();
        there.set_nonblocking(true).unwrap();
        Ok(send_by_pair(v, &abstract_unix(&name))? && soon(|| there.recv(&mut [0; 9]).is_ok()))
    },
    "connect.netlink" => |v, _| {
        // It is the host's only in the host's network namespace.
        let there = socket(v, libc::AF_NETLINK, libc::SOCK_RAW)?.is_some();
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        Ok(there && network(&v.pid.to_string()) == network("self"))
    },
    "connect.vsock" => |v, _| Ok(socket(v, libc::AF_VSOCK, STREAM)?.is_some()),
    "connect.kernel-crypto" => |v, _| Ok(socket(v, libc::AF_ALG, libc::SOCK_SEQPACKET)?.is_some()),
    "connect.shared-memory" => |v, o| {
        let key = key(o);
        let id = sys::shared_memory(key);
        let got = v.call(libc::SYS_shmget, [key.into(), 0.into(), 0.into()]);
        sys::remove_shared_memory(id);
        Ok(got? == Ok(id.into()))
    },
    "connect.message-queue" => |v, o| {
        let key = key(o);
        let id = sys::message_queue(key);
        let sent = v.call(libc::SYS_msgget, [key.into(), 0.into()]).and_then(|got| match got {
            Ok(queue) => {
                let message = Arg::Bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 42]);
                v.can(libc::SYS_msgsnd, [queue.into(), message, 1.into(), libc::IPC_NOWAIT.into()])
            }
            Err(_) => Ok(false),
        });
        let arrived = sys::remove_message_queue(id) > 0;
        sent.map(|_| arrived)
    },
    "connect.posix-queue" => |v, o| {
        let name = std::ffi::CString::new(format!("/virtfs-escape-{}", key(o))).unwrap();
        sys::posix_queue(&name);
        // The kernel's call takes the name without the slash.
        let inner = &name.to_bytes_with_nul()[1..];
        let opened = v.can(
            libc::SYS_mq_open,
            [inner.into(), libc::O_RDONLY.into(), 0.into(), 0.into()],
        );
        sys::remove_posix_queue(&name);
        opened
    },
}

fn socket(v: &Victim, family: i32, kind: i32) -> Result<Option<i64>, Dead> {
    let args = [family.into(), kind.into(), 0.into()];
    Ok(v.call(libc::SYS_socket, args)?.ok())
}

fn connect(v: &Victim, fd: i64, address: &[u8]) -> Result<bool, Dead> {
    let length = address.len() as i64;
    v.can(
        libc::SYS_connect,
        [fd.into(), address.into(), length.into()],
    )
}

fn send_to(v: &Victim, fd: i64, address: &[u8], flags: i32) -> Result<bool, Dead> {
    let args = [
        fd.into(),
        Arg::Bytes(b"x"),
        1.into(),
        (flags | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT).into(),
        address.into(),
        (address.len() as i64).into(),
    ];
    Ok(is_under_way(v.call(libc::SYS_sendto, args)?))
}

/// Whether it may still come to be.
fn is_under_way(answer: Answer) -> bool {
    matches!(answer, Ok(_) | Err(libc::EINPROGRESS))
}

fn first_message(v: &Victim, fd: i64, address: &[u8]) -> Result<bool, Dead> {
    send_to(v, fd, address, libc::MSG_FASTOPEN)
}

/// A listening socket of the host's network that is shut down is one that can connect, with no call
/// but `sendto`.
fn by_listener(v: &Victim, o: &Outside) -> Result<bool, Dead> {
    if o.port.is_none() {
        return Ok(false);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = inet(listener.local_addr().unwrap().port());
    for fd in v.descriptors()? {
        let mut listens = [0; 4];
        let args = [
            fd.into(),
            libc::SOL_SOCKET.into(),
            libc::SO_ACCEPTCONN.into(),
            Arg::Room(&mut listens),
            Arg::Bytes(&[4, 0, 0, 0]),
        ];
        if v.can(libc::SYS_getsockopt, args)? && listens[0] == 1 {
            // The server itself closes the socket when it is no listener any more.
            let copy = [fd.into(), libc::F_DUPFD_CLOEXEC.into(), 100.into()];
            let copy = v.call(libc::SYS_fcntl, copy)?.unwrap_or(fd);
            let _ = v.can(libc::SYS_shutdown, [copy.into(), libc::SHUT_RDWR.into()])?;
            if first_message(v, copy, &address)? && somebody_came(&listener)
                || connect(v, copy, &address)? && somebody_came(&listener)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn send_by_pair(v: &Victim, address: &[u8]) -> Result<bool, Dead> {
    let mut pair = [0; 8];
    let args = [
        libc::AF_UNIX.into(),
        libc::SOCK_DGRAM.into(),
        0.into(),
        Arg::Room(&mut pair),
    ];
    if !v.can(libc::SYS_socketpair, args)? {
        return Ok(false);
    }
    let fd = i32::from_ne_bytes(*pair.first_chunk().unwrap());
    send_to(v, fd.into(), address, 0)
}

fn somebody_came(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    soon(|| listener.accept().is_ok())
}

fn inet(port: u16) -> Vec<u8> {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    let mut address = [&family[..], &port.to_be_bytes(), &[127, 0, 0, 1]].concat();
    address.resize(16, 0);
    address
}

fn unix(path: &Path) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], &text(path)].concat()
}

fn abstract_unix(name: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], b"\0", name].concat()
}

fn abstract_name(o: &Outside) -> Vec<u8> {
    o.nothing().into_os_string().into_encoded_bytes()
}

/// One that no other test of this time has.
fn key(o: &Outside) -> i32 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(o.nothing()) >> 33) as i32 | 1
}
