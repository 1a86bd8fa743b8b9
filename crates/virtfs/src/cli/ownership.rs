//! The flags of `virtfs serve` about owners, modes and attributes.

use clap::{Args, ValueEnum};
use virtfs_local::{IdMap, IdMapError, Owner};

/// Owners, modes and attributes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Owners, modes and attributes")]
pub(crate) struct OwnershipArgs {
    /// Who owns, on the host, what clients create.
    ///
    /// The default is passthrough for root and none for any other user. The mapped models need no
    /// privilege; what they store, QEMU's models of the same names read, and the reverse.
    #[arg(long, value_name = "MODEL", alias = "security_model")]
    pub(crate) security_model: Option<Model>,

    /// Under the mapped models: the permission bits of files on the host, in octal, less the umask
    /// (default 600).
    #[arg(long, value_name = "MODE", value_parser = permission_bits)]
    pub(crate) fmode: Option<u32>,

    /// Under the mapped models: the permission bits of directories on the host, in octal, less the
    /// umask (default 700).
    #[arg(long, value_name = "MODE", value_parser = permission_bits)]
    pub(crate) dmode: Option<u32>,

    /// Under the mapped models: who owns, to clients, what was made on the host and has no stored
    /// owner. Without it, the host's owner.
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    pub(crate) default_owner: Option<Owner>,

    /// Under passthrough and none: which users of clients are which users of the host.
    ///
    /// Ranges of numbers, as in 0:100000:65536. May be given several times: all ranges count. A
    /// user of the host without a counterpart shows as 65534; one of the client's without one can
    /// neither own nor make anything.
    #[arg(long, value_name = "GUEST:HOST:COUNT,...", value_parser = id_ranges)]
    pub(crate) uid_map: Vec<String>,

    /// The same for groups.
    #[arg(long, value_name = "GUEST:HOST:COUNT,...", value_parser = id_ranges)]
    pub(crate) gid_map: Vec<String>,

    /// Under passthrough and none: whose files become those of --squash-to (default none). With
    /// --access user: who acts as that user (default root).
    #[arg(long, value_name = "WHO")]
    pub(crate) squash: Option<SquashWho>,

    /// The user and group of the host that --squash gives files to. With --access user the default
    /// is 65534:65534, which is nobody.
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    pub(crate) squash_to: Option<Owner>,

    /// Which extended attributes clients have, beside POSIX ACLs.
    #[arg(long, value_name = "WHICH", default_value = "user")]
    pub(crate) xattr: XattrSet,

    /// What becomes of file systems that are mounted below a served directory (default remap).
    #[arg(long, value_name = "HOW")]
    pub(crate) multidevs: Option<Devices>,

    /// When the host begins to write to its disk what clients wrote (default later). What they sync is
    /// on the disk in either case.
    #[arg(long, value_name = "WHEN")]
    pub(crate) writeout: Option<When>,
}

/// When what was written is on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// When the host sees fit
    Later,
    /// With each write, so that little is left to be written; costs a system call
    Immediate,
}

/// Who owns what clients create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// The client's users and groups are the host's; the server runs as root
    Passthrough,
    /// The user who runs the server owns what the client's users may not be given
    None,
    /// All belongs to the user who runs the server; owners, modes and special files are kept in
    /// extended attributes (user.virtfs.*)
    #[value(alias = "mapped")]
    MappedXattr,
    /// The same, kept in folders called .virtfs_metadata: for file systems without extended
    /// attributes
    MappedFile,
}

impl Model {
    /// Whether owners and modes are kept beside the host's own.
    pub(crate) fn is_mapped(self) -> bool {
        matches!(self, Self::MappedXattr | Self::MappedFile)
    }
}

/// Whose files become somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SquashWho {
    /// Nobody's
    None,
    /// Those of the client's root
    Root,
    /// Everybody's
    All,
}

/// Which extended attributes clients have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum XattrSet {
    /// user.*, as QEMU
    User,
    /// security.* too, file capabilities among them; passthrough needs privileges for it
    Security,
    /// trusted.* too
    All,
}

/// What becomes of file systems mounted below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Devices {
    /// They are served, and their files are told apart
    Remap,
    /// They are listed, and cannot be reached
    Forbid,
    /// They are served, with a warning; clients may take files with the same number for one
    Warn,
}

/// Reads permission bits as people write them: in octal.
pub(super) fn permission_bits(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "permission bits are written in octal, from 0 to 777".into())
}

/// Checks `GUEST:HOST:COUNT,...`; what is given several times is a map only together.
fn id_ranges(text: &str) -> Result<String, IdMapError> {
    text.parse::<IdMap>().map(|_| text.to_owned())
}

/// Reads `UID:GID`.
fn owner(text: &str) -> Result<Owner, String> {
    let (uid, gid) = text
        .split_once(':')
        .ok_or("a user and a group, as in 1000:1000")?;
    let number = |text: &str| {
        let number = text.parse().ok().filter(|number| *number != u32::MAX);
        number.ok_or_else(|| format!("'{text}' is no number of a user or group"))
    };
    Ok(Owner {
        uid: number(uid)?,
        gid: number(gid)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits_are_octal() {
        assert_eq!(permission_bits("644"), Ok(0o644));
        assert_eq!(permission_bits("0755"), Ok(0o755));
        for wrong in ["", "1000", "8", "0o644", "rw", "-1"] {
            assert!(permission_bits(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_owner_is_two_numbers() {
        assert_eq!(owner("1:2"), Ok(Owner { uid: 1, gid: 2 }));
        for wrong in ["", "1", "1:", ":1", "a:b", "4294967295:1", "1:2:3"] {
            assert!(owner(wrong).is_err(), "{wrong}");
        }
    }
}
