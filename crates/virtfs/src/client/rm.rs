//! `virtfs rm`.

use std::io;
use std::sync::Arc;

use virtfs_client::{Fid, QidType, UnlinkFlags};

use super::connect::{PATIENCE, attach};
use super::path::RemotePath;
use super::report::Report;
use super::sweep::{Directory, Visit, is_missing, sweep};
use crate::cli::client::RmArgs;
use crate::failure::Failure;

pub(crate) fn run(args: RmArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Arc::new(Report::of(root.client()));
    for path in RemotePath::all(&args.paths) {
        match path.entry(&root) {
            Ok((dir, name)) => remove(&args, dir, name, &path, &report),
            Err(error) if args.force && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => report.failed(path.typed(), &error),
        }
    }
    report.end()
}

fn remove(args: &RmArgs, dir: Fid, name: &[u8], path: &RemotePath, report: &Arc<Report>) {
    let fid = match dir.walk(&[name]) {
        Ok(fid) => fid,
        Err(error) if args.force && is_missing(&error) => return,
        Err(error) => return report.failed(path.typed(), &error.into()),
    };
    if !fid.qid().kind.contains(QidType::DIR) {
        let removed = dir.unlink_at(name, UnlinkFlags::empty());
        report.attempt(path.typed(), removed.map_err(Into::into));
    } else if !args.recursive {
        report.failed_because(path.typed(), "it is a directory; -r removes it");
    } else {
        let entry = Some((dir, name.to_vec()));
        let swept = sweep(fid, entry, path.typed(), Removal, report);
        report.attempt(path.typed(), swept);
    }
}

struct Removal;

impl Visit for Removal {
    fn files(&self, dir: &Directory, names: &[Vec<u8>], report: &Report) {
        for name in names {
            match dir.fid.unlink_at(name, UnlinkFlags::empty()) {
                Ok(()) => {}
                Err(error) if is_missing(&error) => {}
                Err(error) => {
                    report.failed(&dir.path_of(name), &error.into());
                    dir.failed();
                }
            }
        }
    }

    fn leave(&self, dir: &Directory) -> io::Result<()> {
        match dir.entry() {
            // What is left in it has been named already.
            Some((parent, name)) if dir.complete() => {
                Ok(parent.unlink_at(name, UnlinkFlags::REMOVEDIR)?)
            }
            _ => Ok(()),
        }
    }
}
