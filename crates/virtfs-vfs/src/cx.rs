//! Who asks, and what a call may tell the server while it runs.

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
    call: &'a dyn Call,
}

impl<'a> Cx<'a> {
    /// A context for a call of this user.
    pub fn new(user: User, call: &'a dyn Call) -> Self {
        Self { user, call }
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
