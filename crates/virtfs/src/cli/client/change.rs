//! The flags of the commands that change a tree: `mv`, `rm`, `mkdir`, `ln`, `chmod`.

use std::ffi::OsString;

use clap::Args;

use super::Remote;

/// Rename or move files within an export.
///
/// If the last path is a directory, the others are moved into it; otherwise the one file gets
/// that name, and what had it is replaced.
#[derive(Debug, Args)]
#[command(override_usage = "virtfs mv [OPTIONS] ADDRESS SOURCE… DESTINATION")]
#[command(after_long_help = "\
Examples:
  virtfs mv tcp:127.0.0.1:5640 draft.txt final.txt
  virtfs mv unix:/run/tree.sock a.log b.log old/

Exit status: 0, 1 if something could not be moved, 2 if the command line makes no sense.")]
pub(crate) struct MvArgs {
    /// Replace nothing: leave alone what would replace a file.
    #[arg(short, long)]
    pub(crate) no_clobber: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// What to move, and where to.
    #[arg(value_names = ["SOURCE", "DESTINATION"], required = true, num_args = 2..)]
    pub(crate) paths: Vec<OsString>,
}

/// Remove files of a server.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs rm tcp:127.0.0.1:5640 old.txt
  virtfs rm -r unix:/run/tree.sock build

Symbolic links are removed, never followed. The export's root is not removed.

Exit status: 0, 1 if something could not be removed, 2 if the command line makes no sense.")]
pub(crate) struct RmArgs {
    /// Directories too, with all that they hold.
    #[arg(short, long, short_alias = 'R')]
    pub(crate) recursive: bool,

    /// What does not exist is no error.
    #[arg(short, long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// What to remove.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Make directories on a server.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs mkdir tcp:127.0.0.1:5640 new
  virtfs mkdir -p -m 750 unix:/run/tree.sock a/b/c

Exit status: 0, 1 if a directory could not be made, 2 if the command line makes no sense.")]
pub(crate) struct MkdirArgs {
    /// The directories above too; one that exists is no error.
    #[arg(short, long)]
    pub(crate) parents: bool,

    /// The permissions of the directories that are named, as chmod takes them; without it, what
    /// the umask leaves of 777.
    #[arg(short, long, value_name = "MODE")]
    pub(crate) mode: Option<String>,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// The directories to make.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Give a file of a server one more name, or make a symbolic link.
///
/// If NAME is a directory, the link is made in it, by the last name of TARGET.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs ln tcp:127.0.0.1:5640 data.bin same-data.bin
  virtfs ln -s unix:/run/tree.sock ../shared/conf conf

Exit status: 0, 1 if the link could not be made, 2 if the command line makes no sense.")]
pub(crate) struct LnArgs {
    /// Make a symbolic link: TARGET is its text, whether there is such a file or not.
    #[arg(short, long)]
    pub(crate) symbolic: bool,

    /// Replace NAME if it is there.
    #[arg(short, long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// What the link leads to.
    #[arg(value_name = "TARGET")]
    pub(crate) target: OsString,

    /// The link.
    #[arg(value_name = "NAME")]
    pub(crate) name: OsString,
}

/// Change permissions of files of a server.
///
/// MODE is octal (644) or says what to change (u+x,go-w).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs chmod tcp:127.0.0.1:5640 640 secret.txt
  virtfs chmod -R unix:/run/tree.sock u=rwX,go=rX tree
  virtfs chmod unix:/run/tree.sock -- -x script.sh

Modes: [ugoa]*[-+=]([rwxXst]*|[ugo]), several separated by commas. X is x for directories and for
what somebody may execute already. Without u, g, o or a, what the umask takes away is left alone.
Symbolic links that are met on the way are left alone.

Exit status: 0, 1 if something could not be changed, 2 if the command line makes no sense.")]
pub(crate) struct ChmodArgs {
    /// Directories with all that they hold.
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,

    #[command(flatten)]
    pub(crate) remote: Remote,

    /// The permissions.
    #[arg(value_name = "MODE")]
    pub(crate) mode: String,

    /// The files.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}
