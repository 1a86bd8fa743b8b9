//! What the databases said lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virtfs_vfs::{Call, Credentials, Errno};

use super::policy::{Database, Who};

/// How long a user is known. Who has attached keeps what they had then.
const FOUND: Duration = Duration::from_secs(60);
/// How long it is known that there is no such user.
const MISSING: Duration = Duration::from_secs(5);
/// Longer names nobody has (`LOGIN_NAME_MAX`): a client could fill the memory with them.
const LONGEST: usize = 256;
/// How many answers are kept.
const MOST: usize = 4096;

/// A database that remembers.
#[derive(Debug)]
pub(super) struct Cache<D> {
    source: D,
    known: Mutex<HashMap<Key, Known>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Uid(u32),
    Name(Box<[u8]>),
}

#[derive(Clone, Debug)]
struct Known {
    user: Option<Arc<Credentials>>,
    until: Instant,
}

impl<D> Cache<D> {
    pub(super) fn of(source: D) -> Self {
        Self {
            source,
            known: Mutex::default(),
        }
    }

    pub(super) fn source(&self) -> &D {
        &self.source
    }
}

impl<D: Database> Database for Cache<D> {
    fn find(&self, who: &Who<'_>, call: &dyn Call) -> Result<Option<Arc<Credentials>>, Errno> {
        let key = match *who {
            Who::Uid(uid) => Key::Uid(uid),
            Who::Name(name) if name.len() > LONGEST => return Ok(None),
            Who::Name(name) => Key::Name(name.into()),
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = known().get(&key).filter(|known| now < known.until) {
            return Ok(known.user.clone());
        }
        let user = self.source.find(who, call)?;
        let until = now + if user.is_some() { FOUND } else { MISSING };
        let mut known = known();
        if known.len() >= MOST {
            known.retain(|_, known| now < known.until);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let entry = Known {
            user: user.clone(),
            until,
        };
        known.insert(key, entry);
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use virtfs_vfs::Detached;

    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Database for Counting {
        fn find(&self, who: &Who<'_>, _: &dyn Call) -> Result<Option<Arc<Credentials>>, Errno> {
            self.0.fetch_add(1, Ordering::Relaxed);
            match who {
                Who::Uid(666) => Err(Errno::EIO),
                Who::Uid(uid) if *uid % 2 == 0 => Ok(Some(Arc::new(Credentials {
                    uid: *uid,
                    gid: 0,
                    groups: Box::default(),
                }))),
                _ => Ok(None),
            }
        }
    }

    #[test]
    fn a_user_is_asked_for_once_and_failures_are_not_kept() {
        let cache = Cache::of(Counting::default());
        let find = |who: Who<'_>| cache.find(&who, &Detached);
        for _ in 0..3 {
            assert_eq!(find(Who::Uid(2)).unwrap().unwrap().uid, 2);
            assert_eq!(find(Who::Uid(3)), Ok(None));
            assert_eq!(find(Who::Name(b"2")), Ok(None));
        }
        assert_eq!(cache.source().0.load(Ordering::Relaxed), 3);
        assert_eq!(find(Who::Uid(666)), Err(Errno::EIO));
        assert_eq!(find(Who::Uid(666)), Err(Errno::EIO));
        assert_eq!(cache.source().0.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn names_that_nobody_has_are_not_kept() {
        let cache = Cache::of(Counting::default());
        let long = vec![b'x'; LONGEST + 1];
        assert_eq!(cache.find(&Who::Name(&long), &Detached), Ok(None));
        assert!(cache.known.lock().unwrap().is_empty());
    }

    #[test]
    fn the_memory_is_bounded() {
        let cache = Cache::of(Counting::default());
        for uid in 10_000..10_000 + 3 * MOST as u32 {
            cache.find(&Who::Uid(uid), &Detached).unwrap();
        }
        assert!(cache.known.lock().unwrap().len() <= MOST);
    }
}
