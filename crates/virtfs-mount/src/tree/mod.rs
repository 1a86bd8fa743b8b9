//! The files that the kernel knows, and what is open.

mod cached;
mod handles;
mod node;
mod nodes;
mod said;
mod users;

pub(crate) use handles::{Batch, Handle, Handles, OpenDir, OpenFile};
pub(crate) use node::{LockOwner, Node};
pub(crate) use nodes::Nodes;
pub(crate) use said::Said;
pub(crate) use users::Users;
