//! The flags of `virtfs serve` about who clients are.

use std::str::FromStr;

use clap::{Args, ValueEnum};

/// Who clients are, and what they may do.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Users")]
pub(crate) struct AccessArgs {
    /// Whose rights requests have on the host.
    ///
    /// user is for several users of one mount, and for clients whose kernel is not to decide what
    /// they may do. Each attach acts as the host's user of the same number, with that user's groups
    /// (--uid-map goes first); whom the host does not know is refused. Root acts as --squash-to
    /// unless --squash none is given; the attach without a user, by which every mount of Linux
    /// begins, always does. It takes CAP_SETUID and CAP_SETGID, and a security model that is not
    /// mapped.
    ///
    /// Linux clients up to about 6.3 write as root what they have cached: with cache=loose
    /// every write fails unless --squash none is given, with cache=mmap those to shared mappings.
    /// cache=none needs nothing.
    #[arg(long, value_name = "WHOSE", default_value = "client")]
    pub(crate) access: AccessMode,

    /// Take connections to Unix sockets, those of devices among them, from this user only.
    ///
    /// A number, or 'same' for the user who runs the server. May be given several times.
    #[arg(long, value_name = "UID")]
    pub(crate) peer_uid: Vec<PeerUid>,
}

/// Whose rights requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessMode {
    /// The server's: what each user may do is the business of the client's kernel
    Client,
    /// The user's, whom the client attaches as
    User,
}

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerUid {
    Same,
    Number(u32),
}

impl FromStr for PeerUid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "same" => Ok(Self::Same),
            _ => match text.parse() {
                Ok(number) if number < u32::MAX => Ok(Self::Number(number)),
                _ => Err("a user's number, or 'same'"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_number_or_the_same() {
        assert_eq!("same".parse(), Ok(PeerUid::Same));
        assert_eq!("0".parse(), Ok(PeerUid::Number(0)));
        for wrong in ["", "root", "-1", "4294967295"] {
            assert!(wrong.parse::<PeerUid>().is_err(), "{wrong}");
        }
    }
}
