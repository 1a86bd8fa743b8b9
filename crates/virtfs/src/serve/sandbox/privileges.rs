//! Capabilities: only those that the ownership model needs, and what `--modcaps` says.

use rustix::io;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};
use virtfs_local::{FileHandles, Xattrs};

use crate::serve::config::Config;
use crate::serve::export::OpenExport;
use crate::serve::ownership::Ownership;
use crate::serve::users::Access;

/// What a server of these exports needs, of what it has.
pub(super) fn wanted(config: &Config, exports: &[OpenExport]) -> CapabilitySet {
    let each = exports.iter().map(|e| needed(&e.ownership, &config.access));
    let mut wanted = each.fold(CapabilitySet::empty(), CapabilitySet::union);
    if config.file_handles != FileHandles::Never {
        wanted |= CapabilitySet::DAC_READ_SEARCH;
    }
    config.modcaps.change(wanted)
}

/// What a server needs to act on its users' files.
fn needed(ownership: &Ownership, access: &Access) -> CapabilitySet {
    if ownership.model.is_mapped() {
        // All is the server's own.
        return CapabilitySet::empty();
    }
    let mut reach = CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER;
    if let Access::User(policy) = access {
        reach |= CapabilitySet::SETUID | CapabilitySet::SETGID;
        // Without root among them, users have no capability, and the server's own are only to find
        // again what they have reached.
        if !policy.has_root() {
            return reach;
        }
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

/// Gives up, for good, all capabilities but these; those that are left.
pub(super) fn drop_all_but(keep: CapabilitySet) -> io::Result<CapabilitySet> {
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
    set_capabilities(None, sets)?;
    Ok(kept)
}

/// Gives up all of them.
pub(super) fn drop_all() {
    // For processes that ask for nothing that takes one: what cannot be dropped does little harm.
    let _ = drop_all_but(CapabilitySet::empty());
}

/// Their names, as in capabilities(7) without the `CAP_`.
pub(super) fn names(capabilities: CapabilitySet) -> String {
    let names: Vec<_> = capabilities
        .iter_names()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    match names.is_empty() {
        true => "none".into(),
        false => names.join(", "),
    }
}
