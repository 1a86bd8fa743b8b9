//! The process of a device: it takes one VMM after the other and gives each a process of its own.
//!
//! A VMM can make the process that serves it die, for example by taking away memory that it shared,
//! or hang in a call that the host never ends. That harms nobody but this VMM.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tracing::{debug, error, info, warn};

use super::leftovers::Leftovers;
use super::pace::Pace;
use super::process::{Ending, Process};
use super::{Device, connection};
use crate::failure::reason;
use crate::serve::PATIENCE;
use crate::serve::clients::{Clients, End};
use crate::serve::event::happens;
use crate::serve::sandbox::seccomp::Role;

/// How much longer than its clients a process may take to end.
const MERCY: Duration = Duration::from_secs(2);

/// More than [`run`] takes when it is time to stop: its last process's time to end in order, then to
/// die.
pub(super) const LONGEST_END: Duration = Duration::from_secs(12);

/// Serves VMMs until `stop` can be read, or the first has gone if it is to be the only one.
pub(super) fn run(device: &Device<'_>, stop: &OwnedFd) -> u8 {
    if let Err(why) = device.plan.seccomp().enter(Role::Acceptor) {
        error!("seccomp: {why}");
        return 1;
    }
    let mut clients = Clients::of(
        "vhost-user socket",
        &device.socket.socket,
        stop,
        device.plan.peers(),
    );
    let mut leftovers = Leftovers::default();
    let mut pace = Pace::default();
    loop {
        if !leftovers.make_room(stop) {
            return leftovers.status();
        }
        let vmm = match clients.next() {
            Ok(vmm) => vmm,
            Err(End::Told) => return leftovers.status(),
            Err(End::Failed) => return 1,
        };
        match speaks(&vmm, stop) {
            Some(true) => {}
            Some(false) => continue,
            None => return leftovers.status(),
        }
        if happens(stop, pace.take(Instant::now())) {
            return leftovers.status();
        }
        let mut keep: Vec<_> = device.descriptors().collect();
        keep.push(vmm.as_fd());
        let started = Process::start(&device.config.label, &keep, || {
            connection::run(device, &vmm)
        });
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                clients.complain(|| format!("no process can be started: {}", reason(&error)));
                clients.pause();
                continue;
            }
        };
        debug!("a VMM connected");
        let ending = serve(process, &vmm, stop);
        // If the process has not ended, it may still hold the socket.
        let _ = shutdown(&vmm, Shutdown::Both);
        drop(vmm);
        let well = matches!(ending, Ok(Ending::Well));
        match ending {
            Ok(ending) => tell(ending),
            Err(process) => {
                error!(
                    "the process that served the VMM hangs in a call of the host, and is left \
                     behind with the guest's memory"
                );
                leftovers.add(process);
            }
        }
        if device.once {
            return match leftovers.status() {
                0 => u8::from(!well),
                left => left,
            };
        }
    }
}

/// Waits until the VMM has gone, the process has ended or it is time to stop. How the process ended;
/// itself, if nothing ends it.
fn serve(process: Process, vmm: &OwnedFd, stop: &OwnedFd) -> Result<Ending, Process> {
    let events = [
        PollFd::new(&process, PollFlags::IN),
        PollFd::new(vmm, PollFlags::RDHUP),
    ];
    if let First::Stop = wait(&events, stop) {
        process.ask_to_end();
    }
    match process.end_within(PATIENCE + MERCY) {
        true => Ok(process.wait()),
        false => Err(process),
    }
}

/// Waits until the VMM says something; `false` if it goes without a word, as do programs that want
/// to see whether the socket is served. None: it is time to stop.
fn speaks(vmm: &OwnedFd, stop: &OwnedFd) -> Option<bool> {
    match wait(&[PollFd::new(vmm, PollFlags::IN)], stop) {
        First::Event => {
            let heard = recv(vmm, &mut [0; 1][..], RecvFlags::PEEK);
            Some(heard.is_ok_and(|(_, length)| length > 0))
        }
        First::Stop => None,
    }
}

/// What comes first.
enum First {
    Event,
    Stop,
}

/// Waits until one of these has what it is polled for or is broken, or it is time to stop.
fn wait(events: &[PollFd<'_>], stop: &OwnedFd) -> First {
    let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
    fds.extend_from_slice(events);
    loop {
        // If it fails, it is called again.
        let _ = poll(&mut fds, None);
        let mut seen = fds.iter().map(|fd| !fd.revents().is_empty());
        if seen.next() == Some(true) {
            return First::Stop;
        }
        if seen.any(|seen| seen) {
            return First::Event;
        }
    }
}

fn tell(ending: Ending) {
    match ending {
        Ending::Well => info!("the VMM has gone"),
        // Where it could, the process has told why.
        Ending::Failed | Ending::LeftSome => {}
        Ending::Killed(libc::SIGBUS) => warn!(
            "the VMM took away guest memory that it had shared: its connection has ended (SIGBUS)"
        ),
        Ending::Killed(signal) => {
            error!("the process that served the VMM was killed by signal {signal}");
        }
    }
}
