//! The one call that needs `unsafe`.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use vmm_sys_util::eventfd::EventFd;

/// An eventfd as the `vhost` crate takes it.
pub(super) fn vmm_event(event: OwnedFd) -> EventFd {
    // SAFETY: the descriptor is open, and `into_raw_fd` has given up its only owner.
    unsafe { EventFd::from_raw_fd(event.into_raw_fd()) }
}
