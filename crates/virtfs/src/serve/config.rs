//! What was typed after `virtfs serve`, and what it means.

use std::collections::HashSet;
use std::path::PathBuf;

use rustix::thread::CapabilitySet;
use tracing::level_filters::LevelFilter;
use virtfs_local::FileHandles;

use super::ownership::Ownership;
use super::peers::Peers;
use super::tagged::TaggedShares;
use super::users::Access;
use super::vmm::DeviceConfig;
use crate::cli::{Address, InodeFileHandles, ModCaps, Model, SandboxMode, SeccompMode, ServeArgs};
use crate::failure::Failure;

/// How to serve.
#[derive(Debug)]
pub(super) struct Config {
    /// At least one; the first is also what clients reach who name none.
    pub(super) exports: Vec<ExportConfig>,
    /// Where clients connect.
    pub(super) listen: Vec<Address>,
    /// Where VMMs connect. There is a device or an address, at least.
    pub(super) devices: Vec<DeviceConfig>,
    /// Each device ends with its VMM.
    pub(super) once: bool,
    /// Who may connect to the Unix sockets beside this user.
    pub(super) socket_group: Option<String>,
    /// Whose rights requests have.
    pub(super) access: Access,
    /// From whom connections are taken.
    pub(super) peers: Peers,
    pub(super) msize: u32,
    pub(super) log_level: LevelFilter,
    pub(super) allow_foreign_tcp: bool,
    pub(super) sandbox: SandboxMode,
    pub(super) modcaps: ModCaps,
    pub(super) seccomp: Option<SeccompMode>,
    /// Which process makes the calls of tests.
    #[cfg(feature = "escape-hook")]
    pub(super) escape_hook: Option<crate::cli::EscapeHook>,
    pub(super) rlimit_nofile: Option<u64>,
    pub(super) file_handles: FileHandles,
}

/// A directory to serve.
#[derive(Debug)]
pub(super) struct ExportConfig {
    /// What clients call it; `None`: its path.
    pub(super) name: Option<String>,
    pub(super) dir: PathBuf,
    pub(super) readonly: bool,
    pub(super) ownership: Ownership,
    /// The id of the `--fsdev` that it is.
    pub(super) fsdev: Option<String>,
}

const NOTHING_TO_SERVE: &str = "\
nothing to serve: name a directory, as in
  virtfs serve --shared-dir ./tree --listen tcp:127.0.0.1:5640";

const NOWHERE_TO_LISTEN: &str = "\
nowhere to listen: say where clients connect, for example
  --socket-path /run/tree.sock     a virtual machine, as a virtio-9p device (vhost-user)
  --listen unix:/run/tree.sock     programs and guests of this host that you run
  --listen tcp:127.0.0.1:5640      any program of this host; QEMU guests with '-netdev user'
  --listen stdio                   the program that starts the server";

impl Config {
    /// What the arguments mean, for root or for another user.
    pub(super) fn new(mut args: ServeArgs, is_root: bool) -> Result<Self, Failure> {
        let access = Access::new(args.access.access, &mut args.ownership)?;
        let mut exports = Self::native_exports(&args, &access, is_root)?;
        let tags = TaggedShares::add(&args, is_root, &mut exports)?;
        access.suits(&exports)?;
        let modcaps = args.modcaps.take().unwrap_or_default();
        let switching = CapabilitySet::SETUID | CapabilitySet::SETGID;
        if matches!(access, Access::User(_)) && modcaps.change(switching) != switching {
            return Err(Failure::usage(
                "--modcaps takes away setuid or setgid, by which --access user acts as users",
            ));
        }
        if exports.is_empty() {
            return Err(Failure::usage(NOTHING_TO_SERVE));
        }
        let devices = DeviceConfig::all(&args, &exports, &tags)?;
        if args.listen.is_empty() && devices.is_empty() {
            return Err(Failure::usage(NOWHERE_TO_LISTEN));
        }
        let mut names = HashSet::new();
        let mut named = exports.iter().filter_map(|export| export.name.as_deref());
        if let Some(name) = named.find(|name| !names.insert(*name)) {
            let text = format!("two exports are called '{name}': clients could reach only one");
            return Err(Failure::usage(text));
        }
        let mut addresses = HashSet::new();
        let mut listen = args.listen.iter().map(Address::to_string);
        if let Some(address) = listen.find(|address| !addresses.insert(address.clone())) {
            return Err(Failure::usage(format!("--listen {address} is given twice")));
        }
        if let Some(number) = args.fd.filter(|fd| args.listen.contains(&Address::Fd(*fd))) {
            return Err(Failure::usage(format!(
                "--listen fd:{number} and --fd {number} are the same descriptor"
            )));
        }
        let makes_sockets = devices.iter().any(|device| device.fd().is_none())
            || args.listen.iter().any(|at| matches!(at, Address::Unix(_)));
        if args.socket_group.is_some() && !makes_sockets {
            return Err(Failure::usage(
                "--socket-group has no socket to give: it is for --socket-path, --vhost-user and \
                 --listen unix:PATH",
            ));
        }
        let is_tcp = |address: &Address| matches!(address, Address::Tcp(..));
        if !args.access.peer_uid.is_empty() && args.listen.iter().any(is_tcp) {
            return Err(Failure::usage(
                "--peer-uid is for Unix sockets: over TCP no client tells its user",
            ));
        }
        Ok(Self {
            exports,
            peers: Peers::new(&args.access.peer_uid),
            access,
            listen: args.listen,
            devices,
            once: args.once,
            socket_group: args.socket_group,
            msize: args.msize,
            log_level: args.log_level.into(),
            allow_foreign_tcp: args.unauthenticated_tcp,
            sandbox: args.sandbox,
            modcaps,
            seccomp: args.seccomp,
            #[cfg(feature = "escape-hook")]
            escape_hook: args.escape_hook,
            rlimit_nofile: args.rlimit_nofile,
            file_handles: match args.inode_file_handles {
                InodeFileHandles::Never => FileHandles::Never,
                InodeFileHandles::Prefer => FileHandles::Prefer,
                InodeFileHandles::Mandatory => FileHandles::Mandatory,
            },
        })
    }

