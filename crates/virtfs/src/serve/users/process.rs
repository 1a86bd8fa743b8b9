//! The process that looks users up, and how it is asked.
//!
//! Each question brings the socket for its answer, so that all processes of the server can ask on one
//! socket, and an answer that nobody waits for any more is lost.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Failure;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    socketpair,
};
use rustix::stdio;
use tracing::warn;
use virtfs_local::{CannotActAs, Owner, can_act_as};
use virtfs_vfs::{Call, Credentials, Errno};

use super::databases::look_up;
use super::policy::{Database, Who, squash_user};
use super::wire::{ANSWER, Answer, QUESTION};
use crate::serve::sandbox;
use crate::sys;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the process. It ends when all who have its socket have closed it.
#[derive(Debug)]
pub(super) struct Lookup {
    socket: OwnedFd,
}

impl Lookup {
    /// Starts the process, from one with one thread. It also tells whether a process with the rights
    /// of this one can act as the squash user: that is best tried where nothing else is done.
    pub(super) fn start(squash_to: Owner) -> io::Result<(Self, Result<(), CannotActAs>)> {
        let (socket, theirs) = pair()?;
        sys::fork(&[theirs.as_fd(), stdio::stderr()], || {
            serve(&theirs, squash_to)
        })?;
        drop(theirs);
        let mut able = [0; 5];
        let (_, length) = recv(&socket, &mut able[..], RecvFlags::empty())?;
        let able = match able.get(..length) {
            Some([0, ..]) => Ok(()),
            Some([1, ..]) => Err(CannotActAs::Capabilities),
            Some([_, errno @ ..]) if errno.len() == 4 => Err(CannotActAs::Refused(
                errno.try_into().map_or(0, i32::from_le_bytes),
            )),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Ok((Self { socket }, able))
    }

    fn ask(&self, question: &[u8], call: &dyn Call) -> Result<Answer, Errno> {
        let failed = |errno: Failure| {
            warn!("the process that looks up users does not answer: {errno}");
            Errno::EIO
        };
        call.about_to_block();
        let (answer, theirs) = pair().map_err(failed)?;
        loop {
            match self.send(question, theirs.as_fd()) {
                Ok(()) => break,
                Err(Failure::INTR) if !call.interrupted() => {}
                Err(Failure::INTR) => return Err(Errno::EINTR),
                Err(errno) => return Err(failed(errno)),
            }
        }
        drop(theirs);
        let until = Instant::now() + PATIENCE;
        loop {
            if call.interrupted() {
                return Err(Errno::EINTR);
            }
            let left = until.saturating_duration_since(Instant::now());
            let limit = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
            match poll(&mut [PollFd::new(&answer, PollFlags::IN)], Some(&limit)) {
                Ok(0) => return Err(failed(Failure::TIMEDOUT)),
                Ok(_) => break,
                Err(Failure::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        let mut bytes = vec![0; ANSWER];
        let (_, length) = recv(&answer, &mut bytes[..], RecvFlags::DONTWAIT).map_err(failed)?;
        Ok(Answer::decode(bytes.get(..length).unwrap_or_default()))
    }

    fn send(&self, question: &[u8], answer: BorrowedFd<'_>) -> Result<(), Failure> {
        let answer = [answer];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&answer));
        let text = [IoSlice::new(question)];
        sendmsg(&self.socket, &text, &mut control, SendFlags::NOSIGNAL).map(drop)
    }
}

impl AsFd for Lookup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Database for Lookup {
    fn find(&self, who: &Who<'_>, call: &dyn Call) -> Result<Option<Arc<Credentials>>, Errno> {
        let Some(question) = who.encode() else {
            return Ok(None);
        };
        match self.ask(&question, call)? {
            Answer::Found(user) => Ok(Some(Arc::new(user))),
            Answer::Unknown => Ok(None),
            Answer::Failed => Err(Errno::EIO),
        }
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd), Failure> {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// What the process does.
fn serve(socket: &OwnedFd, squash_to: Owner) -> u8 {
    // The terminal's signals reach it too, but it must outlive the server.
    let _ = sys::block_signals(&[libc::SIGHUP, libc::SIGQUIT]);
    let _ = rustix::thread::set_name(c"virtfs-users");
    let able = match can_act_as(&squash_user(squash_to)) {
        Ok(()) => vec![0],
        Err(CannotActAs::Capabilities) => vec![1],
        Err(CannotActAs::Refused(errno)) => [&[2], &errno.to_le_bytes()[..]].concat(),
    };
    if send(socket, &able, SendFlags::NOSIGNAL).is_err() {
        return 1;
    }
    // Databases are for everybody.
    sandbox::drop_all();
    loop {
        match receive(socket) {
            Ok(Some((question, Some(to)))) => {
                let answer = match Who::decode(&question) {
                    Some(who) => look_up(&who),
                    None => Answer::Unknown,
                };
                // It waits for nobody; who has gone needs no answer.
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                let _ = send(&to, &answer.encode(), flags);
            }
            Ok(Some((_, None))) | Err(Failure::INTR) => {}
            Ok(None) => return 0,
            Err(_) => return 1,
        }
    }
}

/// The next question, and where to answer it. `None` when nobody is left to ask.
#[expect(clippy::type_complexity, reason = "both are told right here")]
fn receive(socket: &OwnedFd) -> Result<Option<(Vec<u8>, Option<OwnedFd>)>, Failure> {
    let mut question = vec![0; QUESTION];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [IoSliceMut::new(&mut question)];
    let got = recvmsg(socket, &mut text, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut to = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut fds) = message {
            to = fds.next();
        }
    }
    // An empty question looks like the end.
    if got.bytes == 0 && to.is_none() {
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        let _ = poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        )?;
        let [socket] = fds;
        if socket.revents().contains(PollFlags::HUP) {
            return Ok(None);
        }
    }
    question.truncate(got.bytes);
    Ok(Some((question, to)))
}
