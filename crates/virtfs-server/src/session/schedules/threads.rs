//! The threads of the model: each is at one point of its life, and goes on when the seed says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use virtfs_vfs::memory::MemoryFs;

use super::Ending;
use super::client::{Client, FIDS};
use super::history::{History, StateId};
use super::locks::Locks;
use super::rng::Rng;
use super::wire::{Ear, Message, Serial, Wire};
use crate::Limits;
use crate::budget::Budget;
use crate::export::Export;
use crate::session::core::{Core, Garbage, Help, Next, Work};
use crate::session::leaving::Leaving;
use crate::session::run::Done;
use crate::transport::{Receiver, Transport};

/// Where a thread is; the lock is free between two of these.
pub(super) enum Thread {
    LooksForWork,
    /// About to call the file system.
    Begins(Work<Message>),
    /// In a call that ends when it likes.
    Runs(Work<Message>),
    /// In a call that only an interruption ends, or the opening of the gate.
    Hangs(Work<Message>),
    /// The call has ended, with this reply.
    Ended(Done<Message>, Vec<u8>),
    /// Does what clunks would have done.
    Leaves(Leaving),
    Sends,
    Receives(Ear),
    Sleeps {
        called: bool,
    },
    /// Drops what the lock is not held for.
    Buries(Garbage, Box<Thread>),
    Over,
}

