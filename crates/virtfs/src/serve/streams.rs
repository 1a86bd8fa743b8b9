//! The standard streams, which a server only writes to: from a terminal, whoever took it over could
//! read what is typed there next.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::stdio;
use rustix::termios::isatty;

use super::config::Config;
use super::vmm::DeviceConfig;
use crate::cli::Address;

/// Leaves nothing to read there, as far as that can be had. What is a connection stays.
pub(super) fn close_to_reading(config: &Config) {
    let device = config.devices.iter().find_map(DeviceConfig::fd);
    let is_taken = |number| {
        let address = Address::Fd(number);
        config.listen.contains(&address) || device == Some(number)
    };
    if !is_taken(0) {
        let _ = open(c"/dev/null", OFlags::RDONLY).and_then(|null| stdio::dup2_stdin(&null));
    }
    if !is_taken(1) && isatty(stdio::stdout()) {
        let _ = open(c"/proc/self/fd/1", OFlags::WRONLY).and_then(|tty| stdio::dup2_stdout(&tty));
    }
    if !is_taken(2) && isatty(stdio::stderr()) {
        let _ = open(c"/proc/self/fd/2", OFlags::WRONLY).and_then(|tty| stdio::dup2_stderr(&tty));
    }
}

fn open(path: &std::ffi::CStr, flags: OFlags) -> Result<std::os::fd::OwnedFd, Errno> {
    openat(
        CWD,
        path,
        flags | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}
