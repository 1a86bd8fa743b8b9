//! What was typed about owners, modes and attributes, and what it means.

use tracing::warn;
use virtfs_local::{IdMap, Multidevs, Options, Owner, SecurityModel, Squash, Xattrs};

use crate::cli::{Devices, Model, OwnershipArgs, SquashWho, XattrSet};
use crate::failure::Failure;

/// Owners, modes and attributes of all exports.
#[derive(Clone, Debug)]
pub(super) struct Ownership {
    pub(super) model: SecurityModel,
    pub(super) xattr: Xattrs,
    modes: [Option<u32>; 2],
    default_owner: Option<Owner>,
    maps: [Option<IdMap>; 2],
    squash: Squash,
    multidevs: Multidevs,
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
            ("--uid-map", args.uid_map.is_some(), false),
            ("--gid-map", args.gid_map.is_some(), false),
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
            maps: [args.uid_map, args.gid_map],
            squash,
            multidevs: match args.multidevs {
                Devices::Remap => Multidevs::Remap,
                Devices::Forbid => Multidevs::Forbid,
                Devices::Warn => Multidevs::Warn,
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
            uid_map: uid_map.unwrap_or_default(),
            gid_map: gid_map.unwrap_or_default(),
            squash: self.squash,
            multidevs: self.multidevs,
            on_other_device: Some(warn_of_devices),
            xattr: self.xattr,
            ..options
        }
    }
}

fn warn_of_devices() {
    warn!(
        "--multidevs warn: other file systems are mounted below a served directory: clients may \
         take files of them for others; --multidevs remap tells them apart"
    );
}
