//! Numbers of users and groups: the client's on one side, the host's on the other.

use std::fmt;
use std::str::FromStr;

use virtfs_vfs::Errno;

/// What clients see in place of a user or group that they have no number for (the kernel's
/// overflow id).
pub const OVERFLOW_ID: u32 = 65534;

/// Consecutive numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdRange {
    /// The first of the client's.
    pub guest: u32,
    /// The first of the host's.
    pub host: u32,
    /// How many.
    pub count: u32,
}

/// Which of the client's numbers is which of the host's. Without ranges, every number is itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdMap {
    ranges: Vec<IdRange>,
}

/// Why ranges are no [`IdMap`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdMapError {
    /// Not `GUEST:HOST:COUNT`, separated by commas.
    Syntax,
    /// A range is empty, or reaches 4294967295, which is no user.
    Bounds,
    /// A number is in two ranges.
    Overlap,
}

impl fmt::Display for IdMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "ranges of ids are written GUEST:HOST:COUNT, separated by commas",
            Self::Bounds => "a range of ids is empty, or goes beyond 4294967294",
            Self::Overlap => "two ranges of ids have a number in common",
        })
    }
}

impl std::error::Error for IdMapError {}

impl IdMap {
    /// A map of these ranges; numbers in none of them have no counterpart.
    pub fn new(ranges: Vec<IdRange>) -> Result<Self, IdMapError> {
        let end = |first: u32, count: u32| first.checked_add(count).ok_or(IdMapError::Bounds);
        for (at, one) in ranges.iter().enumerate() {
            if one.count == 0 {
                return Err(IdMapError::Bounds);
            }
            let ends = (end(one.guest, one.count)?, end(one.host, one.count)?);
            for other in ranges.iter().take(at) {
                let guest = one.guest < end(other.guest, other.count)? && other.guest < ends.0;
                let host = one.host < end(other.host, other.count)? && other.host < ends.1;
                if guest || host {
                    return Err(IdMapError::Overlap);
                }
            }
        }
        Ok(Self { ranges })
    }

    /// The host's number of one of the client's, if it has one.
    pub fn host(&self, guest: u32) -> Option<u32> {
        self.to_host(guest).ok()
    }

    /// The client's number of one of the host's, if it has one.
    pub fn guest(&self, host: u32) -> Option<u32> {
        if self.is_identity() {
            return Some(host);
        }
        let shift = |r: &IdRange| {
            let offset = host.checked_sub(r.host).filter(|o| *o < r.count)?;
            Some(r.guest + offset)
        };
        self.ranges.iter().find_map(shift)
    }

    fn is_identity(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The host's number; `EINVAL` if there is none, as the kernel says in a user namespace.
    fn to_host(&self, guest: u32) -> Result<u32, Errno> {
        if self.is_identity() {
            return Ok(guest);
        }
        let shift = |r: &IdRange| {
            let offset = guest.checked_sub(r.guest).filter(|o| *o < r.count)?;
            Some(r.host + offset)
        };
        self.ranges.iter().find_map(shift).ok_or(Errno::EINVAL)
    }

    fn to_guest(&self, host: u32) -> u32 {
        self.guest(host).unwrap_or(OVERFLOW_ID)
    }
}

impl FromStr for IdMap {
    type Err = IdMapError;

    /// `GUEST:HOST:COUNT`, several separated by commas.
    fn from_str(text: &str) -> Result<Self, IdMapError> {
        let range = |text: &str| {
            let mut numbers = text.split(':').map(str::parse);
            let mut next = || numbers.next()?.ok();
            let (guest, host, count) = (next()?, next()?, next()?);
            numbers
                .next()
                .is_none()
                .then_some(IdRange { guest, host, count })
        };
        let ranges: Option<_> = text.split(',').map(range).collect();
        Self::new(ranges.ok_or(IdMapError::Syntax)?)
    }
}

/// A user and a group of the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Whose files become somebody else's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Squash {
    /// Nobody's.
    #[default]
    None,
    /// Those of user and group 0.
    Root(Owner),
    /// Everybody's, and those of callers without a user.
    All(Owner),
}

/// All that is done to ids where they cross.
#[derive(Debug)]
pub(crate) struct Ids {
    users: IdMap,
    groups: IdMap,
    squash: Squash,
}

/// A POSIX ACL as an extended attribute: a version, then entries of tag, permissions and id.
const ACL_HEADER: usize = 4;
const ACL_ENTRY: usize = 8;
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;

impl Ids {
    /// `None` if every id is itself.
    pub(crate) fn new(users: &IdMap, groups: &IdMap, squash: Squash) -> Option<Self> {
        let plain = users.is_identity() && groups.is_identity() && squash == Squash::None;
        (!plain).then(|| Self {
            users: users.clone(),
            groups: groups.clone(),
            squash,
        })
    }

