//! A stored POSIX ACL, in the form of Linux's `system.posix_acl_*`: a version of 4 bytes, and
//! entries of 8 bytes: tag, permissions, and a user or group, little-endian.

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// What is wrong with an ACL; `None` if clients can use it. One without entries is none at all,
/// which they take.
pub(super) fn wrong(acl: &[u8]) -> Option<String> {
    let Some((version, entries)) = acl.split_first_chunk::<4>() else {
        return Some(format!("{} bytes are too few for an ACL", acl.len()));
    };
    let version = u32::from_le_bytes(*version);
    if version.swap_bytes() == VERSION {
        return Some("it is big-endian".into());
    }
    if version != VERSION {
        return Some(format!("its version is {version}, not {VERSION}"));
    }
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() {
        return Some(format!(
            "{} bytes are no whole number of entries",
            acl.len()
        ));
    }
    if entries.is_empty() {
        return None;
    }
    let mut tags = 0;
    let mut last = 0;
    for [t0, t1, p0, p1, ..] in entries {
        let tag = u16::from_le_bytes([*t0, *t1]);
        let permissions = u16::from_le_bytes([*p0, *p1]);
        if !matches!(tag, USER_OBJ | USER | GROUP_OBJ | GROUP | MASK | OTHER) {
            return Some(format!("an entry has the unknown tag 0x{tag:x}"));
        }
        if permissions > 7 {
            return Some(format!("an entry has the permissions 0x{permissions:x}"));
        }
        let again = tag == last && !matches!(tag, USER | GROUP);
        if tag < last || again {
            return Some("its entries are not in order, or there twice".into());
        }
        last = tag;
        tags |= tag;
    }
    let needed = USER_OBJ | GROUP_OBJ | OTHER;
    if tags & needed != needed {
        return Some("it lacks the entry of the owner, the group or the others".into());
    }
    (tags & (USER | GROUP) != 0 && tags & MASK == 0)
        .then(|| "it names users or groups and has no mask".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(version: u32, entries: &[(u16, u16)]) -> Vec<u8> {
        let mut acl = version.to_le_bytes().to_vec();
        for (tag, permissions) in entries {
            acl.extend(tag.to_le_bytes());
            acl.extend(permissions.to_le_bytes());
            acl.extend(u32::MAX.to_le_bytes());
        }
        acl
    }

    #[test]
    fn what_linux_takes_is_not_wrong() {
        let least = [(USER_OBJ, 6), (GROUP_OBJ, 4), (OTHER, 0)];
        assert_eq!(wrong(&acl(2, &least)), None);
        let named = [
            (USER_OBJ, 7),
            (USER, 4),
            (USER, 6),
            (GROUP_OBJ, 4),
            (GROUP, 1),
            (MASK, 7),
            (OTHER, 0),
        ];
        assert_eq!(wrong(&acl(2, &named)), None);
        assert_eq!(wrong(&acl(2, &[])), None);
    }

    #[test]
    fn what_linux_refuses_is() {
        let least = [(USER_OBJ, 6), (GROUP_OBJ, 4), (OTHER, 0)];
        for bad in [
            vec![],
            vec![2, 0, 0],
            acl(1, &least),
            acl(2_u32.swap_bytes(), &least),
            acl(2, &least)[..27].to_vec(),
            acl(2, &least[..2]),
            acl(2, &[least[1], least[0], least[2]]),
            acl(2, &[least[0], least[0], least[1], least[2]]),
            acl(2, &[least[0], (USER, 4), least[1], least[2]]),
            acl(2, &[(USER_OBJ, 8), least[1], least[2]]),
            acl(2, &[least[0], least[1], least[2], (0x40, 0)]),
        ] {
            assert!(wrong(&bad).is_some(), "{bad:?}");
        }
    }
}
