//! Runs one request: decodes and lowers it, has it done, and encodes the answer.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{debug, error, info};
use virtfs_proto::{DecodeError, Dialect, Rlerror, Rmessage, Rversion, Tmessage, kind, name_of};
use virtfs_vfs::{Call, Errno};

use super::core::Work;
use super::{CallState, Session};
use crate::budget::{Limits, MSIZE_MIN};
use crate::fid::Fid;
use crate::lower::{self, lower};
use crate::ops::{self, Outcome, Retry};
use crate::raise::{Answer, raise};
use crate::rarely::Rarely;
use crate::sentinel::Interrupter;
use crate::transport::{Exchange, Transport};

/// At or below this msize a client is told, by a line in the log, that it is slow.
const MSIZE_SLOW: u32 = 32 << 10;

/// What a thread keeps from request to request.
pub(crate) struct Scratch {
    head: Vec<u8>,
    length: usize,
    thread: u64,
}

/// A request that ran.
pub(super) struct Done<E> {
    pub(super) work: Work<E>,
    /// It ended because it was interrupted: if it was flushed, there is no reply.
    pub(super) interrupted: bool,
    /// The state of the fid that it made or changed.
    pub(super) state: Option<Arc<Fid>>,
    /// It may be tried again before it is answered.
    pub(super) retry: Option<Retry>,
}

/// The longest head of a reply: one with a string, and fields before it.
const HEAD_MAX: usize = 64 + u16::MAX as usize;

impl Scratch {
    pub(crate) fn new(interrupter: Option<&dyn Interrupter>) -> Self {
        let thread = interrupter.map_or(0, Interrupter::current);
        Self {
            head: vec![0; HEAD_MAX],
            length: 0,
            thread,
        }
    }

    /// The head of the last reply.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(..self.length).unwrap_or_default()
    }

    /// The thread's name, for the interrupter.
    pub(crate) fn thread(&self) -> u64 {
        self.thread
    }
}

/// The call that a request makes of a file system.
pub(super) struct Running<'a, T: Transport> {
    session: &'a Arc<Session<T>>,
    call: &'a CallState,
    announced: Cell<bool>,
}

impl<'a, T: Transport> Running<'a, T> {
    pub(super) fn new(session: &'a Arc<Session<T>>, call: &'a CallState) -> Self {
        Self {
            session,
            call,
            announced: Cell::new(false),
        }
    }
}

impl<T: Transport> Call for Running<'_, T> {
    fn interrupted(&self) -> bool {
        self.call.cancelled.load(Ordering::Relaxed)
    }

    fn about_to_block(&self) {
        if !self.announced.replace(true) {
            self.session.hand_over();
        }
    }
}

