//! What was typed about owners, modes and attributes, and what it means.

use tracing::warn;
use virtfs_local::{
    IdMap, IdMapError, Multidevs, Options, Owner, SecurityModel, Squash, Writeout, Xattrs,
};

use crate::cli::{Devices, Model, OwnershipArgs, SquashWho, When, XattrSet};
use crate::failure::Failure;

/// Owners, modes and attributes of an export.
#[derive(Clone, Debug)]
pub(super) struct Ownership {
    pub(super) model: SecurityModel,
    pub(super) xattr: Xattrs,
    modes: [Option<u32>; 2],
    default_owner: Option<Owner>,
    maps: [IdMap; 2],
    squash: Squash,
    multidevs: Multidevs,
    writeout: Writeout,
}

impl Ownership {
    /// What the flags mean, for root or for another user.
    pub(super) fn new(args: OwnershipArgs, is_root: bool) -> Result<Self, Failure> {
        let model = match (args.security_model, is_root) {
            (Some(Model::Passthrough), _) | (None, true) => SecurityModel::Passthrough,
            (Some(Model::None), _) | (None, false) => SecurityModel::None,
            (Some(Model::MappedXattr), _) => SecurityModel::MappedXattr,
            (Some(Model::MappedFile), _) => SecurityModel::MappedFile,
        };
        let who = args.squash.unwrap_or(SquashWho::None);
        let squashes = who != SquashWho::None;
        let flags = [
            ("--fmode", args.fmode.is_some(), true),
            ("--dmode", args.dmode.is_some(), true),
            ("--default-owner", args.default_owner.is_some(), true),
            ("--uid-map", !args.uid_map.is_empty(), false),
            ("--gid-map", !args.gid_map.is_empty(), false),
            ("--squash", squashes, false),
        ];
        let misplaced =
            |(_, given, mapped): &&(_, bool, bool)| *given && *mapped != model.is_mapped();
        if let Some((flag, ..)) = flags.iter().find(misplaced) {
            let (which, what) = match model.is_mapped() {
                true => ("passthrough and none", "stores the client's own numbers"),
                false => (
                    "mapped-xattr and mapped-file",
                    "stores nothing beside files",
                ),
            };
            return Err(Failure::usage(format!(
                "{flag} is for --security-model {which}; {} {what}",
                model.name()
            )));
        }
        if args.squash_to.is_some() && !squashes {
            return Err(Failure::usage(
                "--squash-to needs to know whose files: --squash root or --squash all",
            ));
        }
        if squashes && args.squash_to.is_none() {
            return Err(Failure::usage(
                "--squash needs to know whose the files become: --squash-to UID:GID",
            ));
        }
        let squash = match (who, args.squash_to) {
            (SquashWho::Root, Some(owner)) => Squash::Root(owner),
            (SquashWho::All, Some(owner)) => Squash::All(owner),
            _ => Squash::None,
        };
        Ok(Self {
            model,
            xattr: match args.xattr {
                XattrSet::User => Xattrs::User,
                XattrSet::Security => Xattrs::Security,
                XattrSet::All => Xattrs::All,
            },
            modes: [args.fmode, args.dmode],
            default_owner: args.default_owner,
            maps: [
                id_map("--uid-map", &args.uid_map)?,
                id_map("--gid-map", &args.gid_map)?,
            ],
            squash,
            multidevs: match args.multidevs {
                None | Some(Devices::Remap) => Multidevs::Remap,
                Some(Devices::Forbid) => Multidevs::Forbid,
                Some(Devices::Warn) => Multidevs::Warn,
            },
            writeout: match args.writeout {
                None | Some(When::Later) => Writeout::Later,
                Some(When::Immediate) => Writeout::Immediate,
            },
        })
    }

    /// The same for one export; the rest is left to the caller.
    pub(super) fn options(&self) -> Options {
        let options = Options::default();
        let [fmode, dmode] = self.modes;
        let [uid_map, gid_map] = self.maps.clone();
        Options {
            model: self.model,
            fmode: fmode.unwrap_or(options.fmode),
            dmode: dmode.unwrap_or(options.dmode),
            default_owner: self.default_owner,
            uid_map,
            gid_map,
            squash: self.squash,
            multidevs: self.multidevs,
            on_other_device: Some(warn_of_devices),
            xattr: self.xattr,
            writeout: self.writeout,
            ..options
        }
    }
}

#[cfg(test)]
impl Default for Ownership {
    fn default() -> Self {
        Self {
            model: SecurityModel::Passthrough,
            xattr: Xattrs::User,
            modes: [None; 2],
            default_owner: None,
            maps: [IdMap::default(), IdMap::default()],
            squash: Squash::None,
            multidevs: Multidevs::Remap,
            writeout: Writeout::Later,
        }
    }
}

/// One map of all that was typed.
pub(super) fn id_map(flag: &str, typed: &[String]) -> Result<IdMap, Failure> {
    if typed.is_empty() {
        return Ok(IdMap::default());
    }
    let all = typed.join(",");
    all.parse().map_err(|error| {
        let ranges: Vec<&str> = all.split(',').collect();
        let which = match error {
            IdMapError::Overlap => overlapping(&ranges),
            _ => None,
        };
        Failure::usage(match which {
            Some((one, other)) => format!("{flag}: {error}: {one} and {other}"),
            None => format!("{flag}: {error}"),
        })
    })
}

fn overlapping<'t>(ranges: &[&'t str]) -> Option<(&'t str, &'t str)> {
    let mut left = ranges;
    while let [one, rest @ ..] = left {
        let clashes = |other: &&&str| format!("{one},{other}").parse::<IdMap>().is_err();
        if let Some(other) = rest.iter().find(clashes) {
            return Some((*one, *other));
        }
        left = rest;
    }
    None
}

fn warn_of_devices() {
    warn!(
        "--multidevs warn: other file systems are mounted below a served directory: clients may \
         take files of them for others; --multidevs remap tells them apart"
    );
}
