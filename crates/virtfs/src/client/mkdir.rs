//! `virtfs mkdir`.

use std::io;

use rustix::fs::Mode;
use rustix::io::Errno;
use virtfs_client::{Fid, QidType, SetAttributes};

use super::connect::{PATIENCE, attach};
use super::mode::Change;
use super::path::RemotePath;
use super::report::Report;
use crate::cli::client::MkdirArgs;
use crate::failure::Failure;

pub(crate) fn run(args: MkdirArgs) -> Result<(), Failure> {
    let umask = umask();
    let mode = match &args.mode {
        Some(text) => Some(Change::parse(text, umask).map_err(Failure::usage)?),
        None => None,
    };
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    let make = Make {
        mode: mode.map(|mode| mode.apply(0o040777)),
        usual: 0o777 & !umask,
        gid: rustix::process::getegid().as_raw(),
    };
    for path in RemotePath::all(&args.paths) {
        let made = match args.parents {
            true => make.with_parents(&root, &path),
            false => path
                .entry(&root)
                .and_then(|(dir, name)| make.one(&dir, name)),
        };
        report.attempt(path.typed(), made);
    }
    report.end()
}

/// The umask of the process, which it takes two calls to learn: not for a process with threads.
pub(super) fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

struct Make {
    /// Of the directories that are named.
    mode: Option<u32>,
    /// Of the others.
    usual: u32,
    gid: u32,
}

impl Make {
    fn one(&self, dir: &Fid, name: &[u8]) -> io::Result<()> {
        dir.mkdir(name, self.mode.unwrap_or(self.usual) & 0o777, self.gid)?;
        if let Some(mode) = self.mode {
            // What mkdir leaves out, and what a default ACL takes away.
            dir.walk(&[name])?.setattr(&SetAttributes {
                mode: Some(mode),
                ..SetAttributes::default()
            })?;
        }
        Ok(())
    }

    fn with_parents(&self, root: &Fid, path: &RemotePath) -> io::Result<()> {
        let mut dir = root.walk::<&[u8]>(&[])?;
        let last = path.names().len();
        for (at, name) in path.names().iter().enumerate() {
            let below = match dir.walk(&[name]) {
                Err(error) if error.errno() == Errno::NOENT.raw_os_error() => {
                    let made = match at + 1 == last {
                        true => self.one(&dir, name),
                        // Who makes directories above must be able to make what is below.
                        false => dir
                            .mkdir(name, self.usual | 0o300, self.gid)
                            .map(drop)
                            .map_err(Into::into),
                    };
                    match made {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        _ => dir.walk(&[name])?,
                    }
                }
                walked => walked?,
            };
            if !below.qid().kind.contains(QidType::DIR) {
                return Err(Errno::NOTDIR.into());
            }
            dir = below;
        }
        Ok(())
    }
}