/// Counts itself among the living.
pub(super) struct Token {
    pub(super) id: StateId,
    pub(super) alive: Arc<AtomicUsize>,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) wire: Wire,
    pub(super) core: Core<Wire>,
    threads: Vec<Thread>,
    pub(super) client: Client,
    pub(super) history: History,
    pub(super) locks: Locks,
    /// Those that had come when all was interrupted.
    pub(super) interrupted: Vec<Serial>,
    pub(super) export: Arc<Export>,
    pub(super) xattrs: Arc<Budget>,
    /// Lets everything through that hangs.
    gate_is_open: bool,
    /// How often the sentinel has called for help since something came of it.
    pub(super) calls: usize,
    pub(super) next_state: StateId,
    pub(super) states_alive: Arc<AtomicUsize>,
    /// How many calls in a hundred hang.
    hangs: usize,
    /// The client asks for more.
    pub(super) wanders: bool,
    over: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let wire = Wire::default();
        let limits = Limits {
            // Often so few that requests are held back.
            requests: 2 + rng.below(12),
            ..Limits::default()
        };
        let hangs = if rng.percent(30) { 40 } else { 4 };
        let locks = Locks::new(&limits);
        let mut core = Core::new(Ear(wire.clone()), limits, locks.table.clone());
        core.threads = 1;
        let mut client = Client::default();
        let mut history = History::default();
        client.begin(&wire, &mut history);
        Self {
            rng,
            wire,
            core,
            threads: vec![Thread::LooksForWork],
            client,
            history,
            locks,
            interrupted: Vec::new(),
            export: Arc::new(Export::new("", Arc::new(MemoryFs::new()))),
            xattrs: Arc::default(),
            gate_is_open: false,
            calls: 0,
            next_state: 0,
            states_alive: Arc::default(),
            hangs,
            wanders: false,
            over: false,
        }
    }

    /// Does so many steps at random.
    pub(super) fn wander(&mut self, steps: usize) {
        self.wanders = true;
        for _ in 0..steps {
            match self.rng.below(20) {
                0..6 => self
                    .client
                    .ask(&self.wire, &mut self.history, &self.locks, &mut self.rng),
                6..8 => (0..4).for_each(|_| self.take_reply()),
                8 => self.tick(),
                9 => drop(self.one_is_tried_again()),
                10 => self.locks.others_act(self.client.next(), &mut self.rng),
                11 => match self.rng.below(10) {
                    0 => self.one_falls_out_of_sleep(),
                    1..4 => self.one_has_waited_long(),
                    4 if self.rng.percent(30) => self.interrupt_all(),
                    _ => drop(self.one_is_tried_again()),
                },
                _ => (0..3).for_each(|_| self.one_thread_goes_on()),
            }
            self.nobody_waits_in_vain();
        }
        self.wanders = false;
    }

    /// Goes on until the client has all its replies, and nobody has anything left to do.
    pub(super) fn settle(&mut self) {
        let gives_up = self.rng.percent(50);
        self.locks.let_go();
        while self.goes_on_by_itself() || !self.client.has_all() {
            if self.goes_on_by_itself() || self.helps_itself() {
                self.one_thread_goes_on();
                self.take_reply();
                continue;
            }
            // Whoever waits for a lock hears that it was let go.
            if self.one_is_tried_again() || self.locks.other_releases_one() {
                continue;
            }
            if gives_up && self.client.give_up_one(&self.wire, &mut self.history) {
                continue;
            }
            assert!(
                self.core.waiting.is_empty(),
                "a lock is free, and waited for"
            );
            // What is given up needs nobody to open the gate, unless so much came before the
            // flush that this is not received.
            let full = self.core.held.len() >= self.core.limits.requests;
            assert!(!self.gate_is_open && (full || !gives_up), "a reply is lost");
            self.gate_is_open = true;
        }
        self.gate_is_open = false;
        let core = &self.core;
        assert!(core.tags.is_empty() && core.ready.is_empty() && core.parked.is_empty());
        assert!(core.held.is_empty() && core.waiting.is_empty() && core.garbage.is_empty());
        let counts = [
            core.in_flight,
            core.in_flight_bytes,
            core.running,
            core.flushes,
        ];
        assert_eq!(counts, [0; 4]);
        assert_eq!((core.held_bytes, core.busy, self.wire.alive()), (0, 0, 0));
        assert!(core.fids.is_settled());
        assert_eq!(self.states_alive.load(Ordering::Relaxed), core.fids.len());
        self.history.is_in_order();
        self.locks.are_told();
    }

    /// Whether the sentinel has called somebody. Who is called may find that a budget keeps back
    /// what there is to do.
    fn helps_itself(&mut self) -> bool {
        self.calls += 1;
        // The first look sees what moved before.
        self.calls < 10
            && (0..3).any(|_| {
                self.tick();
                self.goes_on_by_itself()
            })
    }

    pub(super) fn clunk_all(&mut self) {
        for fid in 0..FIDS {
            self.client.clunk(&self.wire, &mut self.history, fid);
        }
        self.settle();
        assert_eq!(self.core.fids.len(), 0);
    }

    pub(super) fn begin_anew(&mut self) {
        self.client.begin(&self.wire, &mut self.history);
        self.settle();
        assert_eq!(self.core.fids.len(), 0);
    }

    /// Ends the session, and sees that nothing is left of it.
    pub(super) fn end(&mut self, ending: Ending) {
        match ending {
            Ending::InOrder | Ending::Version | Ending::HangsUp => self.wire.hang_up(),
            Ending::Drained => {
                self.core.draining = true;
                self.wire.stop_receiving();
            }
            Ending::Aborted => {
                self.core.close(&self.wire);
                self.call_everybody();
            }
        }
        if ending != Ending::Aborted {
            self.gate_is_open = true;
            self.locks.let_go();
        }
        while self.goes_on_by_itself() || self.helps_itself() {
            self.one_thread_goes_on();
            self.take_reply();
        }
        assert!(self.over, "the session has not ended");
        let left = self.threads.iter().filter(|t| !matches!(t, Thread::Over));
        assert_eq!((left.count(), self.core.threads), (0, 0));
        assert_eq!(self.wire.alive(), 0, "exchanges are left");
        assert_eq!(
            self.states_alive.load(Ordering::Relaxed),
            0,
            "fids are left"
        );
        self.locks.are_none();
        self.history.is_in_order();
    }

    fn goes_on_by_itself(&self) -> bool {
        self.wire.has_sent() || self.threads.iter().any(|thread| self.may_go_on(thread))
    }

    fn may_go_on(&self, thread: &Thread) -> bool {
        match thread {
            Thread::Hangs(work) => {
                is_cancelled(work) || self.gate_is_open && !self.is_kept_out(work)
            }
            Thread::Runs(work) => !self.is_kept_out(work),
            Thread::Receives(_) => self.wire.is_readable(),
            Thread::Sleeps { called } => *called,
            Thread::Over => false,
            _ => true,
        }
    }

    fn one_thread_goes_on(&mut self) {
        let can: Vec<_> = (0..self.threads.len())
            .filter(|at| self.may_go_on(&self.threads[*at]))
            .collect();
        if can.is_empty() {
            return;
        }
        let at = can[self.rng.below(can.len())];
        let thread = std::mem::replace(&mut self.threads[at], Thread::Over);
        self.threads[at] = self.go_on(thread);
    }

    fn go_on(&mut self, thread: Thread) -> Thread {
        match thread {
            Thread::LooksForWork => self.look_for_work(),
            Thread::Begins(work) => {
                let hangs = self.rng.percent(self.hangs);
                if self.rng.percent(50) {
                    self.hand_over();
                }
                match hangs {
                    true => Thread::Hangs(work),
                    false if self.rng.percent(50) || self.is_kept_out(&work) => Thread::Runs(work),
                    false => self.carry_out(work),
                }
            }
            Thread::Runs(work) | Thread::Hangs(work) => self.carry_out(work),
            Thread::Ended(done, head) => {
                self.core.finish(done, &head, &self.wire);
                self.buries(Thread::LooksForWork)
            }
            Thread::Leaves(mut leaving) => {
                leaving.drop_fids();
                self.core.left(leaving, &self.wire);
                self.buries(Thread::LooksForWork)
            }
            Thread::Sends => {
                self.wire.flush();
                self.core.busy -= 1;
                Thread::LooksForWork
            }
            Thread::Receives(mut ear) => {
                let filled = ear.fill();
                self.calls = 0;
                self.core.received(ear, filled, &self.wire);
                Thread::LooksForWork
            }
            Thread::Sleeps { called } => match self.core.wakes_up(!called) {
                true => Thread::LooksForWork,
                false => Thread::Over,
            },
            Thread::Buries(garbage, then) => {
                drop(garbage);
                self.core.busy -= 1;
                self.core.buried(&self.wire);
                if let Thread::Sends = *then {
                    self.core.busy += 1;
                }
                *then
            }
            Thread::Over => Thread::Over,
        }
    }

    fn look_for_work(&mut self) -> Thread {
        match self.core.next(&self.wire) {
            Next::Run(work) => {
                if work.is_large() && self.core.has_ready() {
                    self.help(false);
                }
                Thread::Begins(work)
            }
            Next::Leave(leaving) => Thread::Leaves(leaving),
            Next::Flush => {
                if self.core.garbage.is_empty() {
                    self.core.busy += 1;
                }
                self.buries(Thread::Sends)
            }
            Next::Receive(ear) => self.buries(Thread::Receives(ear)),
            Next::Follow => match self.core.falls_asleep() {
                true => Thread::Sleeps { called: false },
                false => Thread::Over,
            },
            Next::End => {
                self.core.threads -= 1;
                let left = self.core.clear();
                let receiver = self.core.receiver.take();
                self.core.ending = true;
                self.call_everybody();
                self.wire.flush();
                drop((left, receiver));
                assert!(!std::mem::replace(&mut self.over, true), "it ended twice");
                Thread::Over
            }
        }
    }

    fn buries(&mut self, then: Thread) -> Thread {
        if self.core.garbage.is_empty() {
            return then;
        }
        self.core.busy += 1;
        self.core.burying += 1;
        Thread::Buries(std::mem::take(&mut self.core.garbage), Box::new(then))
    }

    fn hand_over(&mut self) {
        self.help(true);
    }

    pub(super) fn help(&mut self, flush: bool) {
        match self.core.summon(flush, &self.wire) {
            Help::Nobody => {}
            Help::NewThread => self.threads.push(Thread::LooksForWork),
            Help::Follower => {
                let sleeps = |thread: &Thread| matches!(thread, Thread::Sleeps { .. });
                let asleep: Vec<_> = (0..self.threads.len())
                    .filter(|at| matches!(self.threads[*at], Thread::Sleeps { called: false }))
                    .collect();
                // Nobody else is needed where one has been called and is not awake yet.
                assert!(
                    self.threads.iter().any(sleeps),
                    "nobody is there to be called"
                );
                if !asleep.is_empty() {
                    let at = asleep[self.rng.below(asleep.len())];
                    self.threads[at] = Thread::Sleeps { called: true };
                }
            }
        }
    }

    fn call_everybody(&mut self) {
        for thread in &mut self.threads {
            if let Thread::Sleeps { called } = thread {
                *called = true;
            }
        }
    }

    /// A follower that nobody called for long.
    fn one_falls_out_of_sleep(&mut self) {
        let asleep = |thread: &Thread| matches!(thread, Thread::Sleeps { called: false });
        if let Some(at) = self.threads.iter().position(asleep) {
            self.threads[at] = match self.core.wakes_up(true) {
                true => Thread::LooksForWork,
                false => Thread::Over,
            };
        }
    }

    /// The sentinel's look.
    fn tick(&mut self) {
        let (_, stuck) = self.core.look(&self.wire, None);
        if stuck {
            self.help(true);
        }
    }
}

pub(super) fn is_cancelled(work: &Work<Message>) -> bool {
    work.call.cancelled.load(Ordering::Relaxed)
}
