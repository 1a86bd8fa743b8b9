//! `virtfs mv`.

use std::collections::HashSet;
use std::io;

use rustix::io::Errno;
use virtfs_client::{Fid, QidType};

use super::connect::{PATIENCE, attach};
use super::ln::place;
use super::path::RemotePath;
use super::report::Report;
use super::sweep::is_missing;
use crate::cli::client::MvArgs;
use crate::failure::Failure;

pub(crate) fn run(args: MvArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    let paths = RemotePath::all(&args.paths);
    let Some((destination, sources)) = paths.split_last() else {
        return Ok(());
    };
    if sources.len() > 1 {
        let fid = destination.walk(&root);
        if !fid.is_ok_and(|fid| fid.qid().kind.contains(QidType::DIR)) {
            report.failed(destination.typed(), &Errno::NOTDIR.into());
            return report.end();
        }
    }
    let mut names = HashSet::new();
    for source in sources {
        if sources.len() > 1 && source.name().is_some_and(|name| !names.insert(name)) {
            let why = "another of the sources has this name: it would replace that";
            report.failed_because(source.typed(), why);
            continue;
        }
        let moved = rename(&root, source, destination, args.no_clobber);
        report.attempt(source.typed(), moved);
    }
    report.end()
}

fn rename(
    root: &Fid,
    source: &RemotePath,
    destination: &RemotePath,
    no_clobber: bool,
) -> io::Result<()> {
    let (from, name) = source.entry(root)?;
    let (to, new_name) = place(root, destination, source)?;
    if no_clobber {
        match to.walk(&[new_name]) {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match from.rename_at(name, &to, new_name) {
        Err(error) if error.errno() == Errno::INVAL.raw_os_error() => Err(io::Error::other(
            "it cannot be moved into itself, or the server takes no such name",
        )),
        moved => Ok(moved?),
    }
}
