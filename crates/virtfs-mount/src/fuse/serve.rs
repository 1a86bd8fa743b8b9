//! The threads that read requests and have them handled.
//!
//! [`Queue`] says who reads. An `INTERRUPT` is answered by the thread that read it, before it reads
//! on; everything else goes to the handler. Memory: one buffer a thread, of the largest write, and
//! what the queue parks.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::Instant;

use rustix::io::Errno;

use super::abi;
use super::device::Device;
use super::init::Agreed;
use super::interrupts::Interrupts;
use super::parse::{self, Refused};
use super::queue::{Fate, Interrupted, Queue};
use super::reply::Reply;
use super::request::{Op, Request};
use super::session::Handler;

/// Serves `threads` requests side by side until the device is dead. `give_up` is called when reading
/// fails or a thread cannot be had, and must make it so.
pub(super) fn serve<H: Handler + ?Sized>(
    device: &Arc<Device>,
    agreed: Agreed,
    handler: &H,
    threads: usize,
    give_up: &(dyn Fn() + Sync),
) -> io::Result<()> {
    let threads = threads.max(1);
    let server = Server {
        device,
        agreed,
        handler,
        queue: Queue::new(threads + 1),
        interrupts: Interrupts::default(),
        ended: AtomicBool::new(false),
        failure: Mutex::new(None),
        give_up,
    };
    thread::scope(|scope| {
        server.spawn(scope, "fuse-interrupts".to_owned(), |server| {
            server.interrupts.run(server.device);
        });
        for number in 0..threads {
            server.spawn(scope, format!("fuse-{number}"), Server::read);
        }
        server.read();
    });
    match server
        .failure
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
    {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Server<'a, H: ?Sized> {
    device: &'a Arc<Device>,
    agreed: Agreed,
    handler: &'a H,
    queue: Queue,
    interrupts: Interrupts,
    ended: AtomicBool,
    /// The first failure.
    failure: Mutex<Option<io::Error>>,
    give_up: &'a (dyn Fn() + Sync),
}

impl<H: Handler + ?Sized> Server<'_, H> {
    fn spawn<'s>(&'s self, scope: &'s Scope<'s, '_>, name: String, work: fn(&Self)) {
        let thread = thread::Builder::new().name(name);
        if let Err(error) = thread.spawn_scoped(scope, move || work(self)) {
            self.fail(error);
        }
    }

    /// A thread's whole life.
    fn read(&self) {
        // The kernel wants room for the largest write and its two headers.
        let size = (self.agreed.max_write as usize + 4096).max(abi::MIN_READ_BUFFER);
        let mut buffer = vec![0; size];
        loop {
            match self.device.receive(&mut buffer) {
                Ok(len) => self.arrived(buffer.get(..len).unwrap_or_default()),
                Err(Errno::NODEV) => return self.end(),
                Err(error) => {
                    self.fail(error.into());
                    return self.end();
                }
            }
        }
    }

    fn arrived(&self, bytes: &[u8]) {
        let Some(header) = parse::header(bytes) else {
            tracing::warn!(len = bytes.len(), "the kernel sent less than a header");
            return;
        };
        match header.opcode {
            abi::INTERRUPT => return self.interrupt(header.unique, bytes),
            abi::DESTROY => return self.device.answer(header.unique, &[]),
            // To a question we never ask; has no answer.
            abi::NOTIFY_REPLY => return,
            _ => {}
        }
        match self.queue.arrived(bytes) {
            Fate::Serve => {
                self.handle(bytes);
                while let Some(parked) = self.queue.next() {
                    self.handle(&parked);
                }
            }
            Fate::Parked => {}
            Fate::AtOnce => self.parsed(bytes, |request, reply| {
                self.handler.handle_at_once(request, reply);
            }),
            Fate::TooMuch => {
                tracing::warn!("requests wait with more data than the budget has");
                self.device
                    .refuse(header.unique, Errno::NOMEM.raw_os_error());
            }
        }
    }

    fn interrupt(&self, unique: u64, bytes: &[u8]) {
        let Some(request) = parse::interrupted(bytes) else {
            return tracing::warn!("the kernel sent a short INTERRUPT");
        };
        let known = match self.queue.interrupt(request, Instant::now()) {
            Interrupted::Later => false,
            Interrupted::TakenBack => {
                self.device.refuse(request, Errno::INTR.raw_os_error());
                true
            }
            Interrupted::NotParked => guarded(|| self.handler.interrupt(request)).unwrap_or(true),
        };
        if !known {
            self.interrupts.again(unique);
        }
    }

    fn handle(&self, bytes: &[u8]) {
        self.parsed(bytes, |request, reply| self.handler.handle(request, reply));
    }

    fn parsed(&self, bytes: &[u8], handle: impl FnOnce(Request<'_>, Reply)) {
        let Some(header) = parse::header(bytes) else {
            return;
        };
        let has_answer = !matches!(header.opcode, abi::FORGET | abi::BATCH_FORGET);
        let reply = if has_answer {
            Reply::new(header.unique, Arc::clone(self.device))
        } else {
            Reply::none(header.unique)
        };
        match parse::parse(bytes, &header, &self.agreed) {
            Ok(request) => match request.op {
                Op::Unsupported { opcode } => {
                    tracing::debug!(opcode, "the kernel asked for what is not done here");
                    reply.error(Errno::NOSYS.raw_os_error());
                }
                _ => {
                    guarded(|| handle(request, reply));
                }
            },
            Err(Refused { opcode, errno, .. }) => {
                tracing::debug!(opcode, %errno, "a request was not understood");
                reply.error(errno.raw_os_error());
            }
        }
    }

    fn end(&self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.queue.clear();
            self.interrupts.close();
            guarded(|| self.handler.ended());
        }
    }

    fn fail(&self, error: io::Error) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        (self.give_up)();
    }
}

/// A handler that panics loses its request, not the session a thread.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work));
    if result.is_err() {
        tracing::error!("a request's handler panicked");
    }
    result.ok()
}
