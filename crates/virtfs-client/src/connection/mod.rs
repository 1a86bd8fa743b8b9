//! A connection: what every thread that talks to the server shares.
//!
//! | File | Idea |
//! |---|---|
//! | [`batch`] | requests that are sent together |
//! | [`in_flight`] | the waits for their replies, and giving them up |
//! | [`send`] | how frames get into the stream |
//! | [`wait`] | one thread reads for all |
//! | [`filing`] | replies are checked and filed under their tags |
//! | [`state`] | what is behind the lock |

mod batch;
mod expect;
mod filing;
mod in_flight;
mod numbers;
mod parker;
mod pool;
mod receiver;
mod reply;
mod send;
mod slots;
mod state;
mod version;
mod wait;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

pub(crate) use self::batch::Batch;
pub(crate) use self::in_flight::InFlight;
pub(crate) use self::parker::Parker;
pub(crate) use self::pool::Payload;
use self::receiver::Receiver;
pub(crate) use self::reply::{Reply, fields, misfit};
use self::slots::TAGS;
use self::state::{State, Want};
use self::wait::{Guard, Patience};
use crate::stream::Stream;
use crate::{Error, Options, Result};

/// A connection to a server.
pub(crate) struct Connection {
    state: Mutex<State>,
    /// Wakes the thread that polls the stream.
    event: Arc<OwnedFd>,
    msize: AtomicU32,
    timeout: Option<Duration>,
}

/// After so many dropped fids in a row their replies are looked at, though nobody waits.
const UNNOTICED: usize = 64;

/// How long the last replies may take.
const GOODBYE: Duration = Duration::from_millis(100);

impl Connection {
    /// How many requests one batch may have at most.
    pub(crate) const PORTION: usize = 64;

    /// Says `Tversion` over a stream.
    pub(crate) fn open(stream: Stream, options: &Options) -> Result<Connection> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let connection = Connection {
            state: Mutex::new(State::new(stream, Receiver::new(Arc::default()))),
            event: Arc::new(eventfd(0, flags).map_err(io::Error::from)?),
            msize: AtomicU32::new(options.msize.max(version::SMALLEST)),
            timeout: options.timeout,
        };
        connection.version(options)?;
        Ok(connection)
    }

    /// The longest message in bytes.
    pub(crate) fn msize(&self) -> u32 {
        self.msize.load(Ordering::Relaxed)
    }

    pub(crate) fn in_flight(&self) -> usize {
        usize::from(slots::TAGS) - self.lock().slots.free()
    }

    pub(crate) fn lost(&self) -> Option<Error> {
        self.lock().lost.clone()
    }

    pub(crate) fn close(&self) {
        let error = io::Error::new(io::ErrorKind::NotConnected, "the connection was closed");
        self.fail(error.into());
    }

    /// Takes the last replies, those to dropped fids, if they come soon: diod, for one, dies of a
    /// reply that it cannot send.
    pub(crate) fn take_leave(&self) {
        let patience = Patience {
            until: Some(Instant::now() + GOODBYE),
            interruptible: true,
        };
        let _ = self.wait(self.lock(), Want::Reply, patience, |state| {
            (state.slots.free() == usize::from(TAGS)).then_some(())
        });
    }

    /// Ends the connection.
    pub(crate) fn fail(&self, error: Error) {
        self.lock().fail(error);
    }

    /// A number for a fid that a request is to make.
    fn new_number(&self) -> u32 {
        self.lock().numbers.take()
    }

    /// The number is not the server's, and nobody's.
    fn give_up_number(&self, number: u32) {
        self.lock().numbers.give_up(number);
    }

    /// Sends a `Tclunk` for a fid and does not wait.
    pub(crate) fn clunk(&self, number: u32) {
        let mut state = self.lock();
        if state.lost.is_some() {
            return;
        }
        state.orphans.push(number);
        state.clunk_orphans();
        state = self.drain(state);
        state.unnoticed += 1;
        if state.unnoticed >= UNNOTICED {
            state.unnoticed = 0;
            state = self.take_notice(state);
            state.clunk_orphans();
            drop(self.drain(state));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout
            .and_then(|timeout| Instant::now().checked_add(timeout))
    }

    fn lock(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let msize = self.msize();
        f.debug_struct("Connection")
            .field("msize", &msize)
            .finish_non_exhaustive()
    }
}

fn hung_up() -> Error {
    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up");
    error.into()
}
