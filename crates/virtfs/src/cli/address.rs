//! The syntax of addresses: `unix:PATH`, `tcp:HOST:PORT`, `fd:N`, `stdio`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host, by name or address without brackets, and a port; 0 is any free one.
    Tcp(String, u16),
    /// An inherited descriptor.
    Fd(RawFd),
    /// Standard input and output.
    Stdio,
}

const FORMS: &str = "an address is unix:PATH, tcp:HOST:PORT, fd:N or stdio";

impl Address {
    /// Reads what was typed.
    pub(crate) fn parse(text: OsString) -> Result<Self, String> {
        let bytes = text.as_bytes();
        if let Some(path) = bytes.strip_prefix(b"unix:") {
            if path.is_empty() {
                return Err("the path of the socket is missing, as in unix:/run/tree.sock".into());
            }
            return Ok(Self::Unix(OsStr::from_bytes(path).into()));
        }
        let text = text.to_str().ok_or(FORMS)?;
        if let Some(rest) = text.strip_prefix("tcp:") {
            tcp(rest)
        } else if let Some(number) = text.strip_prefix("fd:") {
            fd(number)
        } else if text == "stdio" {
            Ok(Self::Stdio)
        } else {
            Err(FORMS.into())
        }
    }
}

fn tcp(text: &str) -> Result<Address, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("the port is missing, as in tcp:127.0.0.1:5640")?;
    let port = port
        .parse()
        .map_err(|_| format!("'{port}' is no port: 1 to 65535, or 0 for a free one"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .ok_or("the bracket of the IPv6 address is not closed, as in tcp:[::1]:5640")?,
        None if host.contains(':') => {
            return Err("an IPv6 address stands in brackets, as in tcp:[::1]:5640".into());
        }
        None => host,
    };
    if host.is_empty() {
        return Err("the host is missing: 127.0.0.1 for this host alone, 0.0.0.0 for all".into());
    }
    Ok(Address::Tcp(host.into(), port))
}

fn fd(number: &str) -> Result<Address, String> {
    match number.parse() {
        Ok(0..=2) => Err("use 'stdio' for the standard streams".into()),
        Ok(fd @ 3..) => Ok(Address::Fd(fd)),
        _ => Err(format!("'{number}' is no descriptor's number")),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp:{host}:{port}"),
            Self::Fd(fd) => write!(f, "fd:{fd}"),
            Self::Stdio => f.write_str("stdio"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text.into())
    }

    #[test]
    fn every_form_is_understood_and_shown_as_it_was_typed() {
        for text in [
            "unix:/run/a:b.sock",
            "unix:rel",
            "tcp:localhost:0",
            "tcp:127.0.0.1:65535",
            "tcp:[::1]:5640",
            "fd:3",
            "stdio",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_path_need_not_be_text() {
        let typed = OsString::from(OsStr::from_bytes(b"unix:/\xff"));
        let path = OsStr::from_bytes(b"/\xff").into();
        assert_eq!(Address::parse(typed), Ok(Address::Unix(path)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, hint) in [
            ("/run/a.sock", "an address is"),
            ("unix:", "path of the socket is missing"),
            ("tcp:127.0.0.1", "port is missing"),
            ("tcp::5640", "host is missing"),
            ("tcp:::1:5640", "in brackets"),
            ("tcp:[::1:5640", "not closed"),
            ("tcp:h:65536", "no port"),
            ("fd:1", "stdio"),
            ("fd:-1", "no descriptor"),
            ("fd:x", "no descriptor"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
