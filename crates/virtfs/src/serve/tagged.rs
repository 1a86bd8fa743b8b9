//! What was typed in QEMU's own spelling, and what it means: exports, each with its mount tag.

use crate::cli::{DeviceLine, DeviceSpec, FsdevSpec, OwnershipArgs, SECURITY_MODELS, ServeArgs};
use crate::failure::Failure;

use super::config::ExportConfig;
use super::ownership::Ownership;

/// The mount tags, and the places of their exports.
#[derive(Debug, Default)]
pub(super) struct TaggedShares(Vec<TaggedShare>);

#[derive(Debug)]
struct TaggedShare {
    tag: String,
    export: usize,
    /// The tag was not typed: it is the id of the `--fsdev`.
    is_id: bool,
}

impl TaggedShares {
    /// Adds an export for each `--fsdev` and `--virtfs`.
    pub(super) fn add(
        args: &ServeArgs,
        is_root: bool,
        exports: &mut Vec<ExportConfig>,
    ) -> Result<Self, Failure> {
        let mut tags = Self::default();
        let fsdevs = args.qemu.fsdev.iter().map(|spec| (spec, None));
        let short = args.qemu.virtfs.iter();
        let short = short.map(|spec| (&spec.share, Some(spec.tag.as_str())));
        for (spec, tag) in fsdevs.chain(short) {
            if exports.iter().any(|e| e.fsdev.as_ref() == Some(&spec.id)) {
                let id = &spec.id;
                return Err(Failure::usage(match tag {
                    None => format!("Duplicate ID '{id}' for fsdev"),
                    Some(_) => format!("duplicate or invalid fsdev id: {id}"),
                }));
            }
            let lines = args.qemu.device.iter();
            let lines: Vec<_> = lines.filter(|line| line.fsdev == spec.id).collect();
            for line in &lines {
                tags.push(&line.tag, exports.len(), false)?;
            }
            match tag {
                Some(tag) => tags.push(tag, exports.len(), false)?,
                None if lines.is_empty() => tags.push(&spec.id, exports.len(), true)?,
                None => {}
            }
            exports.push(export(spec, args, is_root)?);
        }
        let fsdev = |line: &&DeviceLine| {
            exports
                .iter()
                .any(|e| e.fsdev.as_ref() == Some(&line.fsdev))
        };
        match args.qemu.device.iter().find(|line| !fsdev(line)) {
            Some(line) => Err(Failure::usage(format!(
                "9pfs device couldn't find fsdev with the id = {}",
                line.fsdev
            ))),
            None => Ok(tags),
        }
    }

    fn push(&mut self, tag: &str, export: usize, is_id: bool) -> Result<(), Failure> {
        if self.0.iter().any(|share| share.tag == tag) {
            return Err(Failure::usage(format!(
                "two shares have the mount tag '{tag}': guests could not tell them apart"
            )));
        }
        self.0.push(TaggedShare {
            tag: tag.to_owned(),
            export,
            is_id,
        });
        Ok(())
    }

