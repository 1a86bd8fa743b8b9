//! From an address to where connections come from, and from a device's socket to where VMMs do.

mod group;
mod inherited;
mod tcp;
mod unix;

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

pub(super) use self::unix::SocketFile;

use self::group::Group;
use super::config::Config;
use super::vmm::{DeviceAddress, DeviceConfig, DeviceSocket};
use crate::cli::Address;
use crate::failure::{Doing, Failure};
use crate::sys;

/// Where connections come from.
#[derive(Debug)]
pub(super) struct Source {
    /// As the user would write it, with the real port.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// How a client gets there.
    pub(super) reach: Reach,
}

/// What there is to be served.
#[derive(Debug)]
pub(super) enum Kind {
    /// A listening socket, which does not block.
    Listener { socket: OwnedFd, is_tcp: bool },
    /// One connected socket.
    Socket(OwnedFd),
    /// One connection: where to read, where to write.
    Pair(OwnedFd, OwnedFd),
}

/// How a client gets to a source.
#[derive(Debug)]
pub(super) enum Reach {
    Unix(PathBuf),
    Tcp(SocketAddr),
    /// It holds the other end.
    Descriptor,
    /// Not in a way that Linux could mount.
    Unknown,
}

/// Everything that the process was started with and shall serve.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    sources: Vec<Source>,
    /// What `--fd` names.
    device: Option<DeviceSocket>,
}

/// Everything that was bound.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) sources: Vec<Source>,
    /// One for each device of the configuration.
    pub(super) devices: Vec<DeviceSocket>,
    /// To be removed in the end.
    pub(super) socket_files: Vec<SocketFile>,
}

/// Takes over what was inherited, before the process opens anything itself.
pub(super) fn inherit(config: &Config) -> Result<Inherited, Failure> {
    // All numbers first: what is opened from here on could get one that was not passed on.
    let mut descriptors = Vec::new();
    for address in &config.listen {
        if let Address::Fd(number) = address {
            let name = address.to_string();
            descriptors.push((inherited::take(&name, *number)?, name));
        }
    }
    let device = config.devices.iter().find_map(DeviceConfig::fd);
    let device = match device {
        Some(number) => {
            let name = format!("--fd {number}");
            Some((inherited::take(&name, number)?, name))
        }
        None => None,
    };
    // What nobody named is of no use here, and may lead anywhere.
    let named = descriptors.iter().chain(&device);
    let named = named.map(|(fd, _)| fd.as_raw_fd());
    sys::close_inherited(named).doing(|| "inherited descriptors cannot be closed")?;
    let mut inherited = Inherited::default();
    for (fd, name) in descriptors {
        let source = inherited::descriptor(name, fd, config.allow_foreign_tcp)?;
        inherited.sources.push(source);
    }
    if let Some((fd, name)) = device {
        inherited.device = Some(inherited::device(&name, fd)?);
    }
    if config.listen.contains(&Address::Stdio) {
        inherited.sources.push(inherited::stdio()?);
    }
    Ok(inherited)
}

/// Binds the rest. What was bound before a failure is removed again.
pub(super) fn bind(config: &Config, inherited: Inherited) -> Result<Bound, Failure> {
    let mut bound = Bound {
        sources: inherited.sources,
        ..Bound::default()
    };
    let done = bind_all(config, inherited.device, &mut bound);
    if done.is_err() {
        bound.socket_files.iter().for_each(SocketFile::remove);
    }
    done.map(|()| bound)
}

fn bind_all(
    config: &Config,
    mut inherited: Option<DeviceSocket>,
    bound: &mut Bound,
) -> Result<(), Failure> {
    let group = config
        .socket_group
        .as_deref()
        .map(Group::find)
        .transpose()?;
    for address in &config.listen {
        match address {
            Address::Unix(path) => {
                let (source, file) = unix::bind(path, group.as_ref())?;
                bound.sources.push(source);
                bound.socket_files.push(file);
            }
            Address::Tcp(host, port) => {
                let source = tcp::bind(host, *port, config.allow_foreign_tcp)?;
                bound.sources.push(source);
            }
            Address::Fd(_) | Address::Stdio => {}
        }
    }
    for device in &config.devices {
        let socket = match &device.at {
            DeviceAddress::Path(path) => {
                let made = unix::make(path, group.as_ref())?;
                bound.socket_files.push(made.file);
                DeviceSocket {
                    socket: made.socket,
                    path: Some(made.path),
                }
            }
            DeviceAddress::Fd(number) => inherited
                .take()
                .ok_or_else(|| Failure::new(format!("--fd {number}: another device has it")))?,
        };
        bound.devices.push(socket);
    }
    Ok(())
}
