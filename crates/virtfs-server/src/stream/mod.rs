//! The transport over a byte stream: a Unix socket, TCP, vsock, a pair of pipes.

mod buffer;
mod connection;
mod exchange;
mod receiver;
mod sender;

use std::sync::Arc;

pub use connection::{Connection, FdStream};

use self::exchange::StreamExchange;
use self::receiver::StreamReceiver;
use self::sender::Sender;
use crate::Limits;
use crate::budget::Budget;
use crate::transport::Transport;

/// The sending half of a session over a byte stream.
pub(crate) struct StreamTransport {
    connection: Arc<dyn Connection>,
    sender: Sender,
}

/// The two halves of a session over a connection.
pub(crate) fn open(
    connection: impl Connection,
    limits: &Limits,
    buffers: &Arc<Budget>,
) -> (StreamTransport, StreamReceiver) {
    let connection: Arc<dyn Connection> = Arc::new(connection);
    let sender = Sender::new(limits, buffers);
    let receiver = StreamReceiver::new(connection.clone(), sender.pool(), limits.msize);
    (StreamTransport { connection, sender }, receiver)
}

impl Transport for StreamTransport {
    type Exchange = StreamExchange;
    type Receiver = StreamReceiver;

    fn reply(&self, exchange: StreamExchange, head: &[u8]) {
        self.sender.push(head, exchange.into_reply());
    }

    fn discard(&self, exchange: StreamExchange) {
        drop(exchange);
    }

    fn has_replies(&self) -> bool {
        self.sender.has_replies()
    }

    fn is_congested(&self) -> bool {
        self.sender.is_congested()
    }

    fn is_short(&self) -> bool {
        self.sender.is_short()
    }

    fn flush(&self) {
        self.sender.flush(&*self.connection);
    }

    fn stop_receiving(&self) {
        self.connection.stop_receiving();
    }

    fn abort(&self) {
        self.connection.abort();
    }
}
