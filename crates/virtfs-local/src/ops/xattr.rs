//! Extended attributes, as far as the model serves them.

use std::borrow::Cow;
use std::ffi::CString;

use rustix::fs::XattrFlags;
use rustix::io;
use virtfs_vfs::{Cx, Errno, FileKind, Node, Open, XattrPut};

use crate::LocalFs;
use crate::call::errno;
use crate::inode::Inode;
use crate::ops::stat::Subject;
use crate::ownership::{ACLS, Acls, HostName};

const CAPABILITY: &[u8] = b"security.capability";
/// The largest value, and the largest list, that Linux has (`XATTR_SIZE_MAX`).
const MAX: usize = 64 << 10;
/// Big enough for most values, so that they need one call.
const SMALL: usize = 256;

/// `Txattrwalk` to an attribute.
pub(crate) fn get(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
    limit: usize,
) -> Result<Vec<u8>, Errno> {
    let HostName::At(host_name) = served(fs, name)? else {
        return Err(Errno::ENODATA);
    };
    let node = fs.node(node)?;
    if !can_have(&node.inode, name) {
        return Err(Errno::ENODATA);
    }
    let file = Subject::of(fs, cx, &node, open)?;
    let file = file.holder(&fs.tree);
    let mut value = fill(limit, |value| file.get(cx, &host_name, value))?;
    if is_hosts_acl(fs, name) {
        fs.model().acl_to_guest(&mut value);
    }
    Ok(value)
}

/// `Txattrwalk` to the list.
pub(crate) fn list(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    limit: usize,
) -> Result<Vec<u8>, Errno> {
    let node = fs.node(node)?;
    let file = Subject::of(fs, cx, &node, open)?;
    let file = file.holder(&fs.tree);
    let mut names = fill(MAX, |names| file.list(cx, names))?;
    let all = std::mem::take(&mut names);
    for name in all.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let name = fs.model().xattrs().client_name(name);
        if let Some(name) = name.filter(|name| can_have(&node.inode, name)) {
            names.extend_from_slice(name);
            names.push(0);
        }
    }
    if names.len() > limit {
        return Err(Errno::E2BIG);
    }
    Ok(names)
}

/// The clunk of a `Txattrcreate`.
pub(crate) fn put(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
    value: &[u8],
    how: XattrPut,
) -> Result<(), Errno> {
    fs.writable()?;
    let host_name = changeable(fs, name)?;
    let flags = match how {
        XattrPut::Any => XattrFlags::empty(),
        XattrPut::Create => XattrFlags::CREATE,
        XattrPut::Replace => XattrFlags::REPLACE,
    };
    let node = fs.node(node)?;
    if !can_have(&node.inode, name) {
        return Err(Errno::EPERM);
    }
    let file = Subject::of(fs, cx, &node, open)?;
    if name == CAPABILITY && fs.model().xattrs().keeps_capabilities() {
        node.inode.memory.got_capability();
    }
    let mut value = Cow::Borrowed(value);
    if is_hosts_acl(fs, name) {
        fs.model().acl_to_host(value.to_mut())?;
    }
    let set = || {
        let holder = file.holder(&fs.tree);
        holder.set(cx, &host_name, &value, flags)
    };
    set().map_err(errno)
}

/// The clunk of a `Txattrcreate` that removes.
pub(crate) fn remove(
    fs: &LocalFs,
    cx: &Cx<'_>,
    node: &Node,
    open: Option<&Open>,
    name: &[u8],
) -> Result<(), Errno> {
    fs.writable()?;
    let host_name = changeable(fs, name)?;
    let node = fs.node(node)?;
    if !can_have(&node.inode, name) {
        return Err(Errno::EPERM);
    }
    let file = Subject::of(fs, cx, &node, open)?;
    match file.holder(&fs.tree).remove(cx, &host_name) {
        // An ACL that is not there is as good as removed.
        Err(io::Errno::NODATA) if ACLS.contains(&name) => Ok(()),
        result => result.map_err(errno),
    }
}

/// Whether Linux keeps such an attribute on a file of the kind that this is to clients: on the host
/// it may be a regular file.
fn can_have(inode: &Inode, name: &[u8]) -> bool {
    let kind = inode.kind();
    let stands_for_itself = kind == inode.host_kind;
    let by_users = matches!(kind, FileKind::Regular | FileKind::Directory);
    stands_for_itself || by_users || !name.starts_with(b"user.")
}

/// Whether it is an ACL that the host obeys.
fn is_hosts_acl(fs: &LocalFs, name: &[u8]) -> bool {
    ACLS.contains(&name) && fs.model().xattrs().acls == Acls::Host
}

fn served(fs: &LocalFs, name: &[u8]) -> Result<HostName, Errno> {
    fs.model().xattrs().host_name(name)
}

fn changeable(fs: &LocalFs, name: &[u8]) -> Result<CString, Errno> {
    match served(fs, name)? {
        HostName::At(name) => Ok(name),
        HostName::Reserved => Err(Errno::EACCES),
    }
}

/// Calls with growing buffers until the value fits; `E2BIG` beyond the limit.
fn fill(limit: usize, mut f: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; SMALL];
    loop {
        match f(&mut value) {
            Ok(length) if length > limit => return Err(Errno::E2BIG),
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(io::Errno::RANGE) if value.len() < MAX => {
                let length = f(&mut []).map_err(errno)?;
                if length > limit {
                    return Err(Errno::E2BIG);
                }
                // It may grow before the next call; at its largest it always fits.
                let room = length.max(value.len() * 4).min(MAX);
                value.resize(room, 0);
            }
            Err(error) => return Err(errno(error)),
        }
    }
}
