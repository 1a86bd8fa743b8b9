//! A virtio-9p device (virtio device id 9): a 9P server behind a virtqueue.
//!
//! [`Device`] is the device core. It knows a virtqueue and guest memory, and not how a VMM
//! attached it: a front starts and stops its queue. With the feature `vhost-user`, [`vhost_user`]
//! is the front for any VMM that speaks vhost-user. A VMM that embeds the device drives it itself.
//!
//! Requests are decoded from a private copy of their heads; the payload of a `Tread` is read into
//! the guest's buffers, and that of a `Twrite` written from them, by one call and without a copy.
//!
//! # Guest memory that is taken away
//!
//! A file that shrinks while it is mapped raises `SIGBUS` in whoever touches the lost part. A
//! program that serves VMMs which it does not trust must therefore give each connection a process of
//! its own, or take no memory but files sealed against shrinking (`F_SEAL_SHRINK`).
#![deny(unsafe_code)]

mod chain;
mod device;
mod doorbell;
mod exchange;
mod memory;
mod ring;
mod sys;
mod tag;
mod transport;
#[cfg(feature = "vhost-user")]
pub mod vhost_user;

pub use device::{Device, Patience, QueueSetup, StartError, features};
pub use memory::{GuestMemory, RegionError, RegionSource, map_region};
pub use ring::Notifier;
pub use tag::{BadTag, Tag};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
