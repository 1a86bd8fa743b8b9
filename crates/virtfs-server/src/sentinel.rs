//! One thread that keeps an eye on sessions while requests run: a request that runs for long,
//! without having announced it, has its session handed to another thread; a request that was
//! cancelled is interrupted again and again until it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::locks::WaiterId;

/// How long a request may run before somebody else reads on.
const TICK: Duration = Duration::from_micros(250);

/// After so many ticks in which nothing needed a fast look, the sentinel looks rarely.
const TICKS_TO_REST: u32 = 64;

/// How often cancelled requests are interrupted again.
const REPEAT: Duration = Duration::from_millis(10);

/// Interrupts a system call that another thread sleeps in, so that it ends with `EINTR`.
///
/// The program provides it, because it takes a signal handler, and a library changes no state of
/// its process.
pub trait Interrupter: Send + Sync + 'static {
    /// Names the calling thread; never 0.
    fn current(&self) -> u64;

    /// Interrupts the thread of this name. May hit it between two calls: it is repeated.
    fn interrupt(&self, thread: u64);
}

/// What a look at a session saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Watch {
    /// Nothing runs.
    Idle,
    /// The same requests run as at the last look, and somebody sees to the rest.
    Still,
    /// Something is to be interrupted again.
    Repeat,
    /// Requests come and go.
    Busy,
}

/// A session, as the sentinel and the server see it.
pub(crate) trait Watched: Send + Sync {
    fn id(&self) -> u64;
    fn tick(self: Arc<Self>) -> Watch;
    /// Ends it if it has no fid, and does nothing; whether that is so.
    fn give_way(&self) -> bool {
        false
    }
    fn drain(&self);
    fn abort(&self);
    fn interrupt(self: Arc<Self>);
    /// Tries a request again that waits for a lock.
    fn try_again(self: Arc<Self>, tag: u16, wait: WaiterId);
    /// Waits until it has ended, for so long at most; whether it has.
    fn wait(&self, patience: Option<Duration>) -> bool;
}

/// The sentinel's half that sessions hold.
pub(crate) struct Sentinel {
    sessions: Mutex<HashMap<u64, Weak<dyn Watched>>>,
    resting: AtomicBool,
    stopped: AtomicBool,
    bell: (Mutex<bool>, Condvar),
}

impl Sentinel {
    pub(crate) fn start() -> std::io::Result<Arc<Self>> {
        let sentinel = Arc::new(Self {
            sessions: Mutex::default(),
            resting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            bell: (Mutex::new(false), Condvar::new()),
        });
        let watch = sentinel.clone();
        thread::Builder::new()
            .name("9p-sentinel".into())
            .spawn(move || watch.run())?;
        Ok(sentinel)
    }

    pub(crate) fn watch(&self, session: &Arc<dyn Watched>) {
        self.sessions()
            .insert(session.id(), Arc::downgrade(session));
    }

    pub(crate) fn forget(&self, id: u64) {
        self.sessions().remove(&id);
    }

    /// All sessions that there are.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Watched>> {
        self.sessions().values().filter_map(Weak::upgrade).collect()
    }

    /// The same, the oldest first.
    pub(crate) fn all_by_age(&self) -> Vec<Arc<dyn Watched>> {
        let mut all = self.all();
        all.sort_unstable_by_key(|session| session.id());
        all
    }

    /// Requests are about to run. Costs nothing while the sentinel is awake.
    pub(crate) fn wake(&self) {
        if self.resting.load(Ordering::SeqCst) && self.resting.swap(false, Ordering::SeqCst) {
            *self.bell.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.bell.1.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.resting.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<dyn Watched>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut quiet = 0;
        let mut sessions = Vec::new();
        while !self.stopped.load(Ordering::SeqCst) {
            let seen = self.look(&mut sessions);
            quiet = if seen == Watch::Busy { 0 } else { quiet + 1 };
            if quiet < TICKS_TO_REST {
                thread::sleep(TICK);
                continue;
            }
            // A request that began since the last look is seen by one more look; one that
            // begins after that rings the bell.
            self.resting.store(true, Ordering::SeqCst);
            match self.look(&mut sessions) {
                Watch::Busy => {}
                Watch::Repeat => self.rest(Some(REPEAT)),
                Watch::Still | Watch::Idle => self.rest(None),
            }
            self.resting.store(false, Ordering::SeqCst);
        }
    }

    fn look(&self, sessions: &mut Vec<Arc<dyn Watched>>) -> Watch {
        sessions.extend(self.sessions().values().filter_map(Weak::upgrade));
        sessions
            .drain(..)
            .map(Watched::tick)
            .max()
            .unwrap_or(Watch::Idle)
    }

    /// Sleeps until woken, or for a time.
    fn rest(&self, time: Option<Duration>) {
        let rung = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asleep = |rung: &mut bool| !*rung;
        let mut rung = match time {
            Some(time) => {
                let slept = self.bell.1.wait_timeout_while(rung, time, asleep);
                slept.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self
                .bell
                .1
                .wait_while(rung, asleep)
                .unwrap_or_else(PoisonError::into_inner),
        };
        *rung = false;
    }
}
