//! The users who make files: what is made belongs to whoever attached.

use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;
use rustix::io::Errno;
use virtfs_client::{Attach, Client, Fid};

use super::node::{FileKey, Node};
use super::nodes::Nodes;
use crate::fail::{Fail, Result};
use crate::sync::lock;

/// How many users' roots are kept.
const ROOTS: usize = 256;

/// The roots of the users other than the one who mounts.
#[derive(Debug)]
pub(crate) struct Users {
    client: Client,
    aname: String,
    /// Who mounts.
    own: u32,
    roots: Mutex<FxHashMap<u32, Arc<Fid>>>,
}

impl Users {
    /// Nobody yet but `own`, who mounts.
    pub(crate) fn new(client: Client, aname: String, own: u32) -> Self {
        Self {
            client,
            aname,
            own,
            roots: Mutex::default(),
        }
    }

    /// Whether the mount's own fids are this user's.
    pub(crate) fn is_own(&self, uid: u32) -> bool {
        uid == self.own
    }

    /// A directory as `uid` sees it. `ESTALE` if it is not where it was last seen: the kernel then
    /// looks again.
    pub(crate) fn directory(&self, nodes: &Nodes, dir: &Node, uid: u32) -> Result<Arc<Fid>> {
        if self.is_own(uid) {
            return Ok(dir.fid());
        }
        if let Some(fid) = dir.maker(uid) {
            return Ok(fid);
        }
        let path = nodes.path(dir).ok_or(Errno::STALE)?;
        let root = self.root(uid)?;
        let fid = root.walk(&path).map_err(|error| match Fail::from(error) {
            Fail(Errno::NOENT | Errno::NOTDIR) => Fail(Errno::STALE),
            other => other,
        })?;
        if FileKey::from(fid.qid()) != dir.file {
            return Err(Errno::STALE.into());
        }
        let fid = Arc::new(fid);
        dir.keep_maker(uid, fid.clone());
        Ok(fid)
    }

    fn root(&self, uid: u32) -> Result<Arc<Fid>> {
        if let Some(root) = lock(&self.roots).get(&uid) {
            return Ok(root.clone());
        }
        let root = Arc::new(self.client.attach(&Attach {
            uname: String::new(),
            aname: self.aname.clone(),
            uid,
        })?);
        let mut roots = lock(&self.roots);
        let dropped = if roots.len() >= ROOTS {
            std::mem::take(&mut *roots)
        } else {
            FxHashMap::default()
        };
        let root = roots.entry(uid).or_insert(root).clone();
        drop(roots);
        drop(dropped);
        Ok(root)
    }
}
