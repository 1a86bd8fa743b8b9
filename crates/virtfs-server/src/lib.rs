//! A 9P server: sessions, fids, order, dispatch, locks, budgets and exports.
//!
//! It serves any [`FileSystem`](virtfs_vfs::FileSystem) over any byte stream ([`Connection`])
//! and knows no path of the host. Other transports (a virtqueue) implement [`Transport`] and
//! drive the same [`Session`].
//!
//! The way of one request: a transport's [`Receiver`] gives an [`Exchange`]; the session takes
//! its place in the order of its fids; `lower` turns the message into an operation; one file
//! under `ops` runs it on the export's file system; the transport sends the reply.
#![forbid(unsafe_code)]

mod budget;
mod builder;
mod export;
mod fid;
mod locks;
mod lower;
mod ops;
mod places;
mod raise;
mod rarely;
mod sentinel;
mod server;
mod session;
mod shares;
mod stream;
mod transport;
mod users;

pub use budget::Limits;
pub use builder::ServerBuilder;
pub use export::Export;
pub use places::Peer;
pub use rarely::Rarely;
pub use sentinel::Interrupter;
pub use server::{Refused, Server, SessionHandle};
pub use session::Session;
pub use stream::{Connection, FdStream};
pub use transport::{Exchange, Fault, Receiver, Transport};
pub use users::{Caller, Claim, Everybody, Users};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
