//! A suite that every [`crate::FileSystem`] must pass, and bodies for its tests.
//!
//! [`conformance_suite!`](crate::conformance_suite) makes a test of each case:
//!
//! ```
//! mod memory {
//!     use virtfs_vfs::conformance::{Fixture, Has};
//!     use virtfs_vfs::memory::MemoryFs;
//!
//!     fn fresh() -> Fixture {
//!         Fixture::new(MemoryFs::new(), Has::all())
//!     }
//!
//!     virtfs_vfs::conformance_suite!(fresh);
//! }
//! ```
//!
//! What the cases hold to be true is what the documentation of the trait says, and what Linux
//! file systems do where it is silent. Where those differ among themselves, each answer is right.

mod attributes;
mod bodies;
mod create;
mod errors;
mod fixture;
mod io;
mod link;
mod list;
mod locks;
mod make;
mod ops;
mod remove;
mod rename;
mod suite;
mod threads;
mod unlinked;
mod walk;
mod xattrs;

pub use bodies::{SliceRequest, VecReply};
pub use fixture::{Fixture, Has};
pub use suite::{Outcome, cases, check, run};
