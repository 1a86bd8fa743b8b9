//! The descriptors by which the VMM, or the guest's kernel, hears of the ring.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{SendFlags, send};
use tracing::{debug, warn};

use super::quota::Quota;
use super::refusal::Refusal;
use crate::Notifier;

/// The call and the error descriptor. Each may change while the ring runs.
pub(super) struct Events {
    call: RwLock<Option<Signal>>,
    error: RwLock<Option<Signal>>,
    quota: Arc<Quota>,
}

impl Events {
    pub(super) fn new(quota: Arc<Quota>) -> Self {
        Self {
            call: RwLock::default(),
            error: RwLock::default(),
            quota,
        }
    }

    /// Where used buffers are told of from now on. When this returns, nobody writes to the former
    /// one any more: a VMM that masks an interrupt looks there for what it missed, once.
    ///
    /// The new one is written to if nobody was told before, and `missed` says that there could
    /// have been something to tell.
    pub(super) fn set_call(&self, call: Option<Signal>, missed: bool) {
        let former = replace(&self.call, call);
        if missed && former.is_none() {
            signal(&self.call);
        }
    }

    /// Where a broken ring is told of from now on.
    pub(super) fn set_error(&self, error: Option<Signal>) {
        replace(&self.error, error);
    }
}

impl Notifier for Events {
    fn used(&self) {
        signal(&self.call);
    }

    fn broken(&self) {
        let line = "the guest's driver broke the ring, which stopped";
        if self.quota.take() {
            warn!("{line}");
        } else {
            debug!("{line}");
        }
        signal(&self.error);
    }
}

/// The VMM's kick descriptor: an eventfd, which takes all that is written though nobody reads it.
pub(super) fn kick(file: File) -> Result<OwnedFd, Refusal> {
    match file_type(&file)? {
        // An anonymous inode has no type.
        FileType::Unknown => owned(file),
        _ => Err(Refusal::NoEvent),
    }
}

/// A descriptor to be written to: an eventfd, a pipe, or a socket, as User-Mode Linux has it. A
/// write to anything else could sleep for as long as some file system likes.
pub(super) struct Signal {
    fd: OwnedFd,
    kind: SignalKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SignalKind {
    Socket,
    /// A write to it never sleeps, as long as the VMM leaves it so.
    NonBlocking,
    Blocking,
}

impl TryFrom<File> for Signal {
    type Error = Refusal;

    fn try_from(file: File) -> Result<Self, Refusal> {
        let flags = fcntl_getfl(&file).map_err(host)?;
        let kind = match file_type(&file)? {
            FileType::Socket => SignalKind::Socket,
            FileType::Unknown | FileType::Fifo if flags.contains(OFlags::NONBLOCK) => {
                SignalKind::NonBlocking
            }
            FileType::Unknown | FileType::Fifo => SignalKind::Blocking,
            _ => return Err(Refusal::NoEvent),
        };
        let fd = owned(file)?;
        Ok(Self { fd, kind })
    }
}

impl Signal {
    /// Writes to it, unless that would sleep: then it is full, and its reader has enough to wake
    /// for. O_NONBLOCK is not ours to set: the VMM reads through the same open file.
    fn write(&self) {
        let one = 1u64.to_ne_bytes();
        // What fails does so because it is full, or because the VMM is gone.
        let _ = match self.kind {
            SignalKind::Socket => {
                send(&self.fd, &one, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).map(drop)
            }
            SignalKind::Blocking if !self.has_room() => Ok(()),
            _ => rustix::io::write(&self.fd, &one).map(drop),
        };
    }

