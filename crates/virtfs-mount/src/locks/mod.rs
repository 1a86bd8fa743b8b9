//! Locks on ranges of bytes, and who waits for them.

mod owner;
mod waiters;

pub(crate) use owner::ClientId;
pub(crate) use waiters::{Waiter, Waiters};
