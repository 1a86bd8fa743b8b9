//! The flags of `virtfs check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Look for what is wrong with the metadata that the mapped models keep below a directory.
///
/// Changes nothing, and follows no symbolic link. Prints a line for each finding: where it is,
/// whether it is an error (clients see what nobody stored, or cannot use the file), a warning (it
/// may be wrong, or become so) or a note, what it is, and what would mend it. In paths, bytes that
/// are no plain text are shown as \x1b, and of very long ones the middle is left out.
///
/// A server may be running meanwhile: what it has half done may then be told of.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  virtfs check /srv/share
  virtfs check --security-model mapped-file --quiet ./tree

Exit status: 0 if there was neither an error nor a warning; 1 if there was; 2 if something could not
be looked at, whatever else was found, or the command line makes no sense; 128 + n when signal n
ended it.")]
pub(crate) struct CheckArgs {
    /// The model whose metadata is meant. Without it, whatever is there is looked at.
    #[arg(long, value_name = "MODEL", alias = "security_model")]
    pub(crate) security_model: Option<MappedModel>,

    /// Stay on the directory's device. Without it, file systems that are mounted below are looked
    /// into, as a server would show them.
    #[arg(long)]
    pub(crate) one_file_system: bool,

    /// Leave out notes and the last line.
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// The directory, as it is served.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// The models that keep metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MappedModel {
    /// In extended attributes (user.virtfs.*)
    #[value(alias = "mapped")]
    MappedXattr,
    /// In files beside the others (.virtfs_metadata)
    MappedFile,
}
