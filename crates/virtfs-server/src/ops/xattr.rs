//! Extended attributes: read through a fid of their own, written into one and set when it is
//! clunked.

use std::sync::{Mutex, PoisonError};

use virtfs_vfs::{Cx, Errno, RequestBody, XattrPut};

use super::{Outcome, Request};
use crate::budget::{Permit, XATTR_MAX, fair};
use crate::fid::{Fid, FidKind, XattrRead, XattrWrite};
use crate::raise::Answer;

/// The attribute of the root in which the server says what a client may rely on beyond 9P. It is
/// on no disk and in no list.
const PROMISES: &[u8] = b"user.virtfs.server";
/// Requests on a fid wait for the earlier ones that make, change or end it: a client may send
/// walk, getattr and clunk of a new fid without waiting.
const ORDER: &[u8] = b"order=fid";

impl Request<'_> {
    pub(super) fn xattr_walk(&self, name: &[u8]) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        self.is_free()?;
        let (cx, node, open) = (self.cx(fid), fid.node()?, fid.open());
        let value = if name.is_empty() {
            fid.fs().xattr_list(&cx, node, open, XATTR_MAX)?
        } else if name == PROMISES && fid.is_root() {
            ORDER.to_vec()
        } else {
            fid.fs().xattr(&cx, node, open, name, XATTR_MAX)?
        };
        let permit = self.xattr_permit(value.len())?;
        let answer = Answer::Size(value.len() as u64);
        let kind = FidKind::XattrRead(XattrRead {
            value,
            _permit: permit,
        });
        let state = fid.another(kind);
        Ok(Outcome::with_state(answer, state))
    }

    pub(super) fn xattr_create(
        &self,
        name: &[u8],
        size: u64,
        how: XattrPut,
    ) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        let node = fid.unopened()?.clone();
        if name == PROMISES {
            return Err(Errno::EACCES);
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= XATTR_MAX);
        let size = size.ok_or(Errno::E2BIG)?;
        let permit = self.xattr_permit(size)?;
        let kind = FidKind::XattrWrite(XattrWrite {
            node,
            name: name.into(),
            size,
            how,
            value: Mutex::default(),
            _permit: permit,
        });
        let state = fid.another(kind);
        Ok(Outcome::with_state(Answer::Done, state))
    }

    /// Takes a piece of the value; what is beyond its announced size is cut.
    pub(super) fn write_xattr(
        &self,
        xattr: &XattrWrite,
        offset: u64,
        body: &mut dyn RequestBody,
    ) -> Result<usize, Errno> {
        let offset = usize::try_from(offset)
            .ok()
            .filter(|offset| *offset <= xattr.size);
        let offset = offset.ok_or(Errno::ENOSPC)?;
        let end = xattr.size.min(offset.saturating_add(body.remaining()));
        let mut value = xattr.value.lock().unwrap_or_else(PoisonError::into_inner);
        if value.len() < end {
            value.resize(end, 0);
        }
        Ok(body.take(value.get_mut(offset..end).unwrap_or_default()))
    }

    /// A fid holds its bytes, and something for itself: empty values are not free.
    fn xattr_permit(&self, bytes: usize) -> Result<Permit, Errno> {
        const OVERHEAD: usize = 256;
        let (limits, bytes) = (&self.shared.limits, bytes + OVERHEAD);
        let (all, own) = fair(
            (limits.all_xattr_bytes, limits.sessions),
            self.shared.xattrs.used(),
            self.xattrs.used(),
            bytes,
        );
        let own = own.min(limits.xattr_bytes);
        Permit::take((&self.shared.xattrs, all), (self.xattrs, own), bytes).ok_or(Errno::ENOSPC)
    }
}

/// Sets the attribute, or removes it: an empty value with `XATTR_REPLACE` is how Linux sends
/// removexattr(2).
pub(crate) fn commit_xattr(fid: &Fid, xattr: &XattrWrite, cx: &Cx<'_>) -> Result<(), Errno> {
    let value = xattr.value.lock().unwrap_or_else(PoisonError::into_inner);
    if xattr.size == 0 && xattr.how == XattrPut::Replace {
        return fid.fs().xattr_remove(cx, &xattr.node, None, &xattr.name);
    }
    if value.len() != xattr.size {
        return Err(Errno::EINVAL);
    }
    fid.fs()
        .xattr_put(cx, &xattr.node, None, &xattr.name, &value, xattr.how)
}
