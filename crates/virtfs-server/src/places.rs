//! The places of sessions: who has how many, and who must go when a new client comes and all are
//! taken.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::budget::fair;
use crate::sentinel::Sentinel;
use crate::server::Refused;

/// Who is at the other end of a connection: connections are shared out among peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Peer {
    /// A user of this host (`SO_PEERCRED` of a Unix socket).
    User(u32),
    /// A host, or a network of IPv6.
    Network(IpAddr),
}

impl Peer {
    /// Whoever has this address. Of an IPv6 address the first half counts: the other is anybody's to
    /// choose.
    pub fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Ipv6Addr::from(network).into()
            }
            v4 => v4,
        })
    }
}

/// How long those who must go may take for one who comes.
const FAREWELL: Duration = Duration::from_secs(1);

/// The sessions that there are, by number.
pub(crate) struct Places {
    limit: usize,
    taken: Mutex<BTreeMap<u64, Holder>>,
    freed: Condvar,
}

/// Who has a place.
#[derive(Clone, Copy, Debug)]
struct Holder {
    peer: Option<Peer>,
    /// Whether it may be closed while it holds nothing.
    may_go: bool,
}

/// A session's place among the sessions of its server, given back when dropped.
pub(crate) struct Place {
    pub(crate) id: u64,
    places: Arc<Places>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.id);
        self.places.freed.notify_all();
    }
}

impl Places {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            taken: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// A place for a connection. Where there is none left, or the peer has its share, the oldest
    /// connection (of that peer) that holds nothing is closed: one that has not attached, and does
    /// nothing.
    pub(crate) fn take_for(
        self: &Arc<Self>,
        peer: Option<Peer>,
        sentinel: &Sentinel,
    ) -> Result<Place, Refused> {
        let holder = Holder { peer, may_go: true };
        let mut why = match self.take(holder) {
            Ok(place) => return Ok(place),
            Err(why) => why,
        };
        let until = Instant::now() + FAREWELL;
        for session in sentinel.all_by_age() {
            let of_peer = |holder: &Holder| match why {
                Refused::TooManyOfPeer => holder.peer == peer,
                _ => true,
            };
            let may_go = |holder: &Holder| holder.may_go && of_peer(holder);
            if !self.lock().get(&session.id()).is_some_and(may_go) || !session.give_way() {
                continue;
            }
            tracing::debug!(
                session = session.id(),
                "a connection that holds nothing makes room for another"
            );
            session.wait(Some(until.saturating_duration_since(Instant::now())));
            match self.take(holder) {
                Ok(place) => return Ok(place),
                Err(now) => why = now,
            }
        }
        Err(why)
    }

    /// A place for what is no connection, and stays.
    pub(crate) fn take_to_stay(self: &Arc<Self>) -> Result<Place, Refused> {
        self.take(Holder {
            peer: None,
            may_go: false,
        })
    }

    fn take(self: &Arc<Self>, holder: Holder) -> Result<Place, Refused> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut taken = self.lock();
        let used = taken.len();
        if used >= self.limit {
            return Err(Refused::TooManySessions);
        }
        if holder.peer.is_some() {
            let own = taken.values().filter(|other| other.peer == holder.peer);
            let own = own.count();
            // How many peers there will be nobody knows: no part is set apart.
            let (_, share) = fair((self.limit, usize::MAX), used, own, 1);
            if own >= share {
                return Err(Refused::TooManyOfPeer);
            }
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        taken.insert(id, holder);
        Ok(Place {
            id,
            places: self.clone(),
        })
    }

    /// Waits until all are free, for so long at most; whether they are.
    pub(crate) fn wait_until_free(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut taken = self.lock();
        while !taken.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            let waited = self.freed.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Holder>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(places: &Arc<Places>, peer: u32) -> Vec<Place> {
        let holder = Holder {
            peer: Some(Peer::User(peer)),
            may_go: true,
        };
        std::iter::from_fn(|| places.take(holder).ok()).collect()
    }

    #[test]
    fn one_peer_leaves_places_to_others() {
        let places = Places::new(90);
        let greedy = held(&places, 1);
        assert_eq!(greedy.len(), 80);
        let other = held(&places, 2);
        assert!((8..10).contains(&other.len()), "{}", other.len());
        drop(greedy);
        assert!(held(&places, 2).len() + other.len() >= 79);
    }

    #[test]
    fn addresses_of_one_network_are_one_peer() {
        let at = |address: &str| Peer::at(address.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8:0:1::1"), at("2001:db8::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
