//! A thread in the server's process, or that of a VMM, that makes the system calls which it is told.

use std::ffi::c_long;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags,
    SocketType, recv, recvmsg, send, socketpair, sockopt,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a call may take.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// The process has ended.
#[derive(Debug)]
pub(crate) struct Dead;

/// What a call gave, or its errno.
pub(crate) type Answer = Result<i64, i32>;

/// An argument.
pub(crate) enum Arg<'a> {
    Number(i64),
    /// A pointer to bytes.
    Bytes(&'a [u8]),
    /// A pointer to bytes that the call may write.
    Room(&'a mut [u8]),
    /// A pointer to one `struct iovec`, of bytes that the call may write.
    Vector(&'a mut [u8]),
}

impl From<i32> for Arg<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// A path as the kernel wants it.
pub(crate) fn text(path: impl AsRef<Path>) -> Vec<u8> {
    let mut text = path.as_ref().as_os_str().as_encoded_bytes().to_vec();
    text.push(0);
    text
}

/// The socket that the server is started with, and what its other end becomes.
pub(crate) struct Hook(OwnedFd);

impl Hook {
    /// The second is for the server's standard input.
    pub(crate) fn new() -> (Self, OwnedFd) {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_passcred(&ours, true).unwrap();
        (Self(ours), theirs)
    }

    /// Waits until the thread has started. None if that does not come to be.
    pub(crate) fn wait(self) -> Option<Victim> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&PATIENCE)).unwrap();
        let mut hello = [0; 16];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut hello)];
        let got = recvmsg(&self.0, &mut into, &mut control, RecvFlags::DONTWAIT).ok()?;
        let pid = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid),
            _ => None,
        })?;
        let word = |at: usize| i64::from_ne_bytes(*hello[at..].first_chunk().unwrap());
        (got.bytes == 16).then(|| Victim {
            socket: self.0,
            process: pidfd_open(pid, PidfdFlags::empty()).unwrap(),
            pid,
            arena: word(0),
            fd: word(8),
        })
    }
}

/// The compromised process.
pub(crate) struct Victim {
    socket: OwnedFd,
    process: OwnedFd,
    /// Its number here.
    pub(crate) pid: Pid,
    arena: i64,
    /// The number of the socket there.
    pub(crate) fd: i64,
}

impl Victim {
    /// Makes a call.
    pub(crate) fn call<const N: usize>(
        &self,
        number: c_long,
        mut args: [Arg<'_>; N],
    ) -> Result<Answer, Dead> {
        const { assert!(N <= 6) }
        let mut words = [0; 7];
        words[0] = number;
        let mut arena = Vec::new();
        let mut places = [0; 6];
        for (at, arg) in args.iter().enumerate() {
            // Structures want to lie where their numbers are aligned.
            arena.resize(arena.len().next_multiple_of(16), 0);
            places[at] = arena.len();
            let here = |length: usize| self.arena + length as i64;
            words[1 + at] = match arg {
                Arg::Number(number) => *number,
                Arg::Bytes(_) | Arg::Room(_) | Arg::Vector(_) => here(arena.len()),
            };
            match arg {
                Arg::Number(_) => {}
                Arg::Bytes(bytes) => arena.extend_from_slice(bytes),
                Arg::Room(room) => arena.extend_from_slice(room),
                Arg::Vector(room) => {
                    arena.extend(here(places[at] + 16).to_ne_bytes());
                    arena.extend((room.len() as i64).to_ne_bytes());
                    arena.extend_from_slice(room);
                    places[at] += 16;
                }
            }
        }
        let mut message: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        message.extend_from_slice(&arena);
        send(&self.socket, &message, SendFlags::NOSIGNAL).map_err(|_| Dead)?;
        let reply = self.reply(8 + arena.len())?;
        for (at, arg) in args.iter_mut().enumerate() {
            if let Arg::Room(room) | Arg::Vector(room) = arg {
                let from = &reply[8 + places[at]..];
                room.copy_from_slice(&from[..room.len()]);
            }
        }
        let result = i64::from_ne_bytes(*reply.first_chunk().unwrap());
        Ok(match result {
            -4095..0 => Err(-result as i32),
            result => Ok(result),
        })
    }

    fn reply(&self, length: usize) -> Result<Vec<u8>, Dead> {
        let mut fds = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(&self.process, PollFlags::IN),
        ];
        assert_ne!(
            poll(&mut fds, Some(&PATIENCE)),
            Ok(0),
            "a call does not return"
        );
        let mut reply = vec![0; length];
        match recv(&self.socket, &mut reply[..], RecvFlags::DONTWAIT) {
            Ok((_, got)) if got == length => Ok(reply),
            _ => Err(Dead),
        }
    }

    /// Whether a call succeeds.
    pub(crate) fn can<const N: usize>(
        &self,
        number: c_long,
        args: [Arg<'_>; N],
    ) -> Result<bool, Dead> {
        Ok(self.call(number, args)?.is_ok())
    }

    /// Opens a path; its descriptor.
    pub(crate) fn open(&self, dir: i64, path: &[u8], flags: i32) -> Result<Answer, Dead> {
        self.call(
            libc::SYS_openat,
            [dir.into(), path.into(), flags.into(), 0o600.into()],
        )
    }

    /// What can be read of a descriptor, which is closed then.
    pub(crate) fn read(&self, fd: i64) -> Result<Vec<u8>, Dead> {
        let mut room = vec![0; 4096];
        let got = self.call(
            libc::SYS_read,
            [fd.into(), Arg::Room(&mut room), 4096.into()],
        )?;
        room.truncate(got.unwrap_or(0).max(0) as usize);
        self.call(libc::SYS_close, [fd.into()])?.unwrap_or(0);
        Ok(room)
    }

    /// The descriptors that the process has open, of the first so many numbers.
    pub(crate) fn descriptors(&self) -> Result<Vec<i64>, Dead> {
        let mut open = Vec::new();
        for fd in 0..64 {
            let flags = [fd.into(), libc::F_GETFD.into()];
            if self.can(libc::SYS_fcntl, flags)? {
                open.push(fd);
            }
        }
        Ok(open)
    }
}
