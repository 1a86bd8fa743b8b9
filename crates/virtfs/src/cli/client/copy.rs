//! The flags of the commands that copy: `get`, `put`.

use std::ffi::OsString;

use clap::Args;

use super::Remote;

/// Copy files from a server.
///
/// If DESTINATION is a directory, or there are several sources, the copies are made in it;
/// otherwise the copy gets that name. '-' writes one file to standard output.
#[derive(Debug, Args)]
#[command(override_usage = "virtfs get [OPTIONS] ADDRESS SOURCE… DESTINATION")]
#[command(after_long_help = "\
Examples:
  virtfs get tcp:127.0.0.1:5640 etc/hosts .
  virtfs get -r unix:/run/tree.sock src docs backup/
  virtfs get -r 'exec:ssh host virtfs serve --shared-dir /srv --listen stdio' / srv-copy

Copies keep permissions, times, symbolic and hard links, extended attributes and POSIX ACLs; for
root, owners too. Long runs of zeros become holes. Nothing that a server says makes the copy leave
its directory: names with slashes are refused, links are not followed. Setuid and setgid are kept
where the owner is: as root, copy from a server that you do not trust with --no-owner.

A file that cannot be copied is named and the rest goes on.
Exit status: 0, 1 if something was not copied, 2 if the command line makes no sense, 128 + n when
signal n ended it.")]
pub(crate) struct GetArgs {
    /// As root: make device nodes too, and keep security.* and trusted.* attributes.
    ///
    /// All of these can give rights on this machine to whoever reaches the copies.
    #[arg(long)]
    pub(crate) trust_server: bool,

    #[command(flatten)]
    pub(crate) copy: CopyArgs,
}

/// Copy files to a server.
///
/// If DESTINATION is a directory, or there are several sources, the copies are made in it;
/// otherwise the copy gets that name. The source '-' is standard input.
#[derive(Debug, Args)]
#[command(override_usage = "virtfs put [OPTIONS] ADDRESS SOURCE… DESTINATION")]
#[command(after_long_help = "\
Examples:
  virtfs put tcp:127.0.0.1:5640 notes.txt /
  virtfs put -r unix:/run/tree.sock src docs backup
  tar c . | virtfs put unix:/run/tree.sock - all.tar

Copies keep permissions, times, symbolic and hard links, extended attributes and POSIX ACLs; for
root, owners and device nodes too. Holes stay holes.

A file that cannot be copied is named and the rest goes on.
Exit status: 0, 1 if something was not copied, 2 if the command line makes no sense, 128 + n when
signal n ended it.")]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) copy: CopyArgs,
}

/// What both have.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Directories too, with all that they hold.
    #[arg(short, long, short_alias = 'R')]
    pub(crate) recursive: bool,

    /// Leave files alone that exist already.
    #[arg(short, long)]
    pub(crate) no_clobber: bool,

    /// Do not keep owners and groups, as root.
    #[arg(long)]
    pub(crate) no_owner: bool,

    /// Do not keep extended attributes and ACLs.
    #[arg(long)]
    pub(crate) no_xattrs: bool,

    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// What to copy, and where to.
    #[arg(value_names = ["SOURCE", "DESTINATION"], required = true, num_args = 2..)]
    pub(crate) paths: Vec<OsString>,
}
