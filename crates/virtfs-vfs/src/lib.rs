//! The [`FileSystem`] trait that a virtfs server serves, and the types it speaks in.
//!
//! Nothing here knows a 9P message or a path of the host: a server lowers each message to calls
//! of this trait, and an implementation (the host's file system, [`memory`], [`synth`]) answers
//! with values or an [`Errno`].
#![forbid(unsafe_code)]

mod attr;
mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cx;
mod dir;
mod errno;
mod filesystem;
mod lock;
pub mod memory;
mod name;
mod node;
mod statfs;
pub mod synth;

pub use attr::{Attr, Device, FileKind, Qid, Qids, SetAttr, SetTime, StatWant, Time};
pub use body::{IoFlags, ReplyBody, RequestBody};
pub use cx::{Call, Credentials, Cx, Detached, User};
pub use dir::DirEntry;
pub use errno::Errno;
pub use filesystem::{FileSystem, Make, OpenFlags, Opened, Place, Removal, XattrPut};
pub use lock::{LockFile, LockHolder, LockKind, LockRange, LockSet};
pub use name::Name;
pub use node::{Node, Open};
pub use statfs::StatFs;

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
