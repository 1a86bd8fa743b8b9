//! What one session may have of something that all share, and what somebody has of that.

use std::sync::Arc;

use crate::budget::{Budget, Permit, fair};

/// A session's share (see [`fair`]).
#[derive(Debug)]
pub(crate) struct Share {
    all: Arc<Budget>,
    own: Arc<Budget>,
    /// How many there are, for how many sessions.
    limit: (usize, usize),
}

/// Some of a share, given back when dropped.
#[derive(Debug)]
pub(crate) struct Part {
    share: Arc<Share>,
    permit: Permit,
}

impl Share {
    /// The share of one session more.
    pub(crate) fn new(all: &Arc<Budget>, limit: (usize, usize)) -> Arc<Self> {
        Arc::new(Self {
            all: all.clone(),
            own: Arc::default(),
            limit,
        })
    }

    fn limits(&self, more: usize) -> (usize, usize) {
        fair(self.limit, self.all.used(), self.own.used(), more)
    }
}

impl Part {
    /// Takes so many of a share, if there are so many left.
    pub(crate) fn take(share: &Arc<Share>, amount: usize) -> Option<Self> {
        let (all, own) = share.limits(amount);
        let permit = Permit::take((&share.all, all), (&share.own, own), amount)?;
        let share = share.clone();
        Some(Self { share, permit })
    }

    /// Has so many, or more, if there are so many left; whether there are.
    pub(crate) fn grow_to(&mut self, amount: usize) -> bool {
        let more = amount.saturating_sub(self.permit.amount());
        more == 0 || self.permit.grow(self.share.limits(more), more)
    }

    /// Has so many, or fewer.
    pub(crate) fn shrink_to(&mut self, amount: usize) {
        self.permit.shrink_to(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(share: &Arc<Share>) -> Vec<Part> {
        std::iter::from_fn(|| Part::take(share, 1)).collect()
    }

    #[test]
    fn what_grows_and_shrinks_is_counted_once() {
        let all = Arc::default();
        let share = Share::new(&all, (40, 4));
        let most = takes(&share).len();
        let mut part = Part::take(&share, 3).unwrap();
        assert!(part.grow_to(most) && part.grow_to(4));
        assert!(!part.grow_to(most + 1) && Part::take(&share, 1).is_none());
        part.shrink_to(7);
        assert_eq!(takes(&share).len(), most - 7);
        drop(part);
        assert_eq!(takes(&share).len(), most);
        assert_eq!(all.used(), 0);
    }
}
