//! The process of a device: it takes one VMM after the other and gives each a process of its own.
//!
//! A VMM can make the process that serves it die, for example by taking away memory that it shared.
//! That harms nobody but this VMM.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tracing::{debug, error, info, warn};

use super::process::{Ending, Process};
use super::{Device, connection};
use crate::failure::reason;
use crate::serve::PATIENCE;
use crate::serve::clients::{Clients, End};

/// How much longer than its clients a process may take to end.
const MERCY: Duration = Duration::from_secs(2);

/// Serves VMMs until `stop` can be read, or the first has gone if it is to be the only one.
pub(super) fn run(device: &Device<'_>, stop: &OwnedFd) -> u8 {
    let mut clients = Clients::of("vhost-user socket", &device.socket.socket, stop);
    loop {
        let vmm = match clients.next() {
            Ok(vmm) => vmm,
            Err(End::Told) => return 0,
            Err(End::Failed) => return 1,
        };
        let mut keep: Vec<_> = device.directories().collect();
        keep.push(vmm.as_fd());
        let started = Process::start(&device.config.label, &keep, || {
            connection::run(device, &vmm)
        });
        drop(vmm);
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                clients.complain(|| format!("no process can be started: {}", reason(&error)));
                clients.pause();
                continue;
            }
        };
        debug!("a VMM connected");
        if !ends_before(&process, stop) {
            process.ask_to_end();
            process.end_within(PATIENCE + MERCY);
        }
        let ending = process.wait();
        tell(ending);
        if device.once {
            return u8::from(ending != Ending::Well);
        }
        if ending != Ending::Well {
            // Whoever breaks the protocol again and again shall not fill the log.
            clients.pause();
        }
    }
}

/// Whether the process ends before it is time to stop.
fn ends_before(process: &Process, stop: &OwnedFd) -> bool {
    loop {
        let mut fds = [
            PollFd::new(process, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        // If it fails, it is called again.
        let _ = poll(&mut fds, None);
        match fds.map(|fd| !fd.revents().is_empty()) {
            [true, _] => return true,
            [_, true] => return false,
            _ => {}
        }
    }
}

fn tell(ending: Ending) {
    match ending {
        Ending::Well => info!("the VMM has gone"),
        // The process has told why.
        Ending::Failed => {}
        Ending::Killed(libc::SIGBUS) => warn!(
            "the VMM took away guest memory that it had shared: its connection has ended (SIGBUS)"
        ),
        Ending::Killed(signal) => {
            error!("the process that served the VMM was killed by signal {signal}");
        }
    }
}
