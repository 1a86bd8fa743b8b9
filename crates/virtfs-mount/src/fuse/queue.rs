//! Who reads and who serves: the rule that keeps one thread reading.
//!
//! A session has one thread more than it serves requests side by side. A thread that has read a
//! request goes and serves it, unless it is the last one reading: that one parks a copy of the
//! request and reads on, so that an interrupt is always heard. A thread that is done serves what is
//! parked, oldest first, before it reads again. So something is parked only while all others serve.
//! What gives up what a process holds is never parked: a process that ends waits for it, deaf to
//! signals.
//!
//! What can be parked is bounded by who waits for it: the kernel keeps a task for each request
//! (or counts it against `max_background`), and a task costs the kernel more than a request
//! without data costs us. Requests with much data have a budget; beyond it they get ENOMEM.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::parse;

/// Requests longer than this are counted.
const SMALL: usize = 4096;
/// Most bytes of counted requests that are parked.
const BUDGET: usize = 256 << 20;

/// How long a request stays parked after a signal, which need not be a deadly one: few programs
/// expect EINTR from stat(2).
const GRACE: Duration = Duration::from_millis(250);

/// The threads' common knowledge.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Threads that read, or are about to.
    readers: usize,
    parked: VecDeque<Parked>,
    /// Bytes of the parked requests longer than [`SMALL`].
    counted: usize,
}

#[derive(Debug)]
struct Parked {
    request: Vec<u8>,
    /// When its process first got a signal.
    interrupted: Option<Instant>,
}

/// What becomes of a request that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The thread that read it serves it, and reads no more until [`Queue::next`] says so.
    Serve,
    /// Somebody else will; the thread reads on.
    Parked,
    /// It gives up what its process holds: the thread answers it without waiting, and reads on.
    AtOnce,
    /// Over budget; the thread refuses it and reads on.
    TooMuch,
}

/// What an interrupt has done to a parked request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// Nothing: there is none.
    NotParked,
    /// Nothing (yet); the interrupt is to come again.
    Later,
    /// It will not be served: the caller answers it with EINTR.
    TakenBack,
}

