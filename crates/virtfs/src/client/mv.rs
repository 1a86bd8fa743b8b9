//! `virtfs mv`.

use std::io;

use rustix::io::Errno;
use virtfs_client::{Fid, QidType};

use super::connect::{PATIENCE, attach};
use super::ln::place;
use super::path::RemotePath;
use super::report::Report;
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
    for source in sources {
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
    if no_clobber && to.walk(&[new_name]).is_ok() {
        return Ok(());
    }
    Ok(from.rename_at(name, &to, new_name)?)
}
