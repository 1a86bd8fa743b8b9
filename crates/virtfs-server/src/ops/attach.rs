//! Attach, walk and clunk: how fids come and go.

use virtfs_vfs::{Errno, Name, Node, Qids};

use super::xattr::commit_xattr;
use super::{Outcome, Request};
use crate::fid::{Fid, FidKind, Kind};
use crate::lower::WalkNames;
use crate::raise::Answer;
use crate::users::Claim;

impl Request<'_> {
    pub(super) fn attach(
        &self,
        aname: &[u8],
        claim: &Claim<'_>,
        authenticated: bool,
    ) -> Result<Outcome, Errno> {
        self.is_free()?;
        if authenticated {
            return Err(Errno::EOPNOTSUPP);
        }
        let export = self.shared.exports.find(aname).ok_or(Errno::ENOENT)?;
        let caller = export.users.find(claim, self.call)?;
        let (node, qid) = export.fs.attach(&caller.cx(self.call))?;
        let fid = Fid::root(export.clone(), caller, node);
        Ok(Outcome::with_state(Answer::Qid(qid), fid))
    }

    pub(super) fn walk(&self, names: &WalkNames<'_>) -> Result<Outcome, Errno> {
        let from = self.fid()?;
        self.is_free()?;
        let start = if self.walks_itself {
            from.unopened()?
        } else {
            from.node()?
        };
        let mut list = [None; Qids::MAX];
        let mut count = 0;
        for (slot, name) in list.iter_mut().zip(names.iter()) {
            *slot = Some(name);
            count += 1;
        }
        let filler = match list[0] {
            Some(name) => name,
            None => {
                let node = start.clone();
                return Ok(self.walked(from, (node, from.is_root()), Qids::new()));
            }
        };
        let list: [Name<'_>; Qids::MAX] = list.map(|name| name.unwrap_or(filler));
        let mut qids = Qids::new();
        match from
            .fs()
            .walk(&self.cx(from), start, &list[..count], &mut qids)
        {
            Ok(node) => Ok(self.walked(from, (node, false), qids)),
            Err(Errno::EINTR) => Err(Errno::EINTR),
            Err(errno) if qids.is_empty() => Err(errno),
            // As far as it went, and no fid is made.
            Err(_) => Ok(Answer::Walked(qids).into()),
        }
    }

    fn walked(&self, from: &Fid, (node, root): (Node, bool), qids: Qids) -> Outcome {
        let fid = from.another(match root {
            true => FidKind::Root(node),
            false => FidKind::Walked(node),
        });
        Outcome::with_state(Answer::Walked(qids), fid)
    }

    /// The session has freed the number; what is left is what the fid had put off.
    pub(super) fn clunk(&self) -> Result<Outcome, Errno> {
        let fid = self.fid()?;
        match fid.kind() {
            Kind::Walked(_) | Kind::XattrRead(_) => {}
            Kind::Open(open) => self.release_locks(open)?,
            Kind::XattrWrite(xattr) => commit_xattr(fid, xattr, &self.cx(fid))?,
        }
        Ok(Answer::Done.into())
    }
}
