//! Extended attributes.

use virtfs_client::XattrFlags;

use crate::fail::Result;
use crate::fuse::Reply;
use crate::handler::{Tree, Value};
use crate::tree::Node;

impl Tree {
    pub(crate) fn getxattr(&self, reply: Reply, id: u64, name: &[u8], size: u32) {
        let value = || {
            let fid = self.node(id)?.fid();
            Ok(match size {
                0 => Value::Size(fid.xattr_size(name)?),
                _ => Value::Bytes(fid.xattr(name)?),
            })
        };
        self.sized(id, reply, size, value());
    }

    pub(crate) fn listxattr(&self, reply: Reply, id: u64, size: u32) {
        let list = || -> Result<_> {
            let names = self.node(id)?.fid().xattrs()?;
            let bytes: Vec<u8> = names
                .iter()
                .flat_map(|name| name.iter().copied().chain([0]))
                .collect();
            Ok(match size {
                0 => Value::Size(bytes.len() as u64),
                _ => Value::Bytes(bytes),
            })
        };
        self.sized(id, reply, size, list());
    }

    pub(crate) fn setxattr(&self, id: u64, name: &[u8], value: &[u8], flags: u32) -> Result<()> {
        let node = self.node(id)?;
        let flags = XattrFlags::from_bits_truncate(flags);
        let result = node.fid().set_xattr(name, value, flags);
        changed(&node, name);
        Ok(result?)
    }

    pub(crate) fn removexattr(&self, id: u64, name: &[u8]) -> Result<()> {
        let node = self.node(id)?;
        let result = node.fid().remove_xattr(name);
        changed(&node, name);
        Ok(result?)
    }
}

fn changed(node: &Node, name: &[u8]) {
    if name.starts_with(b"system.posix_acl_") {
        node.set_default_acl(None);
    }
}
