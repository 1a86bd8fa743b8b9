//! What was typed about devices, and what it means.

use std::collections::HashSet;
use std::os::fd::RawFd;
use std::path::PathBuf;

use virtfs_device::Tag;

use crate::cli::{DeviceSpec, ServeArgs};
use crate::failure::Failure;
use crate::serve::config::ExportConfig;
use crate::serve::tagged::TaggedShares;

/// The mount tag of `--socket-path` and `--fd`.
const DEFAULT_TAG: &str = "virtfs";

/// A device to be.
#[derive(Debug)]
pub(in crate::serve) struct DeviceConfig {
    pub(in crate::serve) at: DeviceAddress,
    pub(in crate::serve) tag: Tag,
    /// What the log calls it: its tag, and its socket too if others have the same tag.
    pub(super) label: String,
    /// Its place among the exports; `None`: the device serves all.
    pub(in crate::serve) export: Option<usize>,
}

/// Where VMMs connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::serve) enum DeviceAddress {
    Path(PathBuf),
    Fd(RawFd),
}

impl DeviceConfig {
    /// The devices that are asked for.
    pub(in crate::serve) fn all(
        args: &ServeArgs,
        exports: &[ExportConfig],
        tags: &TaggedShares,
    ) -> Result<Vec<Self>, Failure> {
        let path = args.socket_path.clone().map(DeviceAddress::Path);
        let the_one = path.or(args.fd.map(DeviceAddress::Fd));
        if the_one.is_none() && args.tag.is_some() {
            return Err(Failure::usage(
                "--tag needs the device that it names: --socket-path SOCK (or, for one of several \
                 devices, write --vhost-user SOCK,tag=TAG)",
            ));
        }
        let mut devices = Vec::new();
        if let Some(at) = the_one {
            let tag = tags.only(args.tag.as_deref(), exports)?;
            devices.push(Self::new(at, tag.unwrap_or(DEFAULT_TAG), None)?);
        }
        for spec in &args.vhost_user {
            let export = tags.export_of(spec, spec.export_among(exports)?)?;
            let at = DeviceAddress::Path(spec.path.clone());
            devices.push(Self::new(at, &spec.tag, export)?);
        }
        if args.once && devices.is_empty() {
            return Err(Failure::usage(
                "--once is for devices: it needs --socket-path, --fd or --vhost-user",
            ));
        }
        if args.listen.is_empty() {
            tags.all_are_reached(devices.iter().map(|device| device.export))?;
        }
        let mut seen = HashSet::new();
        if let Some(twice) = devices.iter().find(|device| !seen.insert(&device.at)) {
            return Err(Failure::usage(format!(
                "two devices have the socket {}: each needs its own",
                twice.at
            )));
        }
        let tags: Vec<_> = devices.iter().map(|device| device.tag.clone()).collect();
        for device in &mut devices {
            if tags.iter().filter(|tag| **tag == device.tag).count() > 1 {
                device.label = format!("{} at {}", device.label, device.at);
            }
        }
        Ok(devices)
    }

    fn new(at: DeviceAddress, tag: &str, export: Option<usize>) -> Result<Self, Failure> {
        // Guests show it in a file that ends its lines.
        if tag.contains(char::is_control) {
            return Err(Failure::usage("a tag has no control characters"));
        }
        let refused = |why| Failure::usage(format!("the tag has {} bytes: {why}", tag.len()));
        Ok(Self {
            at,
            tag: Tag::new(tag).map_err(refused)?,
            label: tag.into(),
            export,
        })
    }

    /// The descriptor that it is to take over.
    pub(in crate::serve) fn fd(&self) -> Option<RawFd> {
        match self.at {
            DeviceAddress::Fd(number) => Some(number),
            DeviceAddress::Path(_) => None,
        }
    }
}

impl DeviceSpec {
    fn export_among(&self, exports: &[ExportConfig]) -> Result<Option<usize>, Failure> {
        let Some(wanted) = self.export.as_deref() else {
            return Ok(None);
        };
        let mut names = exports.iter().map(|export| export.name.as_deref());
        if let Some(place) = names.position(|name| name == Some(wanted)) {
            return Ok(Some(place));
        }
        let names: Vec<_> = exports.iter().filter_map(|e| e.name.as_deref()).collect();
        let known = match names.is_empty() {
            true => "none has a name; give it one with --export NAME=DIR".into(),
            false => format!("there is {}", names.join(", ")),
        };
        Err(Failure::usage(format!(
            "--vhost-user {}: no export is called '{wanted}': {known}",
            self.path.display()
        )))
    }
}

impl std::fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Fd(number) => write!(f, "fd:{number}"),
        }
    }
}
