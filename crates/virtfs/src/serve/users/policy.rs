//! Who is accepted as whom.

use std::fmt;
use std::sync::Arc;

use tracing::debug;
use virtfs_local::{IdMap, Owner};
use virtfs_server::{Caller, Claim, Users};
use virtfs_vfs::{Call, Credentials, Errno, User};

/// Whose rights become those of the squash user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Squashed {
    /// Nobody's who has any.
    Nobody,
    /// Root's: the client's, and the host's.
    Root,
    /// Everybody's.
    All,
}

/// Who acts with whose rights.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Policy {
    pub(super) squashed: Squashed,
    /// The squash user, whom also those act as who name nobody.
    pub(super) to: Owner,
    /// Which users of clients are which of the host's.
    pub(super) uid_map: IdMap,
}

impl Policy {
    /// Whether anybody may act as root.
    pub(in crate::serve) fn has_root(&self) -> bool {
        self.squashed == Squashed::Nobody || self.to.uid == 0
    }
}

/// The users of the host. `None` for whom it does not know.
pub(super) trait Database: Send + Sync + 'static {
    /// Asks for one, which may wait for others.
    fn find(&self, who: &Who<'_>, call: &dyn Call) -> Result<Option<Arc<Credentials>>, Errno>;
}

/// How a user is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who<'a> {
    Uid(u32),
    Name(&'a [u8]),
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "user {uid}"),
            Self::Name(name) => write!(f, "user '{}'", name.escape_ascii()),
        }
    }
}

/// The users of the host, as far as they are accepted.
#[derive(Debug)]
pub(super) struct HostUsers<D> {
    policy: Policy,
    database: D,
    squash_user: Arc<Credentials>,
}

impl<D: Database> HostUsers<D> {
    pub(super) fn new(policy: Policy, database: D) -> Self {
        let squash_user = Arc::new(squash_user(policy.to));
        Self {
            policy,
            database,
            squash_user,
        }
    }

    pub(super) fn database(&self) -> &D {
        &self.database
    }
}

/// The squash user is in one group only, whatever the databases say.
pub(super) fn squash_user(to: Owner) -> Credentials {
    Credentials {
        uid: to.uid,
        gid: to.gid,
        groups: Box::default(),
    }
}

impl<D: Database> Users for HostUsers<D> {
    fn find(&self, claim: &Claim<'_>, call: &dyn Call) -> Result<Caller, Errno> {
        let squashed = || Caller {
            user: claim.uid.map_or(User::NOBODY, |uid| User { uid }),
            credentials: Some(self.squash_user.clone()),
        };
        let squashes_root = self.policy.squashed == Squashed::Root;
        let is_root = claim.uid == Some(0);
        if self.policy.squashed == Squashed::All || claim.is_of_nobody() || squashes_root && is_root
        {
            return Ok(squashed());
        }
        let who = match claim.uid {
            Some(uid) => Who::Uid(self.policy.uid_map.host(uid).ok_or(Errno::EACCES)?),
            None => Who::Name(claim.uname),
        };
        let Some(found) = self.database.find(&who, call)? else {
            debug!("{who} is not known to this host: refused");
            return Err(Errno::EACCES);
        };
        if squashes_root && found.uid == 0 {
            return Ok(squashed());
        }
        let uid = match claim.uid {
            Some(uid) => uid,
            None => self.policy.uid_map.guest(found.uid).ok_or(Errno::EACCES)?,
        };
        Ok(Caller {
            user: User { uid },
            credentials: Some(match squashes_root {
                true => without_group_of_root(found, self.policy.to.gid),
                false => found,
            }),
        })
    }
}

