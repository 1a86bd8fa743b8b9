//! A session: one client's tags and fids, and the threads that run its requests.
//!
//! One thread at a time has the receiver. It takes all that one receive brings, runs it, and
//! sends all replies at once. When a request is about to block, or has run for long, what is
//! left is handed to another thread (see [`Session::hand_over`]).

mod admit;
mod cancel;
mod claims;
mod core;
mod leaving;
mod run;
#[cfg(test)]
mod schedules;
mod table;
mod waiting;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{debug, error, warn};

use self::core::{Core, Help, Next};
use crate::budget::{Budget, Permit, fair};
use crate::locks::{LockShares, WaiterId};
use crate::places::Place;
use crate::sentinel::{Watch, Watched};
use crate::server::Shared;
use crate::transport::{Receiver, Transport};

pub(crate) use self::run::Scratch;

/// A follower that nobody needed for so long ends.
const IDLE: Duration = Duration::from_secs(10);

/// Nothing recurses, and payloads lie elsewhere: many blocked threads should cost little.
const STACK: usize = 512 << 10;

/// A session over one connection.
pub struct Session<T: Transport> {
    shared: Arc<Shared>,
    transport: T,
    core: Mutex<Core<T>>,
    followers: Condvar,
    ended: Condvar,
    pub(crate) id: u64,
    pub(crate) opens: Arc<Budget>,
    pub(crate) directories: Arc<Budget>,
    pub(crate) xattrs: Arc<Budget>,
    threads: Arc<Budget>,
    locks: LockShares,
    /// Given back at the end, however long somebody keeps the session's handle.
    place: Mutex<Option<Place>>,
}

/// What can be told to, and asked of, a request that runs.
#[derive(Debug, Default)]
pub(crate) struct CallState {
    /// It was flushed, or its session ended.
    pub(crate) cancelled: AtomicBool,
    /// The thread that runs it, as the [`crate::Interrupter`] names it.
    pub(crate) thread: AtomicU64,
}

impl<T: Transport> Session<T> {
    pub(crate) fn start(
        shared: Arc<Shared>,
        place: Place,
        transport: T,
        receiver: T::Receiver,
    ) -> std::io::Result<Arc<Self>> {
        let session = Arc::new(Self {
            core: Mutex::new(Core::new(receiver, shared.limits, shared.locks.clone())),
            transport,
            followers: Condvar::new(),
            ended: Condvar::new(),
            id: place.id,
            opens: Arc::default(),
            directories: Arc::default(),
            xattrs: Arc::default(),
            threads: Arc::default(),
            locks: shared.locks.shares(),
            place: Mutex::new(Some(place)),
            shared,
        });
        let watched: Arc<dyn Watched> = session.clone();
        let mut core = session.lock();
        core.threads = 1;
        core.fids.count_in(&session.shared.fids);
        core.session = Arc::downgrade(&watched);
        drop(core);
        session.shared.sentinel.watch(&watched);
        if let Err(error) = session.spawn(None) {
            session.shared.sentinel.forget(session.id);
            return Err(error);
        }
        Ok(session)
    }

    /// Starts a thread, which has `permit` while it lives.
    fn spawn(self: &Arc<Self>, permit: Option<Permit>) -> std::io::Result<()> {
        let session = self.clone();
        let run = move || {
            let _permit = permit;
            let work = || session.clone().work();
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                // Requests have a net of their own: this was a file system's drop, or ours.
                error!(
                    session = session.id,
                    "a thread panicked: the session is given up"
                );
                let mut core = session.lock();
                core.close(&session.transport);
                if core.ending {
                    core.threads -= 1;
                } else {
                    session.end(core);
                }
            }
        };
        thread::Builder::new()
            .name(format!("9p-{}", self.id))
            .stack_size(STACK)
            .spawn(run)
            .map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Core<T>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of each thread of the session.
    fn work(self: Arc<Self>) {
        for export in self.shared.exports.iter() {
            export.fs.prepare_thread();
        }
        let mut scratch = Scratch::new(self.shared.interrupter.as_deref());
        let mut core = self.lock();
        loop {
            core = match core.next(&self.transport) {
                Next::Run(work) => {
                    // A large transfer may run beside what else is there.
                    let share = work.is_large() && core.has_ready();
                    let (dialect, msize) = (core.dialect, core.msize);
                    drop(core);
                    self.shared.sentinel.wake();
                    if share {
                        self.help(false);
                    }
                    let done = self.run(work, dialect, msize, &mut scratch);
                    let mut core = self.lock();
                    core.finish(done, scratch.head(), &self.transport);
                    self.drop_garbage(core)
                }
                Next::Flush => {
                    // Before the reply is seen to the message that gave it up.
                    let mut core = self.drop_garbage(core);
                    core.busy += 1;
                    drop(core);
                    self.transport.flush();
                    let mut core = self.lock();
                    core.busy -= 1;
                    core
                }
                Next::Leave(leaving) => {
                    drop(core);
                    self.shared.sentinel.wake();
                    let leaving = self.leave(leaving, scratch.thread());
                    let mut core = self.lock();
                    core.left(leaving, &self.transport);
                    self.drop_garbage(core)
                }
                Next::Receive(receiver) => {
                    core.reader = scratch.thread();
                    drop(self.drop_garbage(core));
                    self.receive(receiver)
                }
                Next::Follow => match self.follow(core) {
                    Some(core) => core,
                    None => return,
                },
                Next::End => {
                    self.end(core);
                    return;
                }
            };
        }
    }

