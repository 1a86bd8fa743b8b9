//! What a guest has and does: memory ([`GuestRam`]), and a driver of a split virtqueue
//! ([`Driver`]), which can break every rule through its [`Ring`].
//!
//! A driver is put to a device of this process ([`Direct`]) or, by vhost-user, to any
//! ([`VhostUser`]). [`bridge()`] makes a byte stream of it, for clients that know nothing else.

mod bridge;
mod direct;
mod driver;
mod event;
mod layout;
mod placed;
mod ram;
mod ring;
mod sys;
mod vhost_user;

pub use bridge::bridge;
pub use direct::Direct;
pub use driver::{Driver, DriverOptions, Used};
pub use event::Event;
pub use layout::{Layout, reply_room};
pub use placed::Placed;
pub use ram::{GuestRam, RamRegion};
pub use ring::{Descriptor, Ring, Segment, flags};
pub use vhost_user::VhostUser;

/// What a device must have to be bridged to.
pub trait Attached: Send + 'static {
    /// Signalled when the device has stopped because the ring was malformed.
    fn broken(&self) -> &Event;
}