impl<T: Transport> Session<T> {
    pub(super) fn run(
        self: &Arc<Self>,
        mut work: Work<T::Exchange>,
        dialect: Option<Dialect>,
        msize: u32,
        scratch: &mut Scratch,
    ) -> Done<T::Exchange> {
        let call = work.call.clone();
        call.thread.store(scratch.thread, Ordering::Relaxed);
        let running = Running::new(self, &call);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let dialect = dialect.ok_or(Errno::EPROTO)?;
            self.perform(&mut work, dialect, msize, &running)
        }))
        .unwrap_or_else(|_| {
            error!(
                message = name_of(work.kind),
                "a request panicked; this is a defect of the server"
            );
            Err(Errno::EIO)
        });
        call.thread.store(0, Ordering::Relaxed);

        let cancelled = call.cancelled.load(Ordering::Relaxed);
        if let Err(errno) = &outcome {
            report(self.id, work.kind, *errno);
        }
        let answer = outcome
            .as_ref()
            .map(|outcome| &outcome.answer)
            .map_err(|errno| *errno);
        let interrupted = cancelled && matches!(answer, Err(Errno::EINTR));
        let wire = dialect.unwrap_or(Dialect::L);
        scratch.length = raise(work.kind, work.tag, wire, answer, &mut scratch.head);
        let payload = match answer {
            Ok(Answer::Count(count)) if work.kind != kind::TWRITE => *count as usize,
            _ => 0,
        };
        if scratch.length + payload > work.exchange.reply_room().min(msize as usize) {
            // Only a text can be longer than what the client takes.
            let answer = Err(Errno::EMSGSIZE);
            scratch.length = raise(work.kind, work.tag, wire, answer, &mut scratch.head);
        }
        let (state, retry) = match outcome {
            Ok(Outcome { state, retry, .. }) => (state, retry),
            Err(_) => (None, None),
        };
        Done {
            work,
            interrupted,
            state,
            retry,
        }
    }

    fn perform(
        &self,
        work: &mut Work<T::Exchange>,
        dialect: Dialect,
        msize: u32,
        call: &dyn Call,
    ) -> Result<Outcome, Errno> {
        if let Some(errno) = work.refused {
            return Err(errno);
        }
        let (_, message) =
            Tmessage::decode(dialect, work.exchange.head()).map_err(|error| match error {
                DecodeError::UnknownKind(_) => Errno::EOPNOTSUPP,
                error => {
                    debug!(session = self.id, "bad message: {error}");
                    Errno::EPROTO
                }
            })?;
        let op = lower(&message)?;
        let request = ops::Request {
            shared: &self.shared,
            session: self.id,
            opens: &self.opens,
            directories: &self.directories,
            xattrs: &self.xattrs,
            locks: &self.locks,
            msize,
            call,
            unknown: lower::unknown_fid(work.kind),
            walks_itself: matches!(&message, Tmessage::Walk(walk) if walk.fid == walk.newfid),
            fid: work.operands[0].fid(),
            second: work.operands[1].fid(),
        };
        match op {
            // The payload lies in the exchange, which the message borrows from: these have
            // nothing borrowed.
            lower::Op::Read { offset, count } => request.read(&mut work.exchange, offset, count),
            lower::Op::Write { offset, count } => request.write(&mut work.exchange, offset, count),
            lower::Op::List { offset, count } => request.list(&mut work.exchange, offset, count),
            op => request.perform(op),
        }
    }
}

/// Says what went wrong, once a second at most where it is the host's fault.
fn report(session: u64, message: u8, errno: Errno) {
    static FAILURES: Rarely = Rarely::new();

    let message = name_of(message).unwrap_or("unknown");
    if errno == Errno::EIO || errno == Errno::ENOMEM || errno == Errno::ENFILE {
        if FAILURES.due(Instant::now()).is_some() {
            error!(session, "{message} failed on the host: {errno}");
        }
    } else {
        debug!(session, "{message} answered {errno:?}");
    }
}

/// What clients that get small messages are told of.
static HINTS: Rarely = Rarely::new();

/// Answers a `Tversion`: the reply's length, and what was agreed on, if anything was.
pub(super) fn version(
    tag: u16,
    head: &[u8],
    limits: &Limits,
    reply: &mut [u8],
) -> (usize, Option<(Dialect, u32)>) {
    let message = Tmessage::decode(Dialect::L, head);
    let (answer, agreed) = match message {
        Ok((_, Tmessage::Version(asked))) => {
            let dialect = Dialect::from_version(asked.version).filter(|d| *d == Dialect::L);
            match dialect {
                None => (
                    Rmessage::from(Rversion {
                        msize: asked.msize,
                        version: b"unknown",
                    }),
                    None,
                ),
                Some(_) if asked.msize < MSIZE_MIN => (error_of(Errno::EMSGSIZE), None),
                Some(dialect) => {
                    let msize = asked.msize.min(limits.msize);
                    if msize <= MSIZE_SLOW && HINTS.due(Instant::now()).is_some() {
                        let cure = if limits.msize > MSIZE_SLOW {
                            format!("mount with msize={}", limits.msize)
                        } else {
                            format!("the server grants no more than {}", limits.msize)
                        };
                        info!(
                            "a client asked for messages of {} bytes and got {msize}: large \
                             reads and writes will be slow; {cure}",
                            asked.msize
                        );
                    }
                    let version = dialect.version_string();
                    (
                        Rmessage::from(Rversion { msize, version }),
                        Some((dialect, msize)),
                    )
                }
            }
        }
        _ => (error_of(Errno::EPROTO), None),
    };
    (answer.encode(Dialect::L, tag, reply).unwrap_or(0), agreed)
}

fn error_of(errno: Errno) -> Rmessage<'static> {
    Rmessage::from(Rlerror { ecode: errno.raw() })
}
