#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

// First, for their macros.
#[macro_use]
mod wire;
#[macro_use]
mod message;

mod dialect;
mod dirent;
mod error;
mod flags;
mod header;
pub mod kind;
mod names;
mod qid;
mod reader;
mod rmessage;
mod stat;
mod timespec;
mod tmessage;
mod writer;

pub use dialect::Dialect;
pub use dirent::{DirEntries, DirEntry};
pub use error::{DecodeError, EncodeError};
pub use flags::{
    GetattrMask, LockFlags, LockStatus, LockType, LopenFlags, OpenMode, Perm, SetattrMask,
    UnlinkFlags, XattrFlags,
};
pub use header::{HEADER_LEN, Header, head_len};
pub use kind::name_of;
pub use names::{Names, NamesIter};
pub use qid::{Qid, QidType, Qids, QidsIter};
pub use rmessage::*;
pub use stat::{Stat, Stats};
pub use timespec::Timespec;
pub use tmessage::*;

/// The tag of `Tversion`, and of no other message (version(5)).
pub const NOTAG: u16 = 0xffff;

/// The fid that stands for "no fid", as `afid` of a `Tattach` without authentication (attach(5)).
pub const NOFID: u32 = 0xffff_ffff;

/// The number that stands for "no user or group number": in `n_uname` the server goes by `uname`
/// instead; in a `Twstat` the owner is left alone (9P2000.u).
pub const NONUNAME: u32 = 0xffff_ffff;

/// The most names that one `Twalk` may carry (walk(5)). Decoding does not enforce it.
pub const MAX_WALK: usize = 16;

/// What msize must spare for the head of a `Twrite` or `Rread`: data per message ≤ msize − 24.
pub const IO_HEADER_LEN: usize = 24;
