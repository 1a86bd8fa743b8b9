//! A client that sends what it is told to, right or wrong.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use virtfs_proto::{Dialect, HEADER_LEN, Header, Rmessage, Tmessage, head_len};

use crate::frames::{Frames, frame_with};

/// How long an answer may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A client over any byte stream.
#[derive(Debug)]
pub struct Raw {
    input: OwnedFd,
    output: Option<OwnedFd>,
    received: Vec<u8>,
    next_tag: u16,
}

/// What came, if something did.
#[derive(Debug)]
pub enum Got {
    /// A reply.
    Reply(Reply),
    /// The server ended the session.
    End,
    /// Nothing in the time given.
    Nothing,
}

/// A reply as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The tag of the request that it answers.
    pub tag: u16,
    /// Its type byte.
    pub kind: u8,
    frame: Vec<u8>,
}

impl Raw {
    /// Over a connected socket.
    pub fn socket(socket: impl Into<OwnedFd>) -> Self {
        Self::new(socket.into(), None)
    }

    /// Over one descriptor to read from and one to write to.
    pub fn pair(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Self {
        Self::new(input.into(), Some(output.into()))
    }

    fn new(input: OwnedFd, output: Option<OwnedFd>) -> Self {
        for fd in [Some(&input), output.as_ref()].into_iter().flatten() {
            let flags = fcntl_getfl(fd).expect("an open descriptor has flags");
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).expect("they can be set");
        }
        Self {
            input,
            output,
            received: Vec::new(),
            next_tag: 0,
        }
    }

    /// Sends bytes as they are. Panics if the server does not take them.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let sent = self.try_send(bytes, PATIENCE).expect("the stream is open");
        assert_eq!(sent, bytes.len(), "the server takes what it is sent");
    }

    /// Sends as many of the bytes as the server takes before it has not taken one for so long.
    pub fn try_send(&mut self, mut bytes: &[u8], patience: Duration) -> io::Result<usize> {
        let output = self.output.as_ref().unwrap_or(&self.input);
        let mut sent = 0;
        while !bytes.is_empty() && ready(output, PollFlags::OUT, patience) {
            let count = match rustix::net::send(output, bytes, rustix::net::SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::NOTSOCK) => rustix::io::write(output, bytes),
                other => other,
            };
            match count {
                Ok(count) => {
                    sent += count;
                    bytes = &bytes[count..];
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    /// Sends one request.
    pub fn send<'a>(&mut self, tag: u16, message: impl Into<Tmessage<'a>>) {
        self.send_with(tag, message, &[]);
    }

    /// Sends one request and its payload.
    pub fn send_with<'a>(&mut self, tag: u16, message: impl Into<Tmessage<'a>>, payload: &[u8]) {
        self.send_bytes(&frame_with(tag, message, payload));
    }

    /// Sends several requests by one write.
    pub fn send_frames(&mut self, frames: &Frames) {
        self.send_bytes(frames.bytes());
    }

    /// The next reply. Panics if none comes.
    pub fn receive(&mut self) -> Reply {
        match self.receive_within(PATIENCE) {
            Got::Reply(reply) => reply,
            other => panic!("instead of a reply: {other:?}"),
        }
    }

    /// So many replies, sorted by tag.
    pub fn receive_many(&mut self, count: usize) -> Vec<Reply> {
        let mut replies: Vec<_> = (0..count).map(|_| self.receive()).collect();
        replies.sort_by_key(|reply| reply.tag);
        replies
    }

    /// What comes within this time.
    pub fn receive_within(&mut self, time: Duration) -> Got {
        let deadline = Instant::now() + time;
        loop {
            if let Some(reply) = self.cut() {
                return Got::Reply(reply);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !ready(&self.input, PollFlags::IN, left) {
                return Got::Nothing;
            }
            let mut bytes = vec![0; 64 << 10];
            match rustix::io::read(&self.input, &mut bytes) {
                Ok(0) => return Got::End,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => return Got::End,
            }
        }
    }

    /// Whether the server ends the session; replies that come before are passed over.
    pub fn ends(&mut self) -> bool {
        loop {
            match self.receive_within(PATIENCE) {
                Got::Reply(_) => {}
                Got::End => return true,
                Got::Nothing => return false,
            }
        }
    }

    /// Says that nothing more will be sent, and goes on to receive.
    pub fn finish(&self) {
        let _ = rustix::net::shutdown(&self.input, rustix::net::Shutdown::Write);
    }

    /// Sends a request and waits for its answer.
    pub fn call<'a>(&mut self, message: impl Into<Tmessage<'a>>) -> Reply {
        self.call_with(message, &[])
    }

    /// Sends a request with its payload and waits for its answer.
    pub fn call_with<'a>(&mut self, message: impl Into<Tmessage<'a>>, payload: &[u8]) -> Reply {
        let message = message.into();
        let tag = self.tag();
        self.send_with(tag, message, payload);
        let reply = self.receive();
        assert_eq!(reply.tag, tag, "the reply to {message:?}");
        reply
    }

    /// A tag from the upper half, which [`Raw::call`] uses: tests choose theirs from the lower.
    fn tag(&mut self) -> u16 {
        self.next_tag = (self.next_tag + 1) % 0x7000;
        0x8000 + self.next_tag
    }

    /// Takes a whole reply from what was received.
    fn cut(&mut self) -> Option<Reply> {
        let header = Header::decode(self.received.get(..HEADER_LEN)?).expect("a reply's header");
        let size = header.size as usize;
        assert!(size <= 64 << 20, "a reply of {size} bytes");
        if self.received.len() < size {
            return None;
        }
        let rest = self.received.split_off(size);
        let frame = std::mem::replace(&mut self.received, rest);
        Some(Reply {
            tag: header.tag,
            kind: header.kind,
            frame,
        })
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.input.as_fd()
    }
}

impl Reply {
    /// The reply, decoded.
    pub fn message(&self) -> Rmessage<'_> {
        let (tag, message) =
            Rmessage::decode(Dialect::L, &self.frame[..self.head()]).expect("a reply is well made");
        assert_eq!(tag, self.tag);
        message
    }

    /// The payload of an `Rread` or `Rreaddir`.
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.head()..]
    }

    /// The reply, or the errno that came instead.
    pub fn result(&self) -> Result<Rmessage<'_>, u32> {
        match self.message() {
            Rmessage::Lerror(error) => Err(error.ecode),
            message => Ok(message),
        }
    }

    /// The errno, if it is one.
    pub fn ecode(&self) -> Option<u32> {
        self.result().err()
    }

    /// The whole frame.
    pub fn bytes(&self) -> &[u8] {
        &self.frame
    }

    fn head(&self) -> usize {
        head_len(self.kind, self.frame.len() as u32) as usize
    }
}

fn ready(fd: &OwnedFd, flags: PollFlags, time: Duration) -> bool {
    let time = Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(fd, flags)];
    matches!(poll(&mut fds, Some(&time)), Ok(count) if count > 0)
}
