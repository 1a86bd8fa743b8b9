//! Who a client is, and whose rights it gets on the host: asked once for each attach.

use std::sync::Arc;

use virtfs_vfs::{Call, Credentials, Cx, Errno, User};

/// Who a `Tattach` says that it acts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim<'a> {
    /// `uname`. Linux sends its mount option of this name ("nobody" without one) when it mounts,
    /// and nothing when its users come.
    pub uname: &'a [u8],
    /// `n_uname`; `None` if the client gave none (9P2000 has none).
    pub uid: Option<u32>,
}

impl Claim<'_> {
    /// Whether it names nobody: so begin all mounts of Linux.
    pub fn is_of_nobody(&self) -> bool {
        self.uid.is_none() && matches!(self.uname, b"" | b"nobody")
    }
}

/// Whom a fid acts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// As the client knows the user: owns what it makes, where the file system gives files away.
    pub user: User,
    /// Whose rights it has on the host; the server's own if `None`.
    pub credentials: Option<Arc<Credentials>>,
}

impl Caller {
    /// The context of a call for this one: nothing that a client asked for is to be done in any other.
    pub(crate) fn cx<'a>(&'a self, call: &'a dyn Call) -> Cx<'a> {
        Cx::new(self.user, call).with_rights_of(self.credentials.as_ref())
    }
}

/// Tells who is who.
pub trait Users: Send + Sync + 'static {
    /// Whom a client acts for that claims this. `EACCES` if the claim is not accepted. An
    /// implementation that waits for somebody says [`Call::about_to_block`] first, and ends with
    /// `EINTR` when [`Call::interrupted`].
    fn find(&self, claim: &Claim<'_>, call: &dyn Call) -> Result<Caller, Errno>;
}

/// Everybody is who they say, and acts with the server's rights: what users may do is the client's
/// kernel's business.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everybody;

impl Users for Everybody {
    fn find(&self, claim: &Claim<'_>, _call: &dyn Call) -> Result<Caller, Errno> {
        Ok(Caller {
            user: claim.uid.map_or(User::NOBODY, |uid| User { uid }),
            credentials: None,
        })
    }
}
