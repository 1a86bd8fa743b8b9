//! Serving virtual machines: vhost-user devices, each by a process of its own.
//!
//! The first process starts an [`acceptor`] for each device; it takes one VMM after the other and
//! starts a process for each, its [`connection`]. All are forked from processes with one thread that
//! are in the sandbox already; a connection enters one of its own inside it, so that it can do nothing
//! to the others. Each ends when the one that started it has.

mod acceptor;
mod config;
mod connection;
mod leftovers;
mod pace;
mod process;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};
use tracing::error;
use virtfs_device::Tag;

pub(super) use self::config::{DeviceAddress, DeviceConfig};

pub(super) use self::process::Ending;
use self::process::Process;
use super::config::Config;
use super::event::LastOne;
use super::export::OpenExport;
use super::plan::Plan;
use crate::failure::{Doing, Failure};

/// A socket that VMMs connect to.
#[derive(Debug)]
pub(super) struct DeviceSocket {
    /// It listens and does not block.
    pub(super) socket: OwnedFd,
    /// Where it is, if that is known.
    pub(super) path: Option<PathBuf>,
}

/// A device to serve.
#[derive(Debug)]
pub(super) struct Device<'s> {
    config: &'s DeviceConfig,
    socket: &'s DeviceSocket,
    /// The first is what guests reach who name none.
    pub(super) exports: &'s [OpenExport],
    plan: Plan,
    once: bool,
}

impl<'s> Device<'s> {
    /// All devices of a configuration, with the sockets that were made for them.
    pub(super) fn all(
        config: &'s Config,
        sockets: &'s [DeviceSocket],
        exports: &'s [OpenExport],
        plan: impl Fn(usize) -> Plan,
    ) -> Vec<Self> {
        let devices = config.devices.iter().zip(sockets);
        let one = |device: &DeviceConfig| exports.get(device.export?..)?.get(..1);
        devices
            .map(|(device, socket)| {
                let served = one(device).unwrap_or(exports);
                Self {
                    config: device,
                    socket,
                    exports: served,
                    plan: plan(served.len()),
                    once: config.once,
                }
            })
            .collect()
    }

    pub(super) fn tag(&self) -> &'s Tag {
        &self.config.tag
    }

    /// Where its socket is, if that is known.
    pub(super) fn path(&self) -> Option<&'s Path> {
        self.socket.path.as_deref()
    }

    /// What users are told about it first.
    pub(super) fn announcement(&self) -> String {
        let tag = String::from_utf8_lossy(self.tag().as_bytes());
        format!("device {tag} listens for VMMs at {}", self.config.at)
    }

    /// The descriptors that it takes to serve.
    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let directories = self.exports.iter().map(|export| export.dir.as_fd());
        let proc = virtfs_local::proc_in_use();
        directories.chain(self.plan.descriptors()).chain(proc)
    }
}

/// The processes of all devices. When it is dropped they are told to end; they are killed when this
/// process ends first.
#[derive(Debug)]
pub(super) struct Devices {
    processes: Vec<(String, Process)>,
    /// The other ends are closed when this process ends, or drops them.
    alive: Vec<OwnedFd>,
}

impl Devices {
    /// Starts them, from a process that is in the sandbox and has one thread.
    pub(super) fn start(devices: &[Device<'_>]) -> Result<Self, Failure> {
        let mut started = Self {
            processes: Vec::new(),
            alive: Vec::new(),
        };
        for device in devices {
            let (process, alive) = start(device).doing(|| "a process cannot be started")?;
            started
                .processes
                .push((device.config.label.clone(), process));
            started.alive.push(alive);
        }
        Ok(started)
    }

    /// Starts to look after them. Each holds `last` while it can be attached.
    pub(super) fn watch(self, last: &Arc<LastOne>) -> io::Result<Watched> {
        let mut watched = Watched {
            alive: self.alive,
            processes: Vec::new(),
            watchers: Vec::new(),
        };
        for (label, process) in self.processes {
            let process = Arc::new(process);
            watched.processes.push(process.clone());
            let last = last.clone();
            let thread = thread::Builder::new().name("device".into());
            let watch = move || {
                let ending = process.wait();
                if let Ending::Killed(signal) = ending {
                    error!(
                        "{label}: its process was killed by signal {signal}: the device is gone"
                    );
                }
                drop(last);
                ending
            };
            watched.watchers.push(thread.spawn(watch)?);
        }
        Ok(watched)
    }
}

/// Devices that are looked after.
#[derive(Debug)]
pub(super) struct Watched {
    alive: Vec<OwnedFd>,
    processes: Vec<Arc<Process>>,
    watchers: Vec<JoinHandle<Ending>>,
}

impl Watched {
    /// Has them finish what they do.
    pub(super) fn stop(&mut self) {
        self.alive.clear();
    }

    /// Waits until they have ended, when they were told to: no longer than their own patience with
    /// others lasts. How the worst of them ended.
    pub(super) fn wait(self) -> Ending {
        let limit = Instant::now() + acceptor::LONGEST_END;
        for process in &self.processes {
            if !process.end_within(limit.saturating_duration_since(Instant::now())) {
                error!("the process of a device does not end: it is left behind");
                return Ending::LeftSome;
            }
        }
        let ended = self.watchers.into_iter().map(JoinHandle::join);
        let ended = ended.map(|ended| ended.unwrap_or(Ending::Failed));
        ended.max().unwrap_or(Ending::Well)
    }
}

fn start(device: &Device<'_>) -> io::Result<(Process, OwnedFd)> {
    let (stop, alive) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut keep: Vec<_> = device.descriptors().collect();
    keep.extend([device.socket.socket.as_fd(), stop.as_fd()]);
    let process = Process::start(&device.config.label, &keep, || acceptor::run(device, &stop))?;
    Ok((process, alive))
}
