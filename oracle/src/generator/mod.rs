//! Schedules from a seed: requests that mean something in most cases, and odd ones among them, over a
//! small name space so that they meet.
//!
//! The generator knows what the fids stand for ([`Tracker`]), so that it can choose fitting ones.
//! All that it does follows from the seed and from QEMU's replies.

mod entries;
mod plans;
mod single;
mod values;

use std::collections::VecDeque;

use crate::model::Model;
use crate::request::Request;
use crate::rng::Rng;
use crate::tracker::{Kind, Place, State, Tracker};

/// The fids that are used, but that of the root, 0.
const FIDS: std::ops::RangeInclusive<u32> = 1..=12;
/// A fid that no request makes.
const NEVER: u32 = 4077;

/// Makes the requests of one schedule.
#[derive(Debug)]
pub(crate) struct Generator {
    rng: Rng,
    model: Model,
    /// What was begun and is to be gone on with.
    planned: VecDeque<Request>,
}

/// A fid that is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    Directory,
    NoDirectory,
    Open,
    OpenFile,
    OpenDirectory,
    XattrRead,
    XattrWrite,
}

impl Generator {
    pub(crate) fn new(seed: u64, model: Model) -> Self {
        Self {
            rng: Rng::new(seed),
            model,
            planned: VecDeque::new(),
        }
    }

    /// The next request.
    pub(crate) fn next(&mut self, tracker: &Tracker) -> Request {
        // What QEMU confuses with another file is of no use any more.
        let mut lost = tracker
            .fids()
            .filter(|(_, fid)| tracker.place(fid) == Place::Other);
        if let Some((fid, _)) = lost.next() {
            return Request::new(virtfs_proto::Tclunk { fid });
        }
        if self.planned.is_empty() && self.rng.percent(20) {
            self.plan(tracker);
        }
        // A few requests come between those of a plan.
        if !self.planned.is_empty() && !self.rng.percent(15) {
            return self
                .planned
                .pop_front()
                .unwrap_or_else(|| self.single(tracker));
        }
        self.single(tracker)
    }

    /// A fid that fits in most cases, any number in few; the root's if none fits.
    fn fid(&mut self, tracker: &Tracker, wanted: Wanted) -> u32 {
        self.fitting_fid(tracker, wanted).unwrap_or(0)
    }

    /// The same, which may be none.
    fn fitting_fid(&mut self, tracker: &Tracker, wanted: Wanted) -> Option<u32> {
        if self.rng.percent(3) {
            return Some(self.rng.pick(&[0, 1, 2, 3, 4, 5, NEVER, u32::MAX]));
        }
        let any = self.rng.percent(5);
        let with_gone = self.rng.percent(15);
        let fitting: Vec<u32> = tracker
            .fids()
            .filter(|(_, fid)| {
                let (is_dir, open) = (fid.kind == Kind::Directory, fid.state);
                let is_open = matches!(open, State::Open(_));
                let fits = match wanted {
                    Wanted::Any => open == State::Walked,
                    Wanted::Directory => is_dir && open == State::Walked,
                    Wanted::NoDirectory => !is_dir && open == State::Walked,
                    Wanted::Open => is_open,
                    Wanted::OpenFile => is_open && !is_dir,
                    Wanted::OpenDirectory => is_open && is_dir,
                    Wanted::XattrRead => open == State::XattrRead,
                    Wanted::XattrWrite => matches!(open, State::XattrWrite(_)),
                };
                (fits || any) && (with_gone || is_open || tracker.place(fid) == Place::Same)
            })
            .map(|(number, _)| number)
            .collect();
        (!fitting.is_empty()).then(|| self.rng.pick(&fitting))
    }

    /// A number that is free in most cases.
    fn free_fid(&mut self, tracker: &Tracker) -> u32 {
        let free: Vec<u32> = FIDS.filter(|fid| tracker.fid(*fid).is_none()).collect();
        if free.is_empty() || self.rng.percent(3) {
            self.rng.below(13) as u32
        } else {
            free[0]
        }
    }

    /// Whether there are numbers enough for a plan that needs so many.
    fn has_free(&self, tracker: &Tracker, count: usize) -> bool {
        FIDS.filter(|fid| tracker.fid(*fid).is_none()).count() >= count
    }

    /// A name that is likely not to be in the directory.
    fn new_name(&mut self, tracker: &Tracker, directory: u32) -> Vec<u8> {
        let there = tracker.fid(directory);
        let names = there.map_or_else(Vec::new, |fid| tracker.names_in(fid));
        let mut name = self.name();
        for _ in 0..12 {
            if !names.contains(&name) || self.rng.percent(2) {
                break;
            }
            name = self.name();
        }
        name
    }

    /// A name that is likely to be in the directory.
    fn name_in(&mut self, tracker: &Tracker, directory: u32) -> Vec<u8> {
        let there = tracker.fid(directory);
        let names = there.map_or_else(Vec::new, |fid| tracker.names_in(fid));
        if names.is_empty() || self.rng.percent(25) {
            self.name()
        } else {
            self.rng.pick(&names)
        }
    }
}