    /// The tag of `--socket-path` and `--fd`: what `--tag` says, or that of the only share.
    pub(super) fn only<'t>(
        &'t self,
        typed: Option<&'t str>,
        exports: &[ExportConfig],
    ) -> Result<Option<&'t str>, Failure> {
        match (self.0.as_slice(), exports.len()) {
            ([], _) => Ok(typed),
            ([share], 1) => match typed {
                Some(tag) if tag != share.tag && !share.is_id => Err(Failure::usage(format!(
                    "--tag {tag} contradicts mount_tag={}",
                    share.tag
                ))),
                _ => Ok(typed.or(Some(&share.tag))),
            },
            (shares, _) => {
                let of = |share: &TaggedShare| format!("\n  --vhost-user SOCK,tag={}", share.tag);
                let all: String = shares.iter().map(of).collect();
                Err(Failure::usage(format!(
                    "--socket-path and --fd are the socket of one share; of several, each has its \
                     own:{all}"
                )))
            }
        }
    }

    /// The export of a `--vhost-user`, whose `export=` is this: that of its tag, if it is one of
    /// these.
    pub(super) fn export_of(
        &self,
        device: &DeviceSpec,
        typed: Option<usize>,
    ) -> Result<Option<usize>, Failure> {
        let Some(share) = self.0.iter().find(|share| share.tag == device.tag) else {
            return Ok(typed);
        };
        match typed {
            Some(export) if export != share.export => Err(Failure::usage(format!(
                "--vhost-user {}: its export= contradicts the share whose mount tag is '{}'",
                device.path.display(),
                share.tag
            ))),
            _ => Ok(Some(share.export)),
        }
    }

    /// Checks that each share is among what these devices serve; `None` serves all.
    pub(super) fn all_are_reached(
        &self,
        served: impl Iterator<Item = Option<usize>>,
    ) -> Result<(), Failure> {
        let served: Vec<_> = served.collect();
        // What is missing altogether is said by the caller.
        let reached = |share: &&TaggedShare| {
            served.is_empty() || served.contains(&None) || served.contains(&Some(share.export))
        };
        match self.0.iter().find(|share| !reached(share)) {
            None => Ok(()),
            Some(share) => Err(Failure::usage(format!(
                "no virtual machine can attach the share '{}': give it a socket, as in \
                 --vhost-user SOCK,tag={}",
                share.tag, share.tag
            ))),
        }
    }
}

fn export(spec: &FsdevSpec, args: &ServeArgs, is_root: bool) -> Result<ExportConfig, Failure> {
    if args.readonly && spec.readonly == Some(false) {
        return Err(contradiction(spec, "readonly=off", "--readonly"));
    }
    let ownership = merge(args.ownership.clone(), spec)?;
    if ownership.security_model.is_none() {
        return Err(Failure::usage(format!(
            "fsdev '{}': security_model property not set\n{SECURITY_MODELS}",
            spec.id
        )));
    }
    Ok(ExportConfig {
        name: Some(spec.id.clone()),
        dir: spec.path.clone(),
        readonly: args.readonly || spec.readonly == Some(true),
        ownership: Ownership::new(ownership, is_root)?,
        fsdev: Some(spec.id.clone()),
    })
}

/// What a share says of itself, and for the rest what the flags say of all exports.
fn merge(mut flags: OwnershipArgs, spec: &FsdevSpec) -> Result<OwnershipArgs, Failure> {
    settle(
        &mut flags.security_model,
        spec.security_model,
        spec,
        "security_model",
    )?;
    settle(&mut flags.fmode, spec.fmode, spec, "fmode")?;
    settle(&mut flags.dmode, spec.dmode, spec, "dmode")?;
    settle(&mut flags.multidevs, spec.multidevs, spec, "multidevs")?;
    settle(&mut flags.writeout, spec.writeout, spec, "writeout")?;
    Ok(flags)
}

fn settle<T: Copy + PartialEq>(
    flag: &mut Option<T>,
    key: Option<T>,
    spec: &FsdevSpec,
    name: &str,
) -> Result<(), Failure> {
    if flag.is_some() && key.is_some() && *flag != key {
        let flag = format!("--{}", name.replace('_', "-"));
        return Err(contradiction(spec, &format!("{name}="), &flag));
    }
    *flag = flag.or(key);
    Ok(())
}

