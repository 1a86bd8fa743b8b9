//! The flags of the commands that look: `ls`, `cat`, `stat`, `df`.

use std::ffi::OsString;

use clap::Args;

use super::Remote;

/// List what directories of a server hold.
///
/// Names that begin with a dot are left out unless asked for. On a terminal, bytes of names that
/// a terminal would act on are shown as '\x1b'; in a pipe names are as they are.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs ls tcp:127.0.0.1:5640
  virtfs ls -l unix:/run/tree.sock src/main.rs docs
  virtfs ls -lR --aname src unix:/run/tree.sock

Exit status: 0, 1 if something could not be listed, 2 if the command line makes no sense.")]
pub(crate) struct LsArgs {
    /// With mode, links, owner, group, size and time.
    #[arg(short, long)]
    pub(crate) long: bool,

    /// And the directories below, to the bottom.
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,

    /// And names that begin with a dot.
    #[arg(short, long)]
    pub(crate) all: bool,

    /// The directories themselves, not what they hold.
    #[arg(short, long, conflicts_with = "recursive")]
    pub(crate) directory: bool,

    /// With -l: sizes as 1.2K, 3.4M.
    #[arg(long)]
    pub(crate) human_readable: bool,

    /// With -l: times in UTC, not in local time.
    #[arg(long)]
    pub(crate) utc: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// What to list, from the export's root on. Without any, the root.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}

/// Write files of a server to standard output.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs cat tcp:127.0.0.1:5640 etc/hosts
  virtfs cat unix:/run/tree.sock part1 part2 > whole

Exit status: 0, 1 if a file could not be read to its end, 2 if the command line makes no sense.")]
pub(crate) struct CatArgs {
    #[command(flatten)]
    pub(crate) remote: Remote,

    /// The files, one after the other.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Tell all that a server tells about files.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs stat tcp:127.0.0.1:5640
  virtfs stat unix:/run/tree.sock src/main.rs src/lib.rs

A symbolic link is not followed. The qid is how 9P identifies a file: its path is the same for
two names of one file, its version changes with the contents.

Exit status: 0, 1 if a file could not be looked at, 2 if the command line makes no sense.")]
pub(crate) struct StatArgs {
    /// Times in UTC, not in local time.
    #[arg(long)]
    pub(crate) utc: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// The files. Without any, the root.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}

/// Tell how much room a server's file systems have.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs df -h tcp:127.0.0.1:5640
  virtfs df unix:/run/tree.sock home var

Exit status: 0, 1 if a path could not be looked at, 2 if the command line makes no sense.")]
// -h is what df(1) calls it; help is --help.
#[command(disable_help_flag = true)]
pub(crate) struct DfArgs {
    /// Sizes as 1.2K, 3.4M, not in KiB.
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// Files on the file systems that are asked for. Without any, the root.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
}
