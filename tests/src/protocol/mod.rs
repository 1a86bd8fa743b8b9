//! The protocol suite: 9P2000.L as a client of `virtfs-client` sees it, every case over every
//! transport and every backend.
//!
//! A *case* is a function that is given a fresh [`Site`] and says what must hold. Cases come in
//! groups, one file each. A *backend* is a file system and what it has ([`Backend`], [`Has`]); a
//! *transport* makes connections to a server of it ([`Transport`]). The tables of transports and
//! backends are what [`protocol_suite!`](crate::protocol_suite) is given: one more line there is
//! one more column of the matrix. A case that needs what a backend does not have is left out and
//! told of; [`left_out`] says which those are, so that a test can pin them.

mod backend;
mod cases;
mod has;
mod relay;
mod sample;
mod site;
mod suite;
pub mod transports;
pub mod virtqueue;

pub use backend::Backend;
pub use has::Has;
pub use site::Site;
pub use suite::{check, left_out};
pub use transports::{Endpoint, Transport};
