//! `virtfs chmod`.

use std::io;
use std::sync::Arc;

use virtfs_client::{Attributes, Fid, QidType, SetAttributes};

use super::connect::{PATIENCE, attach};
use super::mkdir::umask;
use super::mode::Change;
use super::path::RemotePath;
use super::report::Report;
use super::sweep::{Directory, Visit, sweep};
use crate::cli::client::ChmodArgs;
use crate::failure::Failure;

pub(crate) fn run(args: ChmodArgs) -> Result<(), Failure> {
    let change = Change::parse(&args.mode, umask()).map_err(Failure::usage)?;
    let root = attach(&args.remote, PATIENCE)?;
    let report = Arc::new(Report::of(root.client()));
    let chmod = Chmod(change);
    for path in RemotePath::all(&args.paths) {
        let Some((fid, file)) = report.attempt(path.typed(), path.look(&root)) else {
            continue;
        };
        if file.qid.kind.contains(QidType::SYMLINK) {
            report.failed_because(path.typed(), "a symbolic link has no permissions");
        } else if args.recursive && file.qid.kind.contains(QidType::DIR) {
            let swept = sweep(fid, None, path.typed(), chmod.clone(), &report);
            report.attempt(path.typed(), swept);
        } else {
            report.attempt(path.typed(), chmod.apply(&fid, &file));
        }
    }
    report.end()
}

#[derive(Clone)]
struct Chmod(Change);

impl Chmod {
    fn apply(&self, fid: &Fid, file: &Attributes) -> io::Result<()> {
        let mode = self.0.apply(file.mode);
        if mode == file.mode & 0o7777 {
            return Ok(());
        }
        Ok(fid.setattr(&SetAttributes {
            mode: Some(mode),
            ..SetAttributes::default()
        })?)
    }
}

impl Visit for Chmod {
    fn files(&self, dir: &Directory, names: &[Vec<u8>], report: &Report) {
        for (name, found) in names.iter().zip(dir.fid.lookup_all(names)) {
            let done = match found {
                Ok((_, file)) if file.qid.kind.contains(QidType::SYMLINK) => Ok(()),
                Ok((fid, file)) => self.apply(&fid, &file),
                Err(error) => Err(error.into()),
            };
            report.attempt(&dir.path_of(name), done);
        }
    }

    /// A mode that opens a directory has to come first, one that closes it last.
    fn enter(&self, dir: &Fid) -> io::Result<()> {
        let file = dir.attributes()?;
        match self.0.apply(file.mode) & 0o700 & !file.mode {
            0 => Ok(()),
            _ => self.apply(dir, &file),
        }
    }

    fn leave(&self, dir: &Directory) -> io::Result<()> {
        let file = dir.fid.attributes()?;
        self.apply(&dir.fid, &file)
    }
}
