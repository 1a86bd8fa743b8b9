//! The flags of `virtfs mount`.

use std::path::PathBuf;

use clap::Args;

use super::Remote;

/// Mount a server's export by FUSE.
///
/// Prints a line when the mount is ready, and stays until it gets SIGTERM or Ctrl-C, which
/// unmounts, or until somebody else unmounts it. A second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs mount tcp:127.0.0.1:5640 /mnt
  virtfs mount unix:/run/tree.sock ~/tree -o ro
  virtfs mount 'exec:ssh host virtfs serve --shared-dir /srv --listen stdio' /mnt

Exit status: 0 after it was unmounted, 1 on failure, 2 if the command line makes no sense, 128 + n
when a second signal n ended it at once.")]
pub(crate) struct MountArgs {
    /// Options of the mount, separated by commas. May be given several times.
    #[arg(short, value_name = "OPTIONS")]
    pub(crate) options: Vec<String>,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// The directory to mount on.
    #[arg(value_name = "MOUNTPOINT")]
    pub(crate) mountpoint: PathBuf,
}
