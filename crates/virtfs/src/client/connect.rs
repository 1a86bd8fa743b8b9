//! From what was typed to the root of an export.

use std::io;
use std::process::Command;
use std::time::Duration;

use virtfs_client::{Attach, Client, Error, Fid, Options};

use crate::cli::client::{Remote, RemoteServer};
use crate::failure::{Doing, Failure, reason};
use crate::sys;

/// How long commands wait for an answer unless told otherwise.
pub(super) const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// The root of the export, attached as the user who was asked for. `timeout` is what holds
/// if none was typed.
pub(super) fn attach(remote: &Remote, timeout: Option<Duration>) -> Result<Fid, Failure> {
    let client = connect(remote, timeout)?;
    let who = Attach {
        uname: remote.uname.clone(),
        aname: remote.aname.clone(),
        uid: user(remote),
    };
    client.attach(&who).doing(|| match &*remote.aname {
        "" => format!("{} lets nobody attach", remote.address),
        name => format!("{}: cannot attach to '{name}'", remote.address),
    })
}

/// The number of the user that the server is told.
pub(super) fn user(remote: &Remote) -> u32 {
    match remote.uid {
        Some(uid) => uid,
        // A name alone is to count.
        None if !remote.uname.is_empty() => u32::MAX,
        None => rustix::process::geteuid().as_raw(),
    }
}

/// Starts a session.
pub(super) fn connect(remote: &Remote, timeout: Option<Duration>) -> Result<Client, Failure> {
    let options = Options {
        msize: remote.msize,
        timeout: match remote.timeout {
            Some(Duration::ZERO) => None,
            Some(typed) => Some(typed),
            None => timeout,
        },
        ..Options::default()
    };
    let client = match &remote.address.server {
        RemoteServer::Listens(address) => Client::connect(address, &options),
        RemoteServer::Exec(text) => {
            let mut command = Command::new("sh");
            command.arg("-c").arg(text);
            sys::unblock_signals_in(&mut command);
            Client::spawn(command, &options)
        }
    };
    client
        .map_err(|error| match error {
            // There was no connection to lose yet.
            Error::Lost(why) => io::Error::new(why.kind(), reason(&why)),
            error => error.into(),
        })
        .doing(|| format!("cannot connect to {}", remote.address))
}
