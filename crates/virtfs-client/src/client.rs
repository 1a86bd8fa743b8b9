//! A connection to a server, as programs see it.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use virtfs_proto::{NOFID, Tattach};

use crate::connection::{Batch, Connection, fields};
use crate::fid::Handle;
use crate::{Address, Error, Fid, Options, Result, Stream};

/// A connection to a server, shared by all its clones and by the fids made through it.
///
/// It has no thread of its own: the threads that wait for replies read them. Any number of
/// threads may use it at the same time. It ends with its last clone and fid.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    depth: usize,
    order: AtomicU8,
    child: Mutex<Option<Child>>,
}

/// What is known of the server's promise `order=fid`.
const UNASKED: u8 = 0;
const UNORDERED: u8 = 1;
const ORDERED: u8 = 2;

/// The extended attribute of the root in which a server says what it promises, in words.
const PROMISES: &[u8] = b"user.virtfs.server";

/// Who attaches to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// The user's name; may be empty if `uid` says it.
    pub uname: String,
    /// The tree that is wanted; what names mean is up to the server.
    pub aname: String,
    /// The user's number; `u32::MAX`: none, `uname` counts.
    pub uid: u32,
}

/// The user of this process, with no name, and the server's default tree.
impl Default for Attach {
    fn default() -> Self {
        Self {
            uname: String::new(),
            aname: String::new(),
            uid: rustix::process::getuid().as_raw(),
        }
    }
}

impl Client {
    /// Connects to an address and agrees on the protocol (`Tversion`).
    ///
    /// # Errors
    ///
    /// As [`Stream::connect`] and [`Client::over`].
    pub fn connect(address: &Address, options: &Options) -> Result<Client> {
        Self::over(Stream::connect(address, options.connect_timeout)?, options)
    }

    /// Agrees on the protocol over a stream (`Tversion`).
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the server does not speak 9P2000.L; [`Error::TimedOut`] after
    /// [`Options::connect_timeout`]; [`Error::Lost`] if it hangs up.
    pub fn over(stream: Stream, options: &Options) -> Result<Client> {
        Self::new(stream, options, None)
    }

    /// Starts a command that serves on its stdin and stdout. When the client is gone, they are
    /// closed, which should end the command; it is waited for then.
    ///
    /// # Errors
    ///
    /// As [`Stream::spawn`] and [`Client::over`].
    pub fn spawn(command: Command, options: &Options) -> Result<Client> {
        let (stream, child) = Stream::spawn(command)?;
        Self::new(stream, options, Some(child))
    }

    fn new(stream: Stream, options: &Options, child: Option<Child>) -> Result<Client> {
        let connection = match Connection::open(stream, options) {
            Ok(connection) => connection,
            Err(error) => {
                child.into_iter().for_each(reap);
                return Err(error);
            }
        };
        Ok(Client {
            inner: Arc::new(Inner {
                connection,
                depth: options.depth.clamp(1, Connection::PORTION),
                order: AtomicU8::new(UNASKED),
                child: Mutex::new(child),
            }),
        })
    }

    /// Makes a fid for the root of a tree (`Tattach`, without authentication).
    ///
    /// The first time it also asks whether requests on one fid keep their order (see
    /// [`Client::ordered`]).
    ///
    /// # Errors
    ///
    /// [`Error::Server`] if the server refuses.
    pub fn attach(&self, who: &Attach) -> Result<Fid> {
        let mut batch = Batch::new(self.connection());
        let number = batch.fresh();
        let message = Tattach {
            fid: number,
            afid: NOFID,
            uname: who.uname.as_bytes(),
            aname: who.aname.as_bytes(),
            n_uname: who.uid,
        };
        batch.push(message)?;
        let reply = batch.send()?.next()?;
        let handle = Handle::new(self.clone(), number);
        let root = Fid::new(handle, fields!(reply, Attach)?.qid);
        if self.inner.order.load(Ordering::Relaxed) == UNASKED {
            self.ask_for_promises(&root)?;
        }
        Ok(root)
    }

    /// The longest message that both sides send, in bytes.
    pub fn msize(&self) -> u32 {
        self.connection().msize()
    }

    /// Whether the server promised (`order=fid` in the extended attribute `user.virtfs.server` of
    /// the root) that a request on a fid waits for the one that makes the fid.
    ///
    /// Then walking, looking and opening go out together and cost one round trip.
    pub fn ordered(&self) -> bool {
        self.inner.order.load(Ordering::Relaxed) == ORDERED
    }

    /// How many requests are unanswered, those that nobody waits for included.
    pub fn in_flight(&self) -> usize {
        self.connection().in_flight()
    }

    /// Why the connection is gone, if it is.
    pub fn lost(&self) -> Option<Error> {
        self.connection().lost()
    }

    /// Ends the connection: everything pending fails with [`Error::Lost`] at once.
    pub fn close(&self) {
        self.connection().close();
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// How many requests of one transfer are in flight.
    pub(crate) fn depth(&self) -> usize {
        self.inner.depth
    }

    pub(crate) fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn ask_for_promises(&self, root: &Fid) -> Result<()> {
        let order = match root.xattr(PROMISES) {
            Ok(promises) => {
                let mut words = promises.split(|byte| b" ,\n\0".contains(byte));
                match words.any(|word| word == b"order=fid") {
                    true => ORDERED,
                    false => UNORDERED,
                }
            }
            Err(error @ (Error::Lost(_) | Error::Protocol(_) | Error::Interrupted)) => {
                return Err(error);
            }
            Err(_) => UNORDERED,
        };
        self.inner.order.store(order, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.connection.take_leave();
        // So that the child sees the end of its stdin.
        self.connection.close();
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        child.take().into_iter().for_each(reap);
    }
}

/// Waits for a child without sleeping here.
fn reap(mut child: Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let reaper = std::thread::Builder::new().name("9p-reaper".into());
    // Without a thread it stays a zombie until this process ends.
    let _ = reaper.spawn(move || child.wait());
}
