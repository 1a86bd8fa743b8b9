//! The server that a command talks to, and as whom.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use virtfs_client::Address;

use crate::cli::values::{msize, seconds};

/// Which server, which export, as whom.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The server: unix:PATH, tcp:HOST:PORT, vsock:CID:PORT or exec:COMMAND.
    ///
    /// unix:PATH       a Unix socket; also unix!PATH.
    /// tcp:HOST:PORT   IPv6 addresses stand in brackets; also tcp!HOST!PORT, and tcp!HOST for
    ///                 port 564.
    /// vsock:CID:PORT  a port of a virtual machine; CID 2 is the host. Also vsock!CID!PORT.
    /// exec:COMMAND    a command of the shell that serves on its standard input and output, as in
    ///                 'exec:ssh host virtfs serve --shared-dir /srv --listen stdio'.
    #[arg(value_name = "ADDRESS", verbatim_doc_comment)]
    #[arg(value_parser = OsStringValueParser::new().try_map(RemoteAddress::parse))]
    pub(crate) address: RemoteAddress,

    /// The export, if it is not the server's first.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(help_heading = "Connection")]
    pub(crate) aname: String,

    /// The name of the user to act as, for servers that go by names.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    #[arg(help_heading = "Connection")]
    pub(crate) uname: String,

    /// The number of the user to act as. Without it: the user who runs the command.
    #[arg(long, value_name = "N", help_heading = "Connection")]
    pub(crate) uid: Option<u32>,

    /// The largest message to ask for, in bytes; K and M are understood.
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = msize)]
    #[arg(help_heading = "Connection")]
    pub(crate) msize: u32,

    /// How long to wait for any answer; 0 is for ever. [default: 30, for a mount 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Connection")]
    pub(crate) timeout: Option<std::time::Duration>,
}

/// Where a server is, as it was typed.
#[derive(Clone, Debug)]
pub(crate) struct RemoteAddress {
    typed: OsString,
    pub(crate) server: RemoteServer,
}

/// Where a server is, or how one is started.
#[derive(Clone, Debug)]
pub(crate) enum RemoteServer {
    /// It listens.
    Listens(Address),
    /// A command of the shell that serves on its standard input and output.
    Exec(OsString),
}

impl RemoteAddress {
    fn parse(text: OsString) -> Result<Self, String> {
        let server = match text.as_bytes().strip_prefix(b"exec:") {
            Some(b"") => return Err("the command is missing, as in 'exec:ssh host …'".into()),
            Some(command) => RemoteServer::Exec(OsStr::from_bytes(command).into()),
            None => {
                let address = Address::parse(&text).map_err(|error| error.to_string())?;
                RemoteServer::Listens(address)
            }
        };
        Ok(Self {
            typed: text,
            server,
        })
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.typed.display().fmt(f)
    }
}