    fn has_room(&self) -> bool {
        let mut room = [PollFd::new(&self.fd, PollFlags::OUT)];
        poll(&mut room, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

fn file_type(file: &File) -> Result<FileType, Refusal> {
    let stat = fstat(file).map_err(host)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

/// The crate that received it did not set that it is closed by exec.
fn owned(file: File) -> Result<OwnedFd, Refusal> {
    fcntl_setfd(&file, FdFlags::CLOEXEC).map_err(host)?;
    Ok(file.into())
}

fn host(errno: Errno) -> Refusal {
    Refusal::Host(errno.into())
}

fn replace(slot: &RwLock<Option<Signal>>, signal: Option<Signal>) -> Option<Signal> {
    let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut slot, signal)
}

fn signal(slot: &RwLock<Option<Signal>>) {
    let slot = slot.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(signal) = &*slot {
        signal.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::os::unix::net::UnixStream;

    fn count(fd: &OwnedFd) -> u64 {
        let mut bytes = [0; 8];
        match rustix::io::read(fd, &mut bytes) {
            Ok(_) => u64::from_ne_bytes(bytes),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                0
            }
        }
    }

    fn pair() -> (OwnedFd, Signal) {
        let fd = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let same = File::from(fd.try_clone().unwrap());
        (fd, same.try_into().unwrap())
    }

    fn events() -> Events {
        Events::new(Arc::default())
    }

    #[test]
    fn a_new_call_descriptor_takes_over_at_once() {
        let events = events();
        events.used();
        let (first, same) = pair();
        events.set_call(Some(same), true);
        assert_eq!(count(&first), 1, "what was missed is made up for");
        events.used();
        assert_eq!(count(&first), 1);
        let (second, same) = pair();
        events.set_call(Some(same), true);
        events.used();
        assert_eq!((count(&first), count(&second)), (0, 1));
        events.set_call(None, true);
        events.used();
        assert_eq!((count(&first), count(&second)), (0, 0));
    }

    #[test]
    fn a_broken_ring_is_told_on_the_error_descriptor_alone() {
        let events = events();
        let ((call, same_call), (error, same_error)) = (pair(), pair());
        events.set_call(Some(same_call), false);
        events.set_error(Some(same_error));
        events.broken();
        assert_eq!((count(&call), count(&error)), (0, 1));
    }

    #[test]
    fn a_full_descriptor_holds_nobody_up() {
        // Both would block: neither is O_NONBLOCK.
        let full = eventfd(0, EventfdFlags::empty()).unwrap();
        rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        let (_reader, pipe) = std::io::pipe().unwrap();
        let (socket, _reader) = UnixStream::pair().unwrap();
        let room = |fd: &OwnedFd| {
            let mut fds = [PollFd::new(fd, PollFlags::OUT)];
            poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
        };
        let [pipe, socket] = [OwnedFd::from(pipe), OwnedFd::from(socket)];
        while room(&pipe) {
            rustix::io::write(&pipe, &[0; 4096]).unwrap();
        }
        while send(&socket, &[0; 4096], SendFlags::DONTWAIT).is_ok() {}
        while send(&socket, &[0; 1], SendFlags::DONTWAIT).is_ok() {}
        let events = events();
        for fd in [full, pipe, socket] {
            let signal = File::from(fd).try_into().unwrap();
            events.set_call(Some(signal), true);
            events.used();
        }
    }

    #[test]
    fn a_reader_that_is_gone_is_nobodys_fault() {
        let (reader, pipe) = std::io::pipe().unwrap();
        drop(reader);
        let (socket, reader) = UnixStream::pair().unwrap();
        drop(reader);
        let events = events();
        for fd in [OwnedFd::from(pipe), OwnedFd::from(socket)] {
            events.set_call(Some(File::from(fd).try_into().unwrap()), true);
            events.used();
        }
    }

    #[test]
    fn only_what_can_be_an_event_is_taken() {
        let eventfd = || File::from(eventfd(0, EventfdFlags::empty()).unwrap());
        let pipe = || File::from(OwnedFd::from(std::io::pipe().unwrap().1));
        let socket = || File::from(OwnedFd::from(UnixStream::pair().unwrap().0));
        let zero = || File::open("/dev/zero").unwrap();
        let file = || tempfile::tempfile().unwrap();
        for (new, kicks, signals) in [
            (&eventfd as &dyn Fn() -> File, true, true),
            (&pipe, false, true),
            (&socket, false, true),
            (&zero, false, false),
            (&file, false, false),
        ] {
            assert_eq!(kick(new()).is_ok(), kicks);
            assert_eq!(Signal::try_from(new()).is_ok(), signals);
        }
    }

    #[test]
    fn a_descriptor_is_closed_by_exec() {
        let fd = || File::from(eventfd(0, EventfdFlags::empty()).unwrap());
        let flags = |fd: &OwnedFd| rustix::io::fcntl_getfd(fd).unwrap();
        assert_eq!(flags(&kick(fd()).unwrap()), FdFlags::CLOEXEC);
        assert_eq!(flags(&Signal::try_from(fd()).unwrap().fd), FdFlags::CLOEXEC);
    }
}