fn contradiction(spec: &FsdevSpec, key: &str, flag: &str) -> Failure {
    Failure::usage(format!(
        "fsdev '{}': its {key} contradicts {flag}, which holds for all exports",
        spec.id
    ))
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use crate::cli::{Cli, Command};
    use crate::failure::Failure;
    use clap::Parser;
    use virtfs_local::SecurityModel;

    fn config(flags: &str) -> Result<Config, Failure> {
        let typed = ["virtfs", "serve"].into_iter().chain(flags.split(' '));
        let Command::Serve(args) = Cli::try_parse_from(typed).unwrap().command else {
            panic!("it is another command");
        };
        Config::new(*args, true)
    }

    const X: &str = "--fsdev local,id=x,path=/x,security_model=mapped,readonly";
    const Y: &str = "--virtfs local,path=/y,mount_tag=y,security_model=none";

    #[test]
    fn a_share_is_an_export_with_its_own_model() {
        let seen = config(&format!("{X} {Y} --listen stdio --multidevs forbid")).unwrap();
        let exports: Vec<_> = seen
            .exports
            .iter()
            .map(|e| (e.name.as_deref(), e.readonly, e.ownership.model))
            .collect();
        let expected = [
            (Some("x"), true, SecurityModel::MappedXattr),
            (Some("y"), false, SecurityModel::None),
        ];
        assert_eq!(exports, expected);
        assert!(seen.devices.is_empty());
    }

    #[test]
    fn the_only_share_has_the_socket() {
        let tag = |flags: &str| {
            let seen = config(flags).unwrap();
            assert_eq!(seen.devices.len(), 1, "{flags}");
            String::from_utf8_lossy(seen.devices[0].tag.as_bytes()).into_owned()
        };
        assert_eq!(tag(&format!("{Y} --socket-path s")), "y");
        assert_eq!(tag(&format!("{X} --fd 3")), "x");
        assert_eq!(tag(&format!("{X} --socket-path s --tag t")), "t");
        let device = "--device virtio-9p-pci,fsdev=x,mount_tag=t,bus=pci.0";
        assert_eq!(tag(&format!("{X} {device} --socket-path s")), "t");
        assert_eq!(tag(&format!("{X} {device} --socket-path s --tag t")), "t");
    }

    #[test]
    fn each_of_several_shares_has_its_own_socket() {
        let sockets = "--vhost-user a,tag=y --vhost-user b,tag=x --vhost-user c,tag=y,export=y";
        let seen = config(&format!("--shared-dir /s {X} {Y} {sockets}"));
        // The native flags give the shared directory root's own model.
        let served: Vec<_> = seen.unwrap().devices.iter().map(|d| d.export).collect();
        assert_eq!(served, [Some(2), Some(1), Some(2)]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        for (flags, hint) in [
            (format!("{X} {X}"), "Duplicate ID 'x' for fsdev"),
            (format!("{Y} {Y}"), "duplicate or invalid fsdev id: y"),
            (
                format!("{X} --device virtio-9p-pci,fsdev=z,mount_tag=t"),
                "9pfs device couldn't find fsdev with the id = z",
            ),
            (
                format!("{X} {Y} --device virtio-9p-pci,fsdev=x,mount_tag=y"),
                "two shares have the mount tag 'y'",
            ),
            (X.to_owned(), "nowhere to listen"),
            (
                format!("{X} {Y} --socket-path s"),
                "\n  --vhost-user SOCK,tag=y",
            ),
            (
                format!("{Y} --shared-dir /s --fd 3"),
                "--vhost-user SOCK,tag=y",
            ),
            (format!("{X} {Y} --vhost-user s,tag=x"), "share 'y'"),
            (
                format!("{X} {Y} --vhost-user s,tag=x,export=y --listen stdio"),
                "its export= contradicts the share",
            ),
            (
                format!("{Y} --socket-path s --tag t"),
                "contradicts mount_tag=y",
            ),
            (
                format!("{X} --listen stdio --security-model none"),
                "its security_model= contradicts --security-model",
            ),
            (
                "--fsdev local,id=a,path=/a,security_model=mapped,fmode=600 --fmode 644".into(),
                "its fmode= contradicts --fmode",
            ),
            (
                "--fsdev local,id=a,path=/a,security_model=none,multidevs=warn --multidevs remap"
                    .into(),
                "contradicts --multidevs",
            ),
            (
                "--fsdev local,id=a,path=/a,security_model=none,readonly=off --readonly".into(),
                "its readonly=off contradicts --readonly",
            ),
            (
                "--fsdev local,id=a,path=/a".into(),
                "security_model property not set",
            ),
            (
                format!("{Y} --fmode 600"),
                "--fmode is for --security-model mapped",
            ),
        ] {
            let error = config(&flags).unwrap_err().to_string();
            assert!(error.contains(hint), "{flags}: {error}");
        }
    }
}