    /// Drops what the lock must not be held for: closing files takes its time.
    fn drop_garbage<'a>(&'a self, mut core: MutexGuard<'a, Core<T>>) -> MutexGuard<'a, Core<T>> {
        if core.garbage.is_empty() {
            return core;
        }
        let mut garbage = std::mem::take(&mut core.garbage);
        core.busy += 1;
        core.burying += 1;
        drop(core);
        garbage.clear();
        let mut core = self.lock();
        core.busy -= 1;
        core.buried(&self.transport);
        if core.garbage.is_empty() {
            core.garbage = garbage; // Its memory serves the next time.
        }
        core
    }

    /// Receives more, which [`Core::next`] admits.
    fn receive(&self, mut receiver: T::Receiver) -> MutexGuard<'_, Core<T>> {
        let filled = receiver.fill();
        if let Ok(false) = filled {
            debug!(session = self.id, "the client hung up");
        }
        let mut core = self.lock();
        core.received(receiver, filled, &self.transport);
        if core.ended {
            self.shared.sentinel.wake();
        }
        core
    }

    /// Sleeps until there is something to do; `None` when this thread is to end.
    fn follow<'a>(&'a self, mut core: MutexGuard<'a, Core<T>>) -> Option<MutexGuard<'a, Core<T>>> {
        if !core.falls_asleep() {
            return None;
        }
        let slept = self.followers.wait_timeout(core, IDLE);
        let (mut core, timeout) = slept.unwrap_or_else(PoisonError::into_inner);
        core.wakes_up(timeout.timed_out()).then_some(core)
    }

    /// The last of the session's threads lets go of everything.
    fn end(&self, mut core: MutexGuard<'_, Core<T>>) {
        core.threads -= 1;
        let garbage = core.clear();
        let receiver = core.receiver.take();
        core.ending = true;
        drop(core);
        self.followers.notify_all();
        self.transport.flush();
        // The client sees the end now, whoever still holds a part of the session.
        self.transport.abort();
        drop((garbage, receiver));
        self.shared.sentinel.forget(self.id);
        debug!(session = self.id, "the session has ended");
        drop(
            self.place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.lock().over = true;
        self.ended.notify_all();
    }

    /// Has another thread send the finished replies and go on with what is left, because the
    /// calling one may not be back soon. It does not send them itself: it may hold what other
    /// sessions wait for, and a client need not take them.
    fn hand_over(self: &Arc<Self>) {
        if !self.help(true) && self.transport.has_replies() {
            self.transport.flush();
        }
    }

    /// Wakes another thread if there is something for it to do: first of all, if `flush`, to
    /// send the finished replies. Whether there is one.
    fn help(self: &Arc<Self>, flush: bool) -> bool {
        let help = self.lock().summon(flush, &self.transport);
        match help {
            Help::Nobody => return false,
            Help::Follower => self.followers.notify_one(),
            Help::NewThread => {
                let permit = self.thread_permit();
                if permit.is_none() {
                    // It waits until one of those that there are is free.
                    self.lock().threads -= 1;
                    return false;
                }
                if let Err(error) = self.spawn(permit) {
                    warn!(session = self.id, "no thread for a request: {error}");
                    self.lock().threads -= 1;
                    return false;
                }
            }
        }
        true
    }

    fn thread_permit(&self) -> Option<Permit> {
        let limits = &self.shared.limits;
        let (used, own) = (self.shared.threads.used(), self.threads.used());
        let (all, own) = fair((limits.threads, limits.sessions), used, own, 1);
        Permit::take((&self.shared.threads, all), (&self.threads, own), 1)
    }

    /// Lets the requests that were received be answered, then ends the session.
    pub fn drain(&self) {
        self.lock().draining = true;
        self.transport.stop_receiving();
        self.shared.sentinel.wake();
    }

    /// Interrupts what runs; it is answered even so.
    pub fn interrupt(self: &Arc<Self>) {
        self.lock().interrupt_all();
        self.help(false);
        self.shared.sentinel.wake();
    }

    /// Ends the session: what runs is interrupted, what waits is dropped.
    pub fn abort(&self) {
        self.lock().close(&self.transport);
        self.transport.abort();
        self.followers.notify_all();
        self.shared.sentinel.wake();
    }
}

impl<T: Transport> Watched for Session<T> {
    fn id(&self) -> u64 {
        self.id
    }

    fn tick(self: Arc<Self>) -> Watch {
        let Ok(mut core) = self.core.try_lock() else {
            return Watch::Busy;
        };
        let (watch, stuck) = core.look(&self.transport, self.shared.interrupter.as_deref());
        drop(core);
        if stuck {
            // Sending could keep the sentinel from the other sessions: somebody else does.
            self.help(true);
        }
        watch
    }

    fn give_way(&self) -> bool {
        // Who has the lock does something.
        let Ok(mut core) = self.core.try_lock() else {
            return false;
        };
        if !core.holds_nothing() {
            return false;
        }
        core.close(&self.transport);
        drop(core);
        self.abort();
        true
    }

    fn drain(&self) {
        Session::drain(self);
    }

    fn abort(&self) {
        Session::abort(self);
    }

    fn interrupt(self: Arc<Self>) {
        Session::interrupt(&self);
    }

    fn try_again(self: Arc<Self>, tag: u16, wait: WaiterId) {
        self.retry(tag, wait);
    }

    fn wait(&self, patience: Option<Duration>) -> bool {
        let core = self.lock();
        let unfinished = |core: &mut Core<T>| !core.over;
        match patience {
            None => {
                drop(self.ended.wait_while(core, unfinished));
                true
            }
            Some(patience) => {
                let waited = self.ended.wait_timeout_while(core, patience, unfinished);
                !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
            }
        }
    }
}
