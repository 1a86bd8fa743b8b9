//! Processes that did not even die, because they sleep in a call that the host does not end.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use tracing::{error, info};

use super::process::{LEFT_SOME, Process};

/// How many there may be. Each holds memory of its guest, and what it has open.
const MOST: usize = 16;

/// Those that are left behind until the host lets them go.
#[derive(Debug, Default)]
pub(super) struct Leftovers(Vec<Process>);

impl Leftovers {
    /// Leaves one behind.
    pub(super) fn add(&mut self, process: Process) {
        self.0.push(process);
    }

    /// The status of a process that has these.
    pub(super) fn status(&mut self) -> u8 {
        self.reap();
        match self.0.is_empty() {
            true => 0,
            false => LEFT_SOME as u8,
        }
    }

    /// Forgets those that have ended, and waits while there are too many. `false`: it is time to
    /// stop.
    pub(super) fn make_room(&mut self, stop: &OwnedFd) -> bool {
        self.reap();
        if self.0.len() < MOST {
            return true;
        }
        error!(
            "the host keeps {MOST} processes of VMMs that have gone: no VMM is served until it \
             lets one go"
        );
        while self.0.len() >= MOST {
            let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
            fds.extend(self.0.iter().map(|p| PollFd::new(p, PollFlags::IN)));
            // If it fails, it is called again.
            let _ = poll(&mut fds, None);
            if fds.first().is_some_and(|stop| !stop.revents().is_empty()) {
                return false;
            }
            self.reap();
        }
        info!("VMMs are served again");
        true
    }

    fn reap(&mut self) {
        self.0.retain(|process| {
            let ended = process.has_ended();
            if ended {
                process.wait();
            }
            !ended
        });
    }
}
