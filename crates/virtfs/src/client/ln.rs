//! `virtfs ln`.

use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use virtfs_client::{Fid, QidType, UnlinkFlags};

use super::connect::{PATIENCE, attach};
use super::path::RemotePath;
use super::report::Report;
use crate::cli::client::LnArgs;
use crate::failure::Failure;

pub(crate) fn run(args: LnArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    report.attempt(args.name.as_bytes(), link(&root, &args));
    report.end()
}

fn link(root: &Fid, args: &LnArgs) -> io::Result<()> {
    let target = RemotePath::new(&args.target);
    let path = RemotePath::new(&args.name);
    let (dir, name) = place(root, &path, &target)?;
    let make = || -> io::Result<()> {
        if args.symbolic {
            let gid = rustix::process::getegid().as_raw();
            dir.symlink(name, args.target.as_bytes(), gid)?;
        } else {
            dir.link(name, &target.walk(root)?)?;
        }
        Ok(())
    };
    match make() {
        Err(error) if args.force && error.kind() == io::ErrorKind::AlreadyExists => {
            let existing = dir.walk(&[name])?.qid().path;
            if !args.symbolic && target.walk(root)?.qid().path == existing {
                // Two names of one file already: removing one could lose it.
                return Ok(());
            }
            dir.unlink_at(name, UnlinkFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// Where a file goes whose destination was typed: into it if it is a directory, else to that
/// name.
pub(super) fn place<'p>(
    root: &Fid,
    destination: &'p RemotePath,
    source: &'p RemotePath,
) -> io::Result<(Fid, &'p [u8])> {
    match destination.walk(root) {
        Ok(dir) if dir.qid().kind.contains(QidType::DIR) => {
            let name = source.name().ok_or(Errno::INVAL)?;
            Ok((dir, name))
        }
        _ => destination.entry(root),
    }
}
