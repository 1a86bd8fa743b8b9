//! The kernel's FUSE protocol over `/dev/fuse`; knows nothing of 9P.
//!
//! [`Session::mount`] gets a descriptor and agrees on a version, [`Session::run`] serves it:
//! bytes become a [`Request`], a [`Handler`] looks at it and answers through its [`Reply`], at once
//! or later from any thread.

mod abi;
mod attr;
mod device;
mod dirbuf;
mod fusermount;
mod init;
mod interrupts;
#[cfg(test)]
mod kernel_tests;
mod mount;
mod options;
mod parse;
mod queue;
mod read_ahead;
mod reply;
mod request;
mod serve;
mod session;
mod unmount;

pub(crate) use attr::{Attr, EntryOut, Statfs, Time};
pub(crate) use dirbuf::DirBuffer;
pub(crate) use options::KernelOptions;
pub(crate) use reply::{OpenFlags, Reply};
pub(crate) use request::{LockIn, LockKind, Op, Request, SetTime, SetattrIn, WRITE_CACHE};
pub(crate) use session::{Handler, Session};
pub(crate) use unmount::Unmounter;
