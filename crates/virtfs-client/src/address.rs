//! Where a server is.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

use crate::Error;

/// 9P's port (IANA).
const PORT: u16 = 564;

const EINVAL: i32 = 22;

/// Where a server listens.
///
/// Written as a dial string, as in Plan 9: `unix!PATH`, `tcp!HOST!PORT`, `tcp!HOST` (port 564),
/// `vsock!CID!PORT`; or with colons: `unix:PATH`, `tcp:HOST:PORT`, `tcp:[V6]:PORT`, `tcp:HOST`,
/// `vsock:CID:PORT`.
///
/// ```
/// use virtfs_client::Address;
///
/// let address: Address = "tcp:[::1]:5640".parse()?;
/// assert_eq!(address, "tcp!::1!5640".parse()?);
/// assert_eq!(address.to_string(), "tcp!::1!5640");
/// # Ok::<_, virtfs_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name or an address; an IPv6 address without brackets.
        host: String,
        /// The port; 9P's is 564.
        port: u16,
    },
    /// A port of a virtual machine or of its host (vsock(7)).
    Vsock {
        /// The context identifier; 2 is the host.
        cid: u32,
        /// The port.
        port: u32,
    },
}

impl Address {
    /// Reads a dial string; a path need not be UTF-8.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] (`EINVAL`) says what is wrong with it.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Address, Error> {
        let text = text.as_ref().as_bytes();
        let at = text.iter().position(|byte| b"!:".contains(byte));
        let Some((network, [mark, rest @ ..])) = at.and_then(|at| text.split_at_checked(at)) else {
            return wrong("an address starts with unix:, tcp: or vsock:");
        };
        if network == b"unix" {
            return match rest {
                [] => wrong("the address has no path"),
                path => Ok(Address::Unix(OsString::from_vec(path.to_vec()).into())),
            };
        }
        let Ok(rest) = std::str::from_utf8(rest) else {
            return wrong("the address is not UTF-8");
        };
        let mark = char::from(*mark);
        match network {
            b"tcp" => tcp(rest, mark),
            b"vsock" => vsock(rest, mark),
            _ => wrong("an address starts with unix:, tcp: or vsock:"),
        }
    }
}

fn tcp(text: &str, mark: char) -> Result<Address, Error> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) => match rest.strip_prefix(mark) {
                Some(port) => (host, Some(port)),
                None => return wrong("what follows the ] is no port"),
            },
            None => return wrong("the ] is missing"),
        },
        None => match text.rsplit_once(mark) {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return wrong("the address has no host");
    }
    if mark == ':' && host.contains(':') && !text.starts_with('[') {
        return wrong("an IPv6 address is written in brackets");
    }
    let port = match port.map(str::parse) {
        None => PORT,
        Some(Ok(port)) => port,
        Some(Err(_)) => return wrong("the port is not a number up to 65535"),
    };
    let host = host.to_owned();
    Ok(Address::Tcp { host, port })
}

fn vsock(text: &str, mark: char) -> Result<Address, Error> {
    match text
        .split_once(mark)
        .map(|(cid, port)| (cid.parse(), port.parse()))
    {
        Some((Ok(cid), Ok(port))) => Ok(Address::Vsock { cid, port }),
        _ => wrong("a vsock address is vsock:CID:PORT, both numbers"),
    }
}

fn wrong(what: &'static str) -> Result<Address, Error> {
    Err(Error::Refused(what, EINVAL))
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        Address::parse(text)
    }
}

/// As a dial string with `!`; a path that is not UTF-8 is shown with replacement characters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix!{}", path.display()),
            Address::Tcp { host, port } => write!(f, "tcp!{host}!{port}"),
            Address::Vsock { cid, port } => write!(f, "vsock!{cid}!{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dial_strings_are_read_both_ways() {
        let tcp = |host: &str, port| Address::Tcp {
            host: host.into(),
            port,
        };
        for (text, address) in [
            ("unix!/run/a:b!c", Address::Unix("/run/a:b!c".into())),
            ("unix:rel/a!b", Address::Unix("rel/a!b".into())),
            ("tcp!host", tcp("host", 564)),
            ("tcp!host!99", tcp("host", 99)),
            ("tcp!::1!99", tcp("::1", 99)),
            ("tcp!::1", tcp("::1", 564)),
            ("tcp![::1]!99", tcp("::1", 99)),
            ("tcp:host:99", tcp("host", 99)),
            ("tcp:host", tcp("host", 564)),
            ("tcp:[fe80::1%2]:99", tcp("fe80::1%2", 99)),
            ("tcp:[::1]", tcp("::1", 564)),
            ("vsock:2:564", Address::Vsock { cid: 2, port: 564 }),
            (
                "vsock!3!70000",
                Address::Vsock {
                    cid: 3,
                    port: 70000,
                },
            ),
        ] {
            let parsed = Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed, address, "{text}");
            assert_eq!(
                Address::parse(parsed.to_string()).unwrap(),
                parsed,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_dial_string_is_refused() {
        for text in [
            "",
            "unix",
            "unix:",
            "/run/socket",
            "udp:host:1",
            "tcp:",
            "tcp::1",
            "tcp:::1",
            "tcp:host:",
            "tcp:host:65536",
            "tcp:[::1",
            "tcp:[::1]1",
            "vsock:2",
            "vsock:x:1",
            "vsock:2:1:1",
            "vsock:2:-1",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        let text = OsStr::from_bytes(b"unix:/a\xff");
        let path = PathBuf::from(OsStr::from_bytes(b"/a\xff"));
        assert_eq!(Address::parse(text).unwrap(), Address::Unix(path));
    }
}
