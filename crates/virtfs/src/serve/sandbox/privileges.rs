//! Capabilities: only those that the ownership model needs.

use rustix::io;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};
use virtfs_local::Xattrs;

use crate::serve::ownership::Ownership;
use crate::serve::users::Access;

/// What a server needs to act on its users' files.
pub(super) fn needed(ownership: &Ownership, access: &Access) -> CapabilitySet {
    let mut reach =
        CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER;
    if let Access::User(policy) = access {
        reach |= CapabilitySet::SETUID | CapabilitySet::SETGID;
        // Without root among them, users have no capability, and the server's own are only to find
        // again what they have reached.
        if !policy.has_root() {
            return reach;
        }
    }
    if ownership.model.is_mapped() {
        // All that these make is the server's own; what the host made may be anybody's.
        return reach;
    }
    // A server of root's is expected to reach all files and give them to their owners under both
    // models; any other user has none of these.
    let real = CapabilitySet::CHOWN | CapabilitySet::FSETID | CapabilitySet::MKNOD;
    reach
        | real
        | match ownership.xattr {
            Xattrs::User => CapabilitySet::empty(),
            Xattrs::Security => CapabilitySet::SETFCAP,
            // The kernel has no smaller one for trusted.*.
            Xattrs::All => CapabilitySet::SETFCAP | CapabilitySet::SYS_ADMIN,
        }
}

/// Gives up, for good, all capabilities but these.
pub(super) fn drop_all_but(keep: CapabilitySet) -> io::Result<()> {
    set_no_new_privs(true)?;
    let before = capabilities(None)?;
    if before.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            // An error means that the kernel does not know it.
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    clear_ambient_capability_set()?;
    let kept = before.permitted & keep;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}
