//! `passthrough` and `none`: the client's users, groups and modes are the host's own. Under `none`
//! a server that may not give files away keeps what it makes.

use std::os::fd::AsFd;

use rustix::fs::{Statx, StatxFlags};
use virtfs_vfs::{Cx, Errno, FileKind};

use super::{Acls, Change, File, New, Owned, Ownership, XattrRules, chown};
use crate::call::{call, errno};
use crate::chmod::chmod;
use crate::ids::Ids;
use crate::inode::look;
use crate::options::Options;

#[derive(Debug)]
pub(crate) struct Real {
    /// Whether what cannot be given to its owner is not made.
    strict: bool,
    xattrs: XattrRules,
    /// `None` if every id is itself.
    ids: Option<Ids>,
}

impl Real {
    pub(crate) fn passthrough(options: &Options) -> Self {
        Self::new(options, true, Acls::Host)
    }

    pub(crate) fn none(options: &Options) -> Self {
        Self::new(options, false, Acls::None)
    }

    fn new(options: &Options, strict: bool, acls: Acls) -> Self {
        Self {
            strict,
            xattrs: XattrRules {
                served: options.xattr,
                acls,
                owns_mapped: false,
                keeps_privileged: false,
            },
            ids: Ids::new(&options.uid_map, &options.gid_map, options.squash),
        }
    }
}

impl Ownership for Real {
    fn xattrs(&self) -> &XattrRules {
        &self.xattrs
    }

    fn created(&self, cx: &Cx<'_>, new: &New<'_>) -> Result<(), Errno> {
        let fd = new.file.as_fd();
        let owner = match &self.ids {
            None => Ok((new.uid, new.gid)),
            Some(ids) => ids.maker(new.uid, new.gid),
        };
        let owner = match cx.credentials() {
            None => owner,
            // The kernel has given it to the user already. A client may choose among their groups.
            Some(user) => Ok((
                None,
                owner
                    .ok()
                    .and_then(|(_, gid)| gid)
                    .filter(|gid| *gid != user.gid && user.is_in(*gid)),
            )),
        };
        let given = owner.and_then(|(uid, gid)| match (uid, gid) {
            (None, None) => Ok(()),
            _ => chown(fd, uid, gid).map_err(errno),
        });
        if self.strict {
            given?;
        }
        // A change of owner has cleared these bits, and mkdir never sets them.
        let special = new.mode & 0o6000;
        if special != 0 && new.kind != FileKind::Symlink {
            let stat = call(cx, || look(fd, StatxFlags::MODE))?;
            let mode = u32::from(stat.stx_mode) & 0o7777 | special;
            chmod(cx, &new.at.dir.tree().proc, fd, mode)?;
        }
        Ok(())
    }

    fn stat(
        &self,
        cx: &Cx<'_>,
        file: &File<'_>,
        want: StatxFlags,
    ) -> Result<(Statx, Owned), Errno> {
        let stat = call(cx, || look(file.fd.as_fd(), want))?;
        let mut owned = Owned::of(&stat);
        if let Some(ids) = &self.ids {
            owned.uid = ids.user_to_guest(owned.uid);
            owned.gid = ids.group_to_guest(owned.gid);
        }
        Ok((stat, owned))
    }

    fn acl_to_guest(&self, acl: &mut [u8]) {
        if let Some(ids) = &self.ids {
            ids.acl_to_guest(acl);
        }
    }

    fn acl_to_host(&self, acl: &mut [u8]) -> Result<(), Errno> {
        match &self.ids {
            Some(ids) => ids.acl_to_host(acl),
            None => Ok(()),
        }
    }

    fn set(&self, cx: &Cx<'_>, file: &File<'_>, to: &Change) -> Result<(), Errno> {
        let fd = file.fd.as_fd();
        if to.of_owner() {
            let (uid, gid) = match &self.ids {
                None => (to.uid, to.gid),
                Some(ids) => ids.owner(to.uid, to.gid)?,
            };
            call(cx, || chown(fd, uid, gid))?;
        }
        match to.mode {
            Some(mode) => chmod(cx, &file.node.tree().proc, fd, mode),
            None => Ok(()),
        }
    }
}
