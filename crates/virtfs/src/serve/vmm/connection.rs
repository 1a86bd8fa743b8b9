//! The process of a connected VMM: a server of its own, behind a virtio-9p device.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{Shutdown, shutdown};
use tracing::{error, warn};
use virtfs_device::vhost_user::{self, Connection};

use super::Device;
use crate::failure::{Doing, Failure};
use crate::serve::PATIENCE;
use crate::serve::event::{Event, LastOne};
use crate::serve::export::OpenExport;
use crate::serve::sandbox;
use crate::serve::sandbox::seccomp::Role;
use crate::signals::{First, Signals};

/// Serves the VMM until it hangs up, or SIGTERM comes.
pub(super) fn run(device: &Device<'_>, vmm: &OwnedFd) -> u8 {
    match serve(device, vmm) {
        Ok(Ok(())) => return 0,
        Ok(Err(broken)) => warn!("{broken}"),
        Err(failed) => error!("{failed}"),
    }
    1
}

/// How the connection ended, if the host did not fail.
fn serve(device: &Device<'_>, vmm: &OwnedFd) -> Result<Result<(), vhost_user::Error>, Failure> {
    // While there is one thread. What a guest could do to this process ends here, not at others.
    if device.plan.landlock()
        && let Err(why) = sandbox::narrow(device.exports)
    {
        let text = format!("the process cannot be kept inside its exports: {why}");
        return Err(Failure::new(text));
    }
    if let Err(why) = device.plan.seccomp().enter(Role::Vmm) {
        return Err(Failure::new(format!("seccomp: {why}")));
    }
    #[cfg(feature = "escape-hook")]
    crate::serve::escape::start(crate::cli::EscapeHook::Vmm);
    let signals = Signals::sigterm().doing(|| "signals cannot be set up")?;
    let exports: io::Result<_> = device.exports.iter().map(twin).collect();
    let server = device
        .plan
        .start(exports.doing(|| "too few descriptors")?)?;
    let core = virtfs_device::Device::new(server, device.tag().clone());
    // What it came with stays here, to see whether the VMM is still there.
    let socket = fcntl_dupfd_cloexec(vmm, 3).doing(|| "too few descriptors")?;
    let connection = Connection::new(UnixStream::from(socket), core)
        .doing(|| "the VMM's connection cannot be served")?;
    let stopper = connection.stopper().doing(|| "too few descriptors")?;

    let over = Arc::new(Event::new().doing(|| "the end cannot be waited for")?);
    let told = LastOne::tells(&over);
    // This thread stays out of the work: the kernel forgets to end a process with its parent when
    // its first thread becomes another user.
    let run = move || {
        // Told even if it panics.
        let _told = told;
        connection.run()
    };
    let thread = std::thread::Builder::new()
        .name("vhost-user".into())
        .spawn(run)
        .doing(|| "threads cannot be started")?;
    let events = [
        PollFd::new(&over, PollFlags::IN),
        PollFd::new(vmm, PollFlags::RDHUP),
    ];
    let first = signals
        .wait_for_any(&events)
        .doing(|| "signals cannot be waited for")?;
    if let First::Signal(_) = first {
        stopper.stop();
    }
    // The thread may be in a call that the host never ends, when the VMM has gone too.
    if !over.wait(PATIENCE) {
        warn!("the host keeps some requests: they are left behind");
        let _ = shutdown(vmm, Shutdown::Both);
        return Ok(Ok(()));
    }
    // It has told where.
    let panicked = |_| Failure::new("the device broke down");
    thread.join().map_err(panicked)
}

/// The process leaves without closing anything, so what is served gets a descriptor of its own.
fn twin(export: &OpenExport) -> io::Result<OpenExport> {
    Ok(OpenExport {
        name: export.name.clone(),
        aname: export.aname.clone(),
        dir: export.dir.try_clone()?,
        readonly: export.readonly,
        ownership: export.ownership.clone(),
    })
}
