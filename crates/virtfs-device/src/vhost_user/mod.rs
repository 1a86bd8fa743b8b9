//! The vhost-user front: a VMM attaches the device over a Unix socket.
//!
//! A [`Connection`] is one VMM and one device. It answers the VMM's messages on the thread that
//! calls [`Connection::run`]; the device has threads of its own. To a VMM the device is virtio id 9
//! with one queue and a configuration space.
//!
//! A message that is refused ends the connection, unless the VMM asked for an acknowledgement
//! (`VHOST_USER_PROTOCOL_F_REPLY_ACK`): it then knows, and may go on. Migration (dirty logs,
//! in-flight descriptors, device state) and in-band notifications are not offered.
//!
//! The memory of a VMM that is not trusted can end this process: see the crate's documentation. So
//! can a VMM keep one of its threads for ever, by passing as call descriptor a pipe or an eventfd
//! that it fills behind our back. A process for each such VMM bounds both.

mod connection;
mod error;
mod events;
mod front;
mod header;
mod long_table;
mod quota;
mod refusal;
mod regions;
mod ring;
mod stopper;

pub use connection::Connection;
pub use error::Error;
pub use stopper::Stopper;

/// What a back end answers to `--print-capabilities`: the JSON object of QEMU's vhost-user
/// discovery convention. The type has no features.
pub fn capabilities() -> &'static str {
    r#"{"type": "9p"}"#
}
