//! What can be typed: the flags, their help, and the syntax of their values.

mod access;
mod address;
mod check;
pub(crate) mod client;
mod ownership;
mod qemu;
mod serve;
mod values;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use self::client::{
    CatArgs, ChmodArgs, DfArgs, GetArgs, LnArgs, LsArgs, MkdirArgs, MountArgs, MvArgs, PutArgs,
    RmArgs, StatArgs,
};

pub(crate) use self::access::{AccessArgs, AccessMode, PeerUid};
pub(crate) use self::address::Address;
pub(crate) use self::check::{CheckArgs, MappedModel};
pub(crate) use self::ownership::{Devices, Model, OwnershipArgs, SquashWho, When, XattrSet};
pub(crate) use self::qemu::{DeviceLine, FsdevSpec, QemuArgs, SECURITY_MODELS};
pub(crate) use self::serve::ServeArgs;
#[cfg(feature = "escape-hook")]
pub(crate) use self::values::EscapeHook;
pub(crate) use self::values::{DeviceSpec, InodeFileHandles, ModCaps, SandboxMode, SeccompMode};

/// Shares directories of this host with virtual machines and other hosts over 9P, and works with
/// what such servers share.
#[derive(Debug, Parser)]
#[command(name = "virtfs", version, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What was typed.
    pub(crate) fn read() -> Self {
        Self::parse_from(as_meant(std::env::args_os()))
    }
}

/// QEMU's flags of `serve` may have one dash, as its users write them.
fn as_meant(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut serves = false;
    words.enumerate().map(move |(at, word)| {
        serves |= at == 1 && word == "serve";
        match word.to_str() {
            Some("-fsdev") if serves => "--fsdev".into(),
            Some("-device") if serves => "--device".into(),
            Some("-virtfs") if serves => "--virtfs".into(),
            _ => word,
        }
    })
}

const AFTER_HELP: &str = "\
Start here:
  virtfs serve --shared-dir ./tree --listen tcp:127.0.0.1:5640
serves the directory and prints the command that mounts it in Linux.
  virtfs serve --shared-dir ./tree --socket-path /run/user/1000/vm.sock
makes it a virtio-9p device and prints the lines that attach it to a virtual machine.
  virtfs ls -l tcp:127.0.0.1:5640
lists it, from any host that reaches the address.
'virtfs serve --help' explains every choice, and so does each command's --help.";

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<ServeArgs>),
    Check(CheckArgs),
    Mount(MountArgs),
    Ls(LsArgs),
    Cat(CatArgs),
    Stat(StatArgs),
    Get(GetArgs),
    Put(PutArgs),
    Mv(MvArgs),
    Rm(RmArgs),
    Mkdir(MkdirArgs),
    Ln(LnArgs),
    Chmod(ChmodArgs),
    Df(DfArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_qemu_may_have_one_dash() {
        let meant = |typed: &[&str]| -> Vec<OsString> {
            as_meant(typed.iter().map(OsString::from)).collect()
        };
        let typed = ["virtfs", "serve", "-virtfs", "local", "-x"];
        assert_eq!(
            meant(&typed),
            ["virtfs", "serve", "--virtfs", "local", "-x"]
        );
        let typed = ["virtfs", "rm", "ADDRESS", "-device"];
        assert_eq!(meant(&typed), typed);
    }

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
