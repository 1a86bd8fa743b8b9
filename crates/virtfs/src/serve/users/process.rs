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
use virtfs_server::Rarely;
use virtfs_vfs::{Call, Credentials, Errno};

use super::databases::look_up;
use super::policy::{Database, Who, squash_user};
use super::wire::{ANSWER, Answer, QUESTION};
use crate::serve::sandbox;
use crate::sys;

/// How long an answer may take, and that the question can be asked.
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The way to the process. It ends when all who have its socket have closed it.
#[derive(Debug)]
pub(super) struct Lookup {
    socket: OwnedFd,
    complaints: Rarely,
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
        Ok((Self::by(socket), able))
    }

    fn by(socket: OwnedFd) -> Self {
        Self {
            socket,
            complaints: Rarely::new(),
        }
    }

    fn ask(&self, question: &[u8], until: Instant, call: &dyn Call) -> Result<Answer, Errno> {
        call.about_to_block();
        let (answer, theirs) = pair().map_err(|errno| self.failed(errno))?;
        loop {
            match self.send(question, theirs.as_fd()) {
                Ok(()) => break,
                Err(Failure::AGAIN) => self.wait(&self.socket, PollFlags::OUT, until, call)?,
                Err(errno) => return Err(self.failed(errno)),
            }
        }
        drop(theirs);
        self.wait(&answer, PollFlags::IN, until, call)?;
        let mut bytes = vec![0; ANSWER];
        let (_, length) = recv(&answer, &mut bytes[..], RecvFlags::DONTWAIT)
            .map_err(|errno| self.failed(errno))?;
        Ok(Answer::decode(bytes.get(..length).unwrap_or_default()))
    }

    fn send(&self, question: &[u8], answer: BorrowedFd<'_>) -> Result<(), Failure> {
        let answer = [answer];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&answer));
        let text = [IoSlice::new(question)];
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.socket, &text, &mut control, flags).map(drop)
    }

    /// Waits until a socket is ready, or has been closed at its other end.
    fn wait(
        &self,
        socket: &OwnedFd,
        ready: PollFlags,
        until: Instant,
        call: &dyn Call,
    ) -> Result<(), Errno> {
        loop {
            if call.interrupted() {
                return Err(Errno::EINTR);
            }
            let left = until.saturating_duration_since(Instant::now());
            let limit = Timespec::try_from(left).unwrap_or(AT_ONCE);
            match poll(&mut [PollFd::new(socket, ready)], Some(&limit)) {
                Ok(0) => return Err(self.failed(Failure::TIMEDOUT)),
                Ok(_) => return Ok(()),
                Err(Failure::INTR) => {}
                Err(errno) => return Err(self.failed(errno)),
            }
        }
    }

    fn failed(&self, errno: Failure) -> Errno {
        if self.complaints.due(Instant::now()).is_some() {
            warn!("the process that looks up users does not answer: {errno}");
        }
        Errno::EIO
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
        match self.ask(&question, Instant::now() + PATIENCE, call)? {
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
    answer_all(socket, look_up)
}

fn answer_all(socket: &OwnedFd, look_up: impl Fn(&Who<'_>) -> Answer) -> u8 {
    loop {
        match receive(socket) {
            // One name service may be slow enough for many to give up.
            Ok(Some((_, Some(to)))) if has_ended(&to, PollFlags::HUP) => {}
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

/// The next question, and where to answer it. `None` when nobody is left to ask, or can.
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
    if got.bytes == 0 && to.is_none() && has_ended(socket, PollFlags::HUP | PollFlags::RDHUP) {
        return Ok(None);
    }
    question.truncate(got.bytes);
    Ok(Some((question, to)))
}

/// Whether one of these has come to a socket.
fn has_ended(socket: &OwnedFd, how: PollFlags) -> bool {
    let mut fds = [PollFd::new(socket, how)];
    let known = poll(&mut fds, Some(&AT_ONCE));
    known.is_ok() && fds.iter().any(|fd| fd.revents().intersects(how))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{Shutdown, shutdown};
    use std::cell::Cell;
    use std::thread;
    use virtfs_vfs::Detached;

    struct Interrupted;

    impl Call for Interrupted {
        fn interrupted(&self) -> bool {
            true
        }

        fn about_to_block(&self) {}
    }

    fn soon() -> Instant {
        Instant::now() + PATIENCE
    }

    #[test]
    fn who_cannot_ask_waits_no_longer_than_for_an_answer() {
        let (socket, _theirs) = pair().unwrap();
        let lookup = Lookup::by(socket);
        while send(&lookup.socket, b"question", SendFlags::DONTWAIT).is_ok() {}
        let asked = |until, call| lookup.ask(b"question", until, call);
        assert_eq!(asked(Instant::now(), &Detached), Err(Errno::EIO));
        assert_eq!(asked(soon(), &Interrupted), Err(Errno::EINTR));
    }

    #[test]
    fn no_answer_is_looked_for_when_the_asker_has_gone() {
        let (socket, theirs) = pair().unwrap();
        let lookup = Lookup::by(socket);
        let question = Who::Uid(5).encode().unwrap();
        assert_eq!(
            lookup.ask(&question, soon(), &Interrupted),
            Err(Errno::EINTR)
        );
        let answers = thread::spawn(move || {
            let asked = Cell::new(0);
            answer_all(&theirs, |_| {
                asked.set(asked.get() + 1);
                Answer::Unknown
            });
            asked.get()
        });
        let answer = lookup.ask(&question, soon(), &Detached);
        assert_eq!(answer, Ok(Answer::Unknown));
        drop(lookup);
        assert_eq!(answers.join().unwrap(), 1);
    }

    #[test]
    fn it_ends_when_nobody_can_ask_any_more() {
        let (socket, theirs) = pair().unwrap();
        shutdown(&socket, Shutdown::Write).unwrap();
        assert_eq!(answer_all(&theirs, |_| Answer::Unknown), 0);
        // Who is left is told at once.
        drop(theirs);
        let asked = Lookup::by(socket).ask(b"question", soon(), &Detached);
        assert_eq!(asked, Err(Errno::EIO));
    }

    #[test]
    fn an_empty_question_ends_nothing() {
        let (socket, theirs) = pair().unwrap();
        send(&socket, b"", SendFlags::empty()).unwrap();
        assert_eq!(receive(&theirs).unwrap().unwrap().0, b"");
    }
}