impl Queue {
    /// For so many threads, at least two, all reading.
    pub(super) fn new(threads: usize) -> Self {
        let state = State {
            readers: threads,
            parked: VecDeque::new(),
            counted: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Decides on a request that a reader has read.
    pub(super) fn arrived(&self, request: &[u8]) -> Fate {
        let mut state = self.lock();
        if state.readers > 1 {
            state.readers -= 1;
            return Fate::Serve;
        }
        if parse::gives_up(request) {
            return Fate::AtOnce;
        }
        let counted = state.counted + counted(request);
        if counted > state.counted.max(BUDGET) {
            return Fate::TooMuch;
        }
        state.counted = counted;
        let request = request.to_vec();
        state.parked.push_back(Parked {
            request,
            interrupted: None,
        });
        Fate::Parked
    }

    /// The next request for a thread that has served one; `None`: it is a reader again.
    pub(super) fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let next = state.parked.pop_front().map(|parked| parked.request);
        match &next {
            Some(request) => state.counted -= counted(request),
            None => state.readers += 1,
        }
        next
    }

    /// A parked request's process got a signal.
    pub(super) fn interrupt(&self, unique: u64, now: Instant) -> Interrupted {
        let mut state = self.lock();
        let is_it = |parked: &Parked| {
            parse::header(&parked.request).is_some_and(|header| header.unique == unique)
        };
        let Some(index) = state.parked.iter().position(is_it) else {
            return Interrupted::NotParked;
        };
        let since = state
            .parked
            .get_mut(index)
            .map(|parked| *parked.interrupted.get_or_insert(now));
        let early = since.is_some_and(|since| now.saturating_duration_since(since) < GRACE);
        if early {
            return Interrupted::Later;
        }
        if let Some(parked) = state.parked.remove(index) {
            state.counted -= counted(&parked.request);
        }
        Interrupted::TakenBack
    }

    /// Drops what is parked.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.parked.clear();
        state.counted = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counted(request: &[u8]) -> usize {
    if request.len() > SMALL {
        request.len()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::abi::{F_UNLCK, F_WRLCK, FLUSH, InHeader, LkIn, SETLK, SETLKW};
    use zerocopy::IntoBytes;

    fn request(unique: u64, size: usize) -> Vec<u8> {
        let mut bytes = InHeader {
            unique,
            ..Default::default()
        }
        .as_bytes()
        .to_vec();
        bytes.resize(size, 0);
        bytes
    }

    #[test]
    fn the_last_reader_parks_and_the_first_to_finish_serves_the_oldest() {
        let queue = Queue::new(3);
        assert_eq!(queue.arrived(&request(1, 40)), Fate::Serve);
        assert_eq!(queue.arrived(&request(2, 40)), Fate::Serve);
        assert_eq!(queue.arrived(&request(3, 40)), Fate::Parked);
        assert_eq!(queue.arrived(&request(4, 40)), Fate::Parked);
        assert_eq!(queue.next(), Some(request(3, 40)));
        assert_eq!(queue.next(), Some(request(4, 40)));
        assert_eq!(queue.next(), None);
        assert_eq!(queue.arrived(&request(5, 40)), Fate::Serve);
        assert_eq!(queue.arrived(&request(6, 40)), Fate::Parked);
    }

    #[test]
    fn a_parked_request_is_taken_back_once_when_its_process_has_waited_after_the_signal() {
        let queue = Queue::new(2);
        assert_eq!(queue.arrived(&request(1, 40)), Fate::Serve);
        assert_eq!(queue.arrived(&request(2, 5000)), Fate::Parked);
        let signal = Instant::now();
        assert_eq!(queue.interrupt(1, signal), Interrupted::NotParked);
        assert_eq!(queue.interrupt(2, signal), Interrupted::Later);
        assert_eq!(queue.interrupt(2, signal + GRACE / 2), Interrupted::Later);
        assert_eq!(queue.interrupt(2, signal + GRACE), Interrupted::TakenBack);
        assert_eq!(queue.interrupt(2, signal + GRACE), Interrupted::NotParked);
        assert_eq!(queue.next(), None);
        assert_eq!(queue.lock().counted, 0);
    }

    #[test]
    fn a_request_that_gives_up_a_lock_is_never_parked() {
        let unlock = |unique, opcode, kind| {
            let mut lock = LkIn::default();
            lock.lk.kind = kind;
            let header = InHeader {
                unique,
                opcode,
                ..Default::default()
            };
            [header.as_bytes(), lock.as_bytes()].concat()
        };
        let queue = Queue::new(2);
        assert_eq!(queue.arrived(&request(1, 40)), Fate::Serve);
        assert_eq!(queue.arrived(&unlock(2, FLUSH, 0)), Fate::AtOnce);
        assert_eq!(queue.arrived(&unlock(3, SETLK, F_UNLCK)), Fate::AtOnce);
        assert_eq!(queue.arrived(&unlock(4, SETLKW, F_UNLCK)), Fate::AtOnce);
        assert_eq!(queue.arrived(&unlock(5, SETLKW, F_WRLCK)), Fate::Parked);
        assert_eq!(queue.next(), Some(unlock(5, SETLKW, F_WRLCK)));
        assert_eq!(queue.next(), None);
        assert_eq!(queue.arrived(&unlock(6, FLUSH, 0)), Fate::Serve);
    }

    #[test]
    fn data_beyond_the_budget_is_refused_and_small_requests_never_are() {
        let queue = Queue::new(2);
        assert_eq!(queue.arrived(&[]), Fate::Serve);
        let most = request(1, BUDGET / 4);
        for _ in 0..4 {
            assert_eq!(queue.arrived(&most), Fate::Parked);
        }
        assert_eq!(queue.arrived(&request(2, SMALL + 1)), Fate::TooMuch);
        assert_eq!(queue.arrived(&request(3, SMALL)), Fate::Parked);
        assert_eq!(queue.next(), Some(most));
        assert_eq!(queue.arrived(&request(4, SMALL + 1)), Fate::Parked);
    }
}
