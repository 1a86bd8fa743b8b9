#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod attributes;
mod cancel;
mod chunk;
mod client;
mod connection;
mod cursor;
mod dial;
mod directory;
mod error;
mod fid;
mod file;
mod lock;
mod options;
mod stream;
mod transfer;

pub use virtfs_proto::{
    GetattrMask, LockFlags, LockStatus, LockType, LopenFlags, Qid, QidType, Timespec, UnlinkFlags,
    XattrFlags,
};

pub use address::Address;
pub use attributes::{Attributes, SetAttributes, SetTime, Statfs};
pub use cancel::Cancel;
pub use chunk::Chunk;
pub use client::{Attach, Client};
pub use cursor::Cursor;
pub use directory::{Directory, Entry};
pub use error::{Error, Result};
pub use fid::Fid;
pub use file::File;
pub use lock::{Lock, lock_all};
pub use options::Options;
pub use stream::Stream;
