//! A mounted file system: from `mount` to the last thread's end.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::device::Device;
use super::init::{self, Agreed};
use super::mount;
use super::options::KernelOptions;
use super::read_ahead;
use super::reply::Reply;
use super::request::Request;
use super::serve::serve;
use super::unmount::Unmounter;

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Called by one of the session's threads; may wait for the server, should keep the reply aside
    /// when it must wait for anything else (a lock). The reply to a `Forget` is of no effect.
    fn handle(&self, request: Request<'_>, reply: Reply);

    /// The process that waits for request `unique` got a signal: answer it soon (EINTR), if it can
    /// be. Must not wait. False: not known (yet, or any more); the kernel is then made to ask again
    /// some milliseconds later, as long as the request is not answered.
    fn interrupt(&self, unique: u64) -> bool;

    /// As [`handle`](Self::handle), of a request that gives up what its process holds (`Flush`, the
    /// release of a lock) when every other thread is busy, by the one that must go on reading: must
    /// not wait. The process may be ending, and no signal ends its wait.
    fn handle_at_once(&self, request: Request<'_>, reply: Reply);

    /// The mount is gone: let go of everything that a thread still waits for.
    fn ended(&self) {}
}

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Session {
    device: Arc<Device>,
    agreed: Agreed,
    unmounter: Unmounter,
}

impl Session {
    /// Mounts on a directory and agrees with the kernel on a version: by mount(2) as root, else with
    /// the help of `fusermount3`.
    ///
    /// Nothing that looks at the mount gets an answer before [`run`](Self::run).
    pub(crate) fn mount(mountpoint: &Path, options: &KernelOptions) -> io::Result<Self> {
        let mountpoint = mount::directory(mountpoint)?;
        let (fd, way) = mount::mount(&mountpoint, options)?;
        let device = Arc::new(Device::new(fd));
        let unmounter = Unmounter::new(mountpoint.clone(), way, &device);
        match init::handshake(&device, options) {
            Ok(agreed) => {
                read_ahead::widen(&mountpoint, options.max_read);
                Ok(Self {
                    device,
                    agreed,
                    unmounter,
                })
            }
            Err(error) => {
                let _ = unmounter.unmount();
                Err(error)
            }
        }
    }

    /// Serves `threads` requests side by side, until the file system is unmounted and all that the
    /// handler does has ended.
    pub(crate) fn run<H: Handler + ?Sized>(
        &self,
        handler: &Arc<H>,
        threads: usize,
    ) -> io::Result<()> {
        let give_up = || {
            if let Err(error) = self.unmount() {
                tracing::error!(%error, "cannot unmount");
            }
        };
        serve(&self.device, self.agreed, &**handler, threads, &give_up)
    }

    /// To unmount from elsewhere (when a signal says so).
    pub(crate) fn unmounter(&self) -> Unmounter {
        self.unmounter.clone()
    }

    /// As [`Unmounter::unmount`].
    pub(crate) fn unmount(&self) -> io::Result<()> {
        self.unmounter.unmount()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            tracing::warn!(%error, "cannot unmount");
        }
    }
}