/// Group 0 is squashed with root: what root's group may do is most of what root may.
fn without_group_of_root(user: Arc<Credentials>, squash_to: u32) -> Arc<Credentials> {
    if squash_to == 0 || user.gid != 0 && !user.groups.contains(&0) {
        return user;
    }
    let others = user.groups.iter().copied().filter(|gid| *gid != 0);
    Arc::new(Credentials {
        uid: user.uid,
        gid: if user.gid == 0 { squash_to } else { user.gid },
        groups: others.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtfs_vfs::Detached;

    /// Knows root, a user 1000 called alice, and a user 1001 in the groups of root.
    struct Few;

    impl Database for Few {
        fn find(&self, who: &Who<'_>, _: &dyn Call) -> Result<Option<Arc<Credentials>>, Errno> {
            let uid = match who {
                Who::Uid(uid @ (0 | 1000 | 1001)) => *uid,
                Who::Name(b"root") => 0,
                Who::Name(b"alice") => 1000,
                _ => return Ok(None),
            };
            Ok(Some(Arc::new(match uid {
                1001 => Credentials {
                    uid,
                    gid: 0,
                    groups: [0, 7].into(),
                },
                _ => Credentials {
                    uid,
                    gid: uid,
                    groups: [7].into(),
                },
            })))
        }
    }

    fn policy(squashed: Squashed, map: &str, gid: u32) -> Policy {
        Policy {
            squashed,
            to: Owner { uid: 9, gid },
            uid_map: match map {
                "" => IdMap::default(),
                map => map.parse().unwrap(),
            },
        }
    }

    fn acts_as(squashed: Squashed, map: &str, uname: &str, uid: Option<u32>) -> Result<u32, Errno> {
        let policy = policy(squashed, map, 8);
        let claim = Claim {
            uname: uname.as_bytes(),
            uid,
        };
        let caller = HostUsers::new(policy, Few).find(&claim, &Detached)?;
        let rights = caller.credentials.unwrap();
        if rights.uid == 9 {
            assert_eq!((rights.gid, rights.groups.len()), (8, 0));
        }
        Ok(rights.uid)
    }

    #[test]
    fn numbers_and_names_are_users_of_the_host() {
        assert_eq!(acts_as(Squashed::Root, "", "", Some(1000)), Ok(1000));
        assert_eq!(acts_as(Squashed::Root, "", "alice", None), Ok(1000));
        assert_eq!(acts_as(Squashed::Nobody, "", "bob", Some(1000)), Ok(1000));
    }

    #[test]
    fn whom_the_host_does_not_know_is_refused_unless_squashed() {
        for uid in [1, 65534, u32::MAX - 1] {
            assert_eq!(
                acts_as(Squashed::Root, "", "", Some(uid)),
                Err(Errno::EACCES)
            );
            assert_eq!(acts_as(Squashed::All, "", "", Some(uid)), Ok(9));
        }
        assert_eq!(
            acts_as(Squashed::Nobody, "", "bob", None),
            Err(Errno::EACCES)
        );
        assert_eq!(acts_as(Squashed::All, "", "bob", None), Ok(9));
    }

    #[test]
    fn who_names_nobody_is_squashed_and_never_refused() {
        for squashed in [Squashed::Nobody, Squashed::Root, Squashed::All] {
            assert_eq!(acts_as(squashed, "5:5:1", "nobody", None), Ok(9));
            assert_eq!(acts_as(squashed, "5:5:1", "", None), Ok(9));
        }
    }

    #[test]
    fn root_is_squashed_by_whatever_name() {
        assert_eq!(acts_as(Squashed::Root, "", "", Some(0)), Ok(9));
        assert_eq!(acts_as(Squashed::Root, "", "root", None), Ok(9));
        assert_eq!(acts_as(Squashed::Root, "500:0:1", "", Some(500)), Ok(9));
        assert_eq!(acts_as(Squashed::Root, "0:1000:1", "", Some(0)), Ok(9));
        assert_eq!(acts_as(Squashed::Nobody, "", "", Some(0)), Ok(0));
        assert_eq!(acts_as(Squashed::Nobody, "0:1000:1", "", Some(0)), Ok(1000));
    }

    #[test]
    fn the_group_of_root_is_squashed_with_root() {
        for (squashed, to, gid, groups) in [
            (Squashed::Root, 8, 8, &[7][..]),
            (Squashed::Root, 0, 0, &[0, 7]),
            (Squashed::Nobody, 8, 0, &[0, 7]),
        ] {
            let claim = Claim {
                uname: b"",
                uid: Some(1001),
            };
            let users = HostUsers::new(policy(squashed, "", to), Few);
            let rights = users.find(&claim, &Detached).unwrap().credentials.unwrap();
            assert_eq!(
                (rights.uid, rights.gid, &*rights.groups),
                (1001, gid, groups)
            );
        }
    }

    #[test]
    fn a_name_is_mapped_too() {
        let found = |map: &str, uname: &[u8]| {
            let users = HostUsers::new(policy(Squashed::Root, map, 8), Few);
            let caller = users.find(&Claim { uname, uid: None }, &Detached)?;
            Ok((caller.user.uid, caller.credentials.unwrap().uid))
        };
        assert_eq!(found("", b"alice"), Ok((1000, 1000)));
        assert_eq!(found("5000:1000:1", b"alice"), Ok((5000, 1000)));
        assert_eq!(found("1000:5000:1", b"alice"), Err(Errno::EACCES));
        // Root is squashed before.
        assert_eq!(found("1000:5000:1", b"root").map(|(_, uid)| uid), Ok(9));
    }

    #[test]
    fn a_user_without_counterpart_is_refused() {
        let map = "5000:1000:1";
        assert_eq!(acts_as(Squashed::Root, map, "", Some(5000)), Ok(1000));
        assert_eq!(
            acts_as(Squashed::Root, map, "", Some(1000)),
            Err(Errno::EACCES)
        );
    }
}
