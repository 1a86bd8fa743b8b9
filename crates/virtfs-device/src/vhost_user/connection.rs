//! A VMM's connection, message by message.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tracing::debug;
use vhost::vhost_user::message::FrontendReq;
use vhost::vhost_user::{BackendReqHandler, Error as CrateError, VhostUserBackendReqHandler};

use super::error::{Error, Kind};
use super::front::Front;
use super::header::Header;
use super::long_table::{LongTable, acknowledge};
use super::refusal::Refusal;
use super::stopper::Stopper;
use crate::Device;

/// What a VMM's connection needs: one device, one Unix stream socket.
pub struct Connection {
    handler: BackendReqHandler<Front>,
    front: Arc<Front>,
    stopper: Stopper,
}

/// What ended the wait for a message.
enum Wake {
    /// There is one, or the VMM hung up.
    Message,
    /// The stopper was called.
    Stopped,
}

/// Whether there are more messages to come.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    End,
}

impl Connection {
    /// The connection of a VMM that has connected to `socket`.
    pub fn new(socket: UnixStream, device: Device) -> io::Result<Self> {
        // The crate takes for granted that receiving sleeps.
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(None)?;
        socket.set_write_timeout(None)?;
        let stopper = Stopper::new(socket.try_clone()?)?;
        let front = Arc::new(Front::new(device));
        Ok(Self {
            handler: BackendReqHandler::from_stream(socket, front.clone()),
            front,
            stopper,
        })
    }

    /// What ends the connection from another thread.
    pub fn stopper(&self) -> io::Result<Stopper> {
        self.stopper.try_clone()
    }

    /// Answers the VMM's messages until it hangs up, the stopper is called, or it breaks the
    /// protocol. Then the device is reset, and the VMM sees that the connection has ended.
    pub fn run(mut self) -> Result<(), Error> {
        let ended = loop {
            match self.wait_and_answer() {
                Ok(Next::More) => {}
                Ok(Next::End) => break Ok(()),
                // It may have cut a message short.
                Err(_) if self.stopper.was_called() => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if self.stopper.was_called() {
            self.front.drain();
        }
        self.front.reset();
        // A stopper may still hold the socket.
        let _ = self.stopper.socket().shutdown(Shutdown::Both);
        ended
    }

    fn wait_and_answer(&mut self) -> Result<Next, Error> {
        match self.wait().map_err(Kind::Host)? {
            Wake::Message => self.answer(),
            Wake::Stopped => Ok(Next::End),
        }
    }

    /// Waits for a message, and for room for its reply: a VMM that takes no replies is not
    /// received from, so that sending never sleeps.
    fn wait(&self) -> io::Result<Wake> {
        for event in [PollFlags::IN, PollFlags::OUT] {
            let mut fds = [
                PollFd::from_borrowed_fd(self.stopper.as_event(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.stopper.socket().as_fd(), event),
            ];
            loop {
                match poll(&mut fds, None) {
                    Ok(_) => {}
                    Err(Errno::INTR) => continue,
                    Err(errno) => return Err(errno.into()),
                }
                let [stopped, socket] = &fds;
                if !stopped.revents().is_empty() {
                    return Ok(Wake::Stopped);
                }
                if !socket.revents().is_empty() {
                    break;
                }
            }
        }
        Ok(Wake::Message)
    }

    fn answer(&mut self) -> Result<Next, Error> {
        let header = match Header::peek(self.stopper.socket()) {
            Ok(header) => header,
            // It hung up before it had taken all replies.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Next::End),
            Err(error) => return Err(Kind::Host(error).into()),
        };
        if let Some(header) = header {
            debug!("vhost-user: {header}");
            if header.request().is_none() {
                return Err(Kind::Unknown(header.code()).into());
            }
        }
        let long = header
            .filter(|header| header.request() == Some(FrontendReq::SET_MEM_TABLE))
            .and_then(|header| Some((header, LongTable::peek(self.stopper.socket())?)));
        let answered = match long {
            Some((header, length)) => self.set_mem_table(header, length),
            None => self.handler.handle_request(),
        };
        let Err(error) = answered else {
            return Ok(Next::More);
        };
        match Refusal::from_handler(error) {
            Ok(refusal) => self.refused(header, refusal),
            Err(CrateError::Disconnected | CrateError::SocketBroken(_)) => Ok(Next::End),
            Err(CrateError::PartialMessage) => Err(Kind::CutShort.into()),
            Err(CrateError::SocketError(error)) => Err(Kind::Host(error).into()),
            // Even one that says that it could be tried again: the message's header is gone. The
            // crate takes a body by one receive, so one that comes in two pieces ends here, too.
            Err(error) => Err(Kind::Malformed(header, error).into()),
        }
    }

    /// Does what the crate's handler does for a shorter table.
    fn set_mem_table(&self, header: Header, length: usize) -> Result<(), CrateError> {
        let socket = self.stopper.socket();
        let table = LongTable::receive(socket, length).map_err(CrateError::SocketBroken)?;
        let table = table.ok_or(CrateError::InvalidMessage)?;
        let done = self.front.set_mem_table(&table.regions, table.files, None);
        if header.tells_refusal() && self.front.acknowledges() {
            acknowledge(socket, done.is_ok()).map_err(CrateError::SocketBroken)?;
        }
        done.map(drop)
    }

    /// A refusal that the VMM learns of does not end the connection.
    fn refused(&self, header: Option<Header>, refusal: Refusal) -> Result<Next, Error> {
        if let Refusal::ReadOnly = refusal {
            debug!("vhost-user: {refusal}");
            return Ok(Next::More);
        }
        let told = header.is_some_and(Header::tells_refusal) && self.front.acknowledges();
        let error = Error(Kind::Refused(header, refusal));
        if told {
            self.front.warn(&error);
            return Ok(Next::More);
        }
        Err(error)
    }
}
