//! What can be typed: the flags, their help, and the syntax of their values.

mod access;
mod address;
pub(crate) mod client;
mod ownership;
mod serve;
mod values;

use clap::{Parser, Subcommand};

use self::client::{
    CatArgs, ChmodArgs, DfArgs, GetArgs, LnArgs, LsArgs, MkdirArgs, MountArgs, MvArgs, PutArgs,
    RmArgs, StatArgs,
};

pub(crate) use self::access::{AccessArgs, AccessMode, PeerUid};
pub(crate) use self::address::Address;
pub(crate) use self::ownership::{Devices, Model, OwnershipArgs, SquashWho, XattrSet};
pub(crate) use self::serve::ServeArgs;
pub(crate) use self::values::{DeviceSpec, InodeFileHandles, SandboxMode};

/// Shares directories of this host with virtual machines and other hosts over 9P, and works with
/// what such servers share.
#[derive(Debug, Parser)]
#[command(name = "virtfs", version, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
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
    Serve(ServeArgs),
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
    fn the_definition_of_the_flags_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
