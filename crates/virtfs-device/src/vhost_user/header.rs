//! The header of the next message, looked at while it is still in the socket.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use vhost::vhost_user::message::FrontendReq;

/// Where a header's flags say that an acknowledgement is asked for.
const NEED_REPLY: u32 = 0x8;

/// What a message is, for the log and for errors. It is not checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    request: u32,
    flags: u32,
}

impl Header {
    /// The header that is read next; nothing if it has not arrived whole.
    pub(super) fn peek(socket: &UnixStream) -> io::Result<Option<Self>> {
        // Request, flags and the body's size, each of four bytes.
        let mut bytes = [0; 12];
        let received = loop {
            match recv(socket, &mut bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Ok((_, received)) => break received,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break 0,
                Err(errno) => return Err(errno.into()),
            }
        };
        let [a, b, c, d, e, f, g, h, _, _, _, _] = bytes;
        Ok((received == bytes.len()).then_some(Self {
            request: u32::from_ne_bytes([a, b, c, d]),
            flags: u32::from_ne_bytes([e, f, g, h]),
        }))
    }

    /// The message's type by number.
    pub(super) fn code(self) -> u32 {
        self.request
    }

    /// The message's type, unless it is unknown.
    pub(super) fn request(self) -> Option<FrontendReq> {
        FrontendReq::try_from(self.request).ok()
    }

    /// Whether a refusal is told by an acknowledgement, if the VMM took REPLY_ACK.
    pub(super) fn tells_refusal(self) -> bool {
        use FrontendReq as R;
        let set = matches!(
            self.request(),
            Some(
                R::SET_MEM_TABLE
                    | R::ADD_MEM_REG
                    | R::REM_MEM_REG
                    | R::SET_VRING_NUM
                    | R::SET_VRING_ADDR
                    | R::SET_VRING_BASE
                    | R::SET_VRING_KICK
                    | R::SET_VRING_CALL
                    | R::SET_VRING_ERR
                    | R::SET_VRING_ENABLE
                    | R::SET_CONFIG
            )
        );
        set && self.flags & NEED_REPLY != 0
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.request() {
            Some(request) => write!(f, "{request:?}"),
            None => write!(f, "message {}", self.request),
        }
    }
}