    fn native_exports(
        args: &ServeArgs,
        access: &Access,
        is_root: bool,
    ) -> Result<Vec<ExportConfig>, Failure> {
        if args.shared_dir.is_none() && args.export.is_empty() {
            return Ok(Vec::new());
        }
        let mut ownership = args.ownership.clone();
        if let Access::User(_) = access {
            ownership.security_model.get_or_insert(Model::Passthrough);
        }
        let ownership = Ownership::new(ownership, is_root)?;
        let shared = args.shared_dir.iter().map(|dir| ExportConfig {
            name: None,
            dir: dir.clone(),
            readonly: args.readonly,
            ownership: ownership.clone(),
            fsdev: None,
        });
        let named = args.export.iter().map(|spec| ExportConfig {
            name: Some(spec.name.clone()),
            dir: spec.dir.clone(),
            readonly: args.readonly || spec.readonly,
            ownership: ownership.clone(),
            fsdev: None,
        });
        Ok(shared.chain(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use virtfs_local::SecurityModel;

    fn config(flags: &str, is_root: bool) -> Result<Config, Failure> {
        let typed = ["virtfs", "serve"].into_iter().chain(flags.split(' '));
        let Command::Serve(args) = Cli::try_parse_from(typed).unwrap().command else {
            panic!("it is another command");
        };
        Config::new(*args, is_root)
    }

    #[test]
    fn root_passes_users_through_and_others_do_not() {
        let flags = "--shared-dir /srv --listen stdio";
        let model = |flags: &str, root| config(flags, root).unwrap().exports[0].ownership.model;
        assert_eq!(model(flags, true), SecurityModel::Passthrough);
        assert_eq!(model(flags, false), SecurityModel::None);
        let chosen = format!("{flags} --security_model none");
        assert_eq!(model(&chosen, true), SecurityModel::None);
    }

    #[test]
    fn users_with_rights_of_their_own_need_no_squashing_of_files() {
        let flags = "--shared-dir /srv --listen stdio --access user";
        for more in [
            "",
            " --squash all",
            " --squash root --squash-to 1:1",
            " --squash none",
        ] {
            let seen = config(&format!("{flags}{more}"), false).unwrap();
            let ownership = &seen.exports[0].ownership;
            assert_eq!(ownership.model, SecurityModel::Passthrough);
            assert_eq!(ownership.options().squash, virtfs_local::Squash::None);
        }
    }

    #[test]
    fn the_shared_directory_comes_first_and_readonly_holds_for_all() {
        let flags = "--export a=/a --shared-dir /s --export b=/b,ro --listen fd:3 --listen fd:4";
        let seen = config(flags, true).unwrap();
        let exports: Vec<_> = seen
            .exports
            .iter()
            .map(|export| (export.name.as_deref(), export.readonly))
            .collect();
        assert_eq!(
            exports,
            [(None, false), (Some("a"), false), (Some("b"), true)]
        );
        let seen = config(&format!("{flags} --readonly"), true).unwrap();
        assert!(seen.exports.iter().all(|export| export.readonly));
    }

    #[test]
    fn a_device_has_a_tag_and_all_exports_or_one() {
        let flags = "--shared-dir /s --export a=/a";
        let seen = config(&format!("{flags} --socket-path x"), true).unwrap();
        assert_eq!(seen.devices[0].tag.as_bytes(), b"virtfs");
        assert_eq!(seen.devices[0].export, None);
        let flags = format!("{flags} --fd 3 --tag t --vhost-user y,tag=u,export=a");
        let seen = config(&flags, true).unwrap();
        assert_eq!(seen.devices[0].fd(), Some(3));
        assert_eq!(seen.devices[0].tag.as_bytes(), b"t");
        assert_eq!(seen.devices[1].tag.as_bytes(), b"u");
        assert_eq!(seen.devices[1].export, Some(1));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let long = format!("--shared-dir /s --socket-path x --tag {}", "t".repeat(255));
        assert!(config(&long, true).is_err());
        for flags in [
            "--listen stdio",
            "--shared-dir /s",
            "--export a=/a --export a=/b --listen stdio",
            "--shared-dir /s --listen stdio --listen stdio",
            "--shared-dir /s --listen stdio --tag t",
            "--shared-dir /s --listen stdio --once",
            "--shared-dir /s --listen stdio --socket-group 0",
            "--shared-dir /s --listen fd:3 --fd 3",
            "--shared-dir /s --fd 3 --socket-group 0",
            "--shared-dir /s --socket-path x --vhost-user x,tag=t",
            "--shared-dir /s --vhost-user x,tag=t,export=a",
            "--shared-dir /s --listen stdio --security-model none --fmode 600",
            "--shared-dir /s --listen stdio --security-model mapped --uid-map 0:1:2",
            "--shared-dir /s --listen stdio --squash-to 1:1",
            "--shared-dir /s --listen stdio --squash root",
            "--shared-dir /s --listen stdio --access user --security-model mapped",
            "--fsdev local,id=a,path=/s,security_model=mapped --listen stdio --access user",
            "--shared-dir /s --listen tcp:127.0.0.1:1 --peer-uid same",
            "--shared-dir /s --listen stdio --access user --modcaps=-setgid",
        ] {
            assert!(config(flags, true).is_err(), "{flags}");
        }
    }
}