    /// The owner of what a caller makes.
    pub(crate) fn maker(
        &self,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(Option<u32>, Option<u32>), Errno> {
        if let Squash::All(owner) = self.squash {
            return Ok((Some(owner.uid), Some(owner.gid)));
        }
        self.owner(uid, gid)
    }

    /// The host's numbers of these.
    pub(crate) fn owner(
        &self,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(Option<u32>, Option<u32>), Errno> {
        let uid = uid.map(|uid| self.user_to_host(uid)).transpose()?;
        let gid = gid.map(|gid| self.group_to_host(gid)).transpose()?;
        Ok((uid, gid))
    }

    fn user_to_host(&self, guest: u32) -> Result<u32, Errno> {
        match self.squash {
            Squash::All(owner) => Ok(owner.uid),
            Squash::Root(owner) if guest == 0 => Ok(owner.uid),
            _ => self.users.to_host(guest),
        }
    }

    fn group_to_host(&self, guest: u32) -> Result<u32, Errno> {
        match self.squash {
            Squash::All(owner) => Ok(owner.gid),
            Squash::Root(owner) if guest == 0 => Ok(owner.gid),
            _ => self.groups.to_host(guest),
        }
    }

    pub(crate) fn user_to_guest(&self, host: u32) -> u32 {
        self.users.to_guest(host)
    }

    pub(crate) fn group_to_guest(&self, host: u32) -> u32 {
        self.groups.to_guest(host)
    }

    /// An ACL as the client gets it.
    pub(crate) fn acl_to_guest(&self, acl: &mut [u8]) {
        // Cannot fail: an id without counterpart has a stand-in.
        let _ = each_id(acl, |tag, id| {
            Ok(match tag {
                ACL_USER => self.user_to_guest(id),
                _ => self.group_to_guest(id),
            })
        });
    }

    /// An ACL as the host gets it. What is no ACL the host refuses.
    pub(crate) fn acl_to_host(&self, acl: &mut [u8]) -> Result<(), Errno> {
        each_id(acl, |tag, id| match tag {
            ACL_USER => self.user_to_host(id),
            _ => self.group_to_host(id),
        })
    }
}

/// Replaces the ids of all entries that have one.
fn each_id(acl: &mut [u8], to: impl Fn(u16, u32) -> Result<u32, Errno>) -> Result<(), Errno> {
    let entries = acl.get_mut(ACL_HEADER..).unwrap_or_default();
    for entry in entries.chunks_exact_mut(ACL_ENTRY) {
        if let [tag_low, tag_high, _, _, id @ ..] = entry
            && let Ok(old) = <[u8; 4]>::try_from(&*id)
        {
            let tag = u16::from_le_bytes([*tag_low, *tag_high]);
            if matches!(tag, ACL_USER | ACL_GROUP) {
                id.copy_from_slice(&to(tag, u32::from_le_bytes(old))?.to_le_bytes());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_goes_there_and_back_or_nowhere() {
        let map: IdMap = "0:100000:1000,5000:7:1".parse().unwrap();
        for (guest, host) in [(0, 100_000), (999, 100_999), (5000, 7)] {
            assert_eq!(map.to_host(guest), Ok(host));
            assert_eq!(map.to_guest(host), guest);
            assert_eq!(map.guest(host), Some(guest));
        }
        for guest in [1000, 4999, 5001, 65534, u32::MAX] {
            assert_eq!(map.to_host(guest), Err(Errno::EINVAL));
        }
        for host in [0, 6, 8, 99_999, 101_000, u32::MAX] {
            assert_eq!(map.to_guest(host), OVERFLOW_ID);
            assert_eq!(map.guest(host), None);
        }
        let plain = IdMap::default();
        assert_eq!((plain.to_host(5), plain.to_guest(5)), (Ok(5), 5));
        assert_eq!(plain.guest(5), Some(5));
    }

    #[test]
    fn only_sound_ranges_make_a_map() {
        for (text, error) in [
            ("", IdMapError::Syntax),
            ("1:2", IdMapError::Syntax),
            ("1:2:3:4", IdMapError::Syntax),
            ("a:2:3", IdMapError::Syntax),
            ("0:0:1,", IdMapError::Syntax),
            ("0:0:0", IdMapError::Bounds),
            ("1:0:4294967295", IdMapError::Bounds),
            ("0:0:10,9:100:1", IdMapError::Overlap),
            ("0:0:10,100:9:1", IdMapError::Overlap),
        ] {
            assert_eq!(text.parse::<IdMap>(), Err(error), "{text}");
        }
        assert!("0:0:4294967295".parse::<IdMap>().is_ok());
        assert!("0:5:10,10:15:1".parse::<IdMap>().is_ok());
    }

    #[test]
    fn squashing_comes_before_the_map() {
        let map: IdMap = "0:1000:10".parse().unwrap();
        let owner = Owner { uid: 1, gid: 2 };
        let root = Ids::new(&map, &map, Squash::Root(owner)).unwrap();
        assert_eq!(root.owner(Some(0), Some(0)), Ok((Some(1), Some(2))));
        assert_eq!(root.owner(Some(3), None), Ok((Some(1003), None)));
        assert_eq!(root.maker(None, None), Ok((None, None)));
        let all = Ids::new(&map, &map, Squash::All(owner)).unwrap();
        assert_eq!(all.owner(Some(77), Some(0)), Ok((Some(1), Some(2))));
        assert_eq!(all.maker(None, None), Ok((Some(1), Some(2))));
        assert!(Ids::new(&IdMap::default(), &IdMap::default(), Squash::None).is_none());
    }

    #[test]
    fn an_acl_of_any_bytes_is_passed_on() {
        let map: IdMap = "0:1000:10".parse().unwrap();
        let ids = Ids::new(&map, &map, Squash::None).unwrap();
        for length in 0..40 {
            let mut acl = vec![2; length];
            let _ = ids.acl_to_host(&mut acl);
            ids.acl_to_guest(&mut acl);
            assert_eq!(acl.len(), length);
        }
    }
}
