//! Names: look-ups, links, renames, removals.

use std::sync::Arc;

use rustix::io::Errno;
use virtfs_client::{Attributes, UnlinkFlags};

use crate::fail::{Fail, Result};
use crate::fuse::{EntryOut, Request};
use crate::handler::Tree;
use crate::ops::attr::{sound, sound_as};
use crate::tree::Node;

impl Tree {
    pub(crate) fn lookup(&self, request: &Request<'_>, name: &[u8]) -> Result<EntryOut> {
        let dir = self.node(request.node)?;
        match self.look(&dir, name) {
            Ok((node, attributes)) => {
                self.tell(request, &node, &attributes);
                Ok(self.entry(&node, &attributes))
            }
            Err(Fail(Errno::NOENT)) if !self.manner.negative_timeout.is_zero() => Ok(EntryOut {
                node: 0,
                entry_valid: self.manner.negative_timeout,
                ..EntryOut::default()
            }),
            Err(fail) => Err(fail),
        }
    }

    /// The node under a name. A file that is known needs no new fid: its look-up and the end of it
    /// go to the server together.
    fn look(&self, dir: &Node, name: &[u8]) -> Result<(Arc<Node>, Attributes)> {
        let fid = dir.fid();
        if self.client.ordered() && self.nodes.is_known(dir.id, name) {
            let attributes = fid.stat_at(&[name])?;
            sound(&attributes)?;
            if let Some(node) = self.nodes.enter_known(dir.id, name, &attributes) {
                return Ok((node, attributes));
            }
        }
        let (found, attributes) = fid.lookup(name)?;
        sound(&attributes)?;
        let node = self.nodes.enter(dir.id, name, found, &attributes);
        Ok((node, attributes))
    }

    pub(crate) fn link(&self, parent: u64, old: u64, name: &[u8]) -> Result<EntryOut> {
        let (dir, old) = (self.node(parent)?, self.node(old)?);
        let fid = old.fid();
        dir.fid().link(name, &fid)?;
        let attributes = fid.attributes()?;
        sound_as(&attributes, old.seen().mode)?;
        old.saw(&attributes);
        self.nodes.enter_again(&old);
        Ok(self.entry(&old, &attributes))
    }

    pub(crate) fn unlink(&self, parent: u64, name: &[u8]) -> Result<()> {
        let dir = self.node(parent)?;
        dir.fid().unlink_at(name, UnlinkFlags::empty())?;
        self.nodes.removed(parent, name);
        Ok(())
    }

    pub(crate) fn rmdir(&self, parent: u64, name: &[u8]) -> Result<()> {
        let dir = self.node(parent)?;
        dir.fid().unlink_at(name, UnlinkFlags::REMOVEDIR)?;
        self.nodes.removed(parent, name);
        Ok(())
    }

    /// The protocol has the plain rename only.
    pub(crate) fn rename(&self, from: (u64, &[u8]), to: (u64, &[u8]), flags: u32) -> Result<()> {
        if flags != 0 {
            return Err(Errno::INVAL.into());
        }
        let (dir, to_dir) = (self.node(from.0)?, self.node(to.0)?);
        dir.fid().rename_at(from.1, &to_dir.fid(), to.1)?;
        self.nodes.renamed(from, to);
        Ok(())
    }
}
