//! Which extended attributes clients have, and under which names the host keeps them.

use std::borrow::Cow;
use std::ffi::CString;

use virtfs_vfs::Errno;

use crate::options::Xattrs;

/// The access and the default ACL.
pub(crate) const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
/// What QEMU's mapped models keep for themselves begins so.
const MAPPED: &[u8] = b"user.virtfs.";
/// What the server keeps for itself in every model.
const SERVER: &[u8] = b"user.virtfs.server";

/// Where POSIX ACLs are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Acls {
    /// Clients have none.
    None,
    /// They are the host's.
    Host,
    /// They are kept under `user.virtfs.`, and the host does not obey them.
    Kept,
}

/// The rules of a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XattrRules {
    pub(crate) served: Xattrs,
    pub(crate) acls: Acls,
    /// Whether everything under `user.virtfs.` is the server's.
    pub(crate) owns_mapped: bool,
    /// Whether `security.*` and `trusted.*` are kept under `user.virtfs.`: what a guest puts
    /// there must mean nothing to the host.
    pub(crate) keeps_privileged: bool,
}

/// What becomes of a client's attribute.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum HostName {
    /// The host has it under this name.
    At(CString),
    /// The server's own: no client sees or sets it.
    Reserved,
}

impl XattrRules {
    /// The host's name of a client's attribute. Errors: `EOPNOTSUPP` where the namespace is not
    /// served, `EINVAL` for a NUL.
    pub(crate) fn host_name(&self, name: &[u8]) -> Result<HostName, Errno> {
        let host = if name.starts_with(b"user.") {
            if self.is_reserved(name) {
                return Ok(HostName::Reserved);
            }
            name.into()
        } else if ACLS.contains(&name) {
            match self.acls {
                Acls::None => return Err(Errno::EOPNOTSUPP),
                Acls::Host => name.into(),
                Acls::Kept => kept(name),
            }
        } else if self.serves(name) {
            match self.keeps_privileged {
                true => kept(name),
                false => name.into(),
            }
        } else {
            return Err(Errno::EOPNOTSUPP);
        };
        let host = CString::new(host).map_err(|_| Errno::EINVAL)?;
        Ok(HostName::At(host))
    }

    /// The client's name of an attribute that the host has; `None` if it is not to be seen.
    pub(crate) fn client_name<'n>(&self, host: &'n [u8]) -> Option<&'n [u8]> {
        if let Some(rest) = host.strip_prefix(MAPPED) {
            let acl = self.acls == Acls::Kept && ACLS.contains(&rest);
            if acl || self.keeps_privileged && self.serves(rest) {
                return Some(rest);
            }
        }
        let seen = if host.starts_with(b"user.") {
            !self.is_reserved(host)
        } else if ACLS.contains(&host) {
            self.acls == Acls::Host
        } else {
            !self.keeps_privileged && self.serves(host)
        };
        seen.then_some(host)
    }

    /// Whether `security.*` is served by the server's own means, so that it has to remove
    /// `security.capability` where the kernel does.
    pub(crate) fn keeps_capabilities(&self) -> bool {
        self.keeps_privileged && self.serves(b"security.capability")
    }

    /// Whether a namespace beside `user.*` and the ACLs is served.
    fn serves(&self, name: &[u8]) -> bool {
        let (security, trusted) = (
            name.starts_with(b"security."),
            name.starts_with(b"trusted."),
        );
        match self.served {
            Xattrs::User => false,
            Xattrs::Security => security,
            Xattrs::All if self.keeps_privileged => security || trusted,
            Xattrs::All => !name.starts_with(b"user.") && !ACLS.contains(&name),
        }
    }

    fn is_reserved(&self, name: &[u8]) -> bool {
        let server = name.strip_prefix(SERVER);
        if server.is_some_and(|rest| rest.is_empty() || rest.starts_with(b".")) {
            return true;
        }
        let mapped = name.strip_prefix(MAPPED);
        let privileged = |rest: &[u8]| {
            self.keeps_privileged
                && (rest.starts_with(b"security.") || rest.starts_with(b"trusted."))
        };
        mapped.is_some_and(|rest| self.owns_mapped || privileged(rest))
    }
}

fn kept(name: &[u8]) -> Cow<'_, [u8]> {
    [MAPPED, name].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(served: Xattrs, mapped: bool) -> XattrRules {
        XattrRules {
            served,
            acls: if mapped { Acls::Kept } else { Acls::Host },
            owns_mapped: mapped,
            keeps_privileged: mapped,
        }
    }

    const NAMES: [&[u8]; 12] = [
        b"user.a",
        b"user.virtfs",
        b"user.virtfs.uid",
        b"user.virtfs.server",
        b"user.virtfs.server.x",
        b"user.virtfs.system.posix_acl_access",
        b"user.virtfs.security.capability",
        b"security.capability",
        b"trusted.a",
        b"system.posix_acl_access",
        b"system.posix_acl_default",
        b"system.other",
    ];

    #[test]
    fn a_name_that_clients_see_leads_back_to_where_it_is() {
        for served in [Xattrs::User, Xattrs::Security, Xattrs::All] {
            for mapped in [false, true] {
                let rules = rules(served, mapped);
                for host in NAMES {
                    let Some(name) = rules.client_name(host) else {
                        continue;
                    };
                    let there = HostName::At(CString::new(host).unwrap());
                    assert_eq!(rules.host_name(name), Ok(there));
                }
            }
        }
    }

    #[test]
    fn what_is_reserved_is_never_seen() {
        let rules = rules(Xattrs::All, true);
        let reserved = |name: &&[u8]| rules.host_name(name) == Ok(HostName::Reserved);
        let found: Vec<_> = NAMES.into_iter().filter(reserved).collect();
        assert_eq!(found, NAMES[2..7]);
        let seen: Vec<_> = NAMES
            .iter()
            .filter_map(|name| rules.client_name(name))
            .collect();
        let expected: [&[u8]; 4] = [NAMES[0], NAMES[1], ACLS[0], b"security.capability"];
        assert_eq!(seen, expected);
    }

    #[test]
    fn namespaces_are_served_as_the_option_says() {
        for (served, security, trusted) in [
            (Xattrs::User, false, false),
            (Xattrs::Security, true, false),
            (Xattrs::All, true, true),
        ] {
            for mapped in [false, true] {
                let rules = rules(served, mapped);
                let serves = |name: &[u8]| rules.host_name(name) != Err(Errno::EOPNOTSUPP);
                assert_eq!(serves(b"security.selinux"), security);
                assert_eq!(serves(b"trusted.a"), trusted);
                assert!(serves(b"user.a") && serves(ACLS[0]));
                assert_eq!(serves(b"system.other"), trusted && !mapped);
            }
        }
    }
}
