//! Who asks, and what a call may tell the server while it runs.

use std::sync::Arc;

/// The user whom a call acts for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct User {
    /// The numeric user that the client attached with (`n_uname`); [`User::NOBODY`] if it gave none.
    pub uid: u32,
}

impl User {
    /// No user: what is created keeps the server's own owner.
    pub const NOBODY: Self = Self { uid: u32::MAX };
}

/// A user of the host, whose rights a call has there.
///
/// A file system of the host checks what this user may do, and gives them what they make. Others
/// may ignore it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The user's first group, which is that of what they make.
    pub gid: u32,
    /// The groups that the user is in beside it.
    pub groups: Box<[u32]>,
}

impl Credentials {
    /// Whether the user is in a group.
    pub fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}

/// The server's side of a running call.
pub trait Call {
    /// Whether the request was flushed or its session ended: a call that waits should end with
    /// `EINTR`.
    fn interrupted(&self) -> bool;

    /// To be told before the calling thread may sleep: finished replies are sent and another
    /// thread takes over the session. Cheap when called again.
    fn about_to_block(&self);
}

/// What every call of a [`crate::FileSystem`] is given.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    /// The user whom the call acts for.
    pub user: User,
    credentials: Option<&'a Arc<Credentials>>,
    call: &'a dyn Call,
}

impl<'a> Cx<'a> {
    /// A context for a call of this user.
    pub fn new(user: User, call: &'a dyn Call) -> Self {
        Self {
            user,
            credentials: None,
            call,
        }
    }

    /// The same, with the rights of a user of the host; with `None`, with the server's own.
    pub fn with_rights_of(self, credentials: Option<&'a Arc<Credentials>>) -> Self {
        Self {
            credentials,
            ..self
        }
    }

    /// Whose rights the call has on the host; the server's own if `None`.
    pub fn credentials(&self) -> Option<&'a Arc<Credentials>> {
        self.credentials
    }

    /// See [`Call::interrupted`].
    pub fn interrupted(&self) -> bool {
        self.call.interrupted()
    }

    /// See [`Call::about_to_block`].
    pub fn about_to_block(&self) {
        self.call.about_to_block();
    }
}

/// A call that no request stands behind: never interrupted, free to block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detached;

impl Call for Detached {
    fn interrupted(&self) -> bool {
        false
    }

    fn about_to_block(&self) {}
}
