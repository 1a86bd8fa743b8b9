//! What the kernel really has in force for the calling thread, compared with what should be.

use std::io::{Write, stderr};

use rustix::process::getgroups;
use rustix::thread::{CapabilitySet, capabilities};
use virtfs_vfs::{Credentials, Cx};

use super::own;
use super::thread::{self, Now};
use crate::sys::fsid;

/// Ends the process unless the thread has the rights that a request is to have. Costs nothing as
/// long as no thread of the process was anybody but the server.
pub(super) fn verify(cx: &Cx<'_>) {
    if !thread::was_switched() {
        return;
    }
    let Some(own) = own::get() else { return };
    let now = thread::now();
    let user = match &now {
        Now::User(user) => Some(user),
        Now::Inherited | Now::Server => None,
    };
    if !thread::is_in_scope() && user != cx.credentials() {
        fail(&format!("{:?} instead of {:?}", user, cx.credentials()));
    }
    let sets = user.map_or(own.capabilities(), |user| own.capabilities_of(user));
    let expected: &Credentials = user.map_or(&own.user, |user| user);
    // Raised around some calls, by whoever has the server's capabilities.
    let fsetid = match thread::has_own_capabilities() {
        true => CapabilitySet::FSETID,
        false => CapabilitySet::empty(),
    };
    let effective = capabilities(None).map(|sets| sets.effective - fsetid);
    let mut groups: Vec<u32> = getgroups()
        .unwrap_or_default()
        .iter()
        .map(|gid| gid.as_raw())
        .collect();
    let mut wanted = expected.groups.to_vec();
    groups.sort_unstable();
    wanted.sort_unstable();
    if fsid::fs_uid() != expected.uid
        || fsid::fs_gid() != expected.gid
        || groups != wanted
        || effective != Ok(sets.effective)
    {
        let (uid, gid) = (fsid::fs_uid(), fsid::fs_gid());
        fail(&format!(
            "uid {uid}, gid {gid}, groups {groups:?}, {effective:?} instead of {expected:?}, {:?}",
            sets.effective
        ));
    }
}

fn fail(what: &str) -> ! {
    let _ = writeln!(
        stderr(),
        "virtfs: a request runs with rights that are not its own: {what}; ending"
    );
    std::process::abort()
}
