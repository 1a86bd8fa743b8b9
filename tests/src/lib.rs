//! What the protocol suites under `tests/` are written with: a raw client that may break every
//! rule ([`Raw`]), servers to test it on ([`Served`]), a file system with hooks ([`Hooked`]), a
//! sequential model of fids ([`Model`]), and seeded random numbers ([`Rng`]).
//!
//! No wait is unbounded: a server that does not answer fails the test after [`PATIENCE`].
#![deny(unsafe_code)]

mod calls;
mod counted;
mod fds;
mod frames;
mod hooked;
mod model;
pub mod protocol;
mod raw;
mod rng;
mod sample;
mod served;
pub mod virtio;
mod worker;

pub use calls::{Entry, Lock, SetAttr};
pub use counted::{Counted, Payloads};
pub use fds::{descriptors, wait_for_descriptors};
pub use frames::{Frames, frame, frame_with};
pub use hooked::Hooked;
pub use model::{Expect, Model, Tree};
pub use raw::{Got, PATIENCE, Raw, Reply};
pub use rng::Rng;
pub use sample::{good_session, requests_on};
pub use served::{MSIZE, Served};
pub use worker::worker;

/// Error numbers of Linux that the suites name.
#[allow(missing_docs, reason = "the names are those of errno(3)")]
pub mod errno {
    pub const EPERM: u32 = 1;
    pub const ENOENT: u32 = 2;
    pub const EINTR: u32 = 4;
    pub const EIO: u32 = 5;
    pub const ENXIO: u32 = 6;
    pub const E2BIG: u32 = 7;
    pub const EBADF: u32 = 9;
    pub const EACCES: u32 = 13;
    pub const EBUSY: u32 = 16;
    pub const EEXIST: u32 = 17;
    pub const EXDEV: u32 = 18;
    pub const ENOTDIR: u32 = 20;
    pub const EISDIR: u32 = 21;
    pub const EINVAL: u32 = 22;
    pub const EMFILE: u32 = 24;
    pub const ENOSPC: u32 = 28;
    pub const EROFS: u32 = 30;
    pub const ERANGE: u32 = 34;
    pub const ENAMETOOLONG: u32 = 36;
    pub const ENOLCK: u32 = 37;
    pub const ENOTEMPTY: u32 = 39;
    pub const ELOOP: u32 = 40;
    pub const ENODATA: u32 = 61;
    pub const EPROTO: u32 = 71;
    pub const EMSGSIZE: u32 = 90;
    pub const EOPNOTSUPP: u32 = 95;
    pub const ESTALE: u32 = 116;
}
