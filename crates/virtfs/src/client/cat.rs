//! `virtfs cat`.

use std::io::{self, Write};

use rustix::io::Errno;
use virtfs_client::{Fid, LopenFlags, QidType};

use super::connect::{PATIENCE, attach};
use super::output::unbuffered;
use super::path::RemotePath;
use super::report::Report;
use crate::cli::client::CatArgs;
use crate::failure::{Doing, Failure, reason};

/// What is read at a time.
const CHUNK: u32 = 4 << 20;

pub(crate) fn run(args: CatArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let report = Report::new();
    let mut out = unbuffered().doing(|| "cannot write to standard output")?;
    for path in RemotePath::all(&args.paths) {
        match to_writer(&root, &path, &mut out, |_| {}) {
            Ok(()) => {}
            Err(Stopped::Read(error)) => report.failed(path.typed(), &error),
            Err(Stopped::Write(error)) => return unwritten(&error),
        }
    }
    report.end()
}

/// Why a file was not written to its end.
pub(super) enum Stopped {
    Read(io::Error),
    Write(io::Error),
}

/// Writes a file of the server to its end, and tells each piece's length.
pub(super) fn to_writer(
    root: &Fid,
    path: &RemotePath,
    out: &mut impl Write,
    mut told: impl FnMut(u64),
) -> Result<(), Stopped> {
    let read = |error: virtfs_client::Error| Stopped::Read(error.into());
    let fid = root.walk(path.names()).map_err(read)?;
    if fid.qid().kind.contains(QidType::DIR) {
        return Err(Stopped::Read(Errno::ISDIR.into()));
    }
    let file = fid.into_open(LopenFlags::RDONLY).map_err(read)?;
    let mut at = 0;
    loop {
        let chunk = file.read_chunk(CHUNK, at).map_err(read)?;
        if chunk.is_empty() {
            return Ok(());
        }
        for part in chunk.parts() {
            out.write_all(part).map_err(Stopped::Write)?;
        }
        at += chunk.len() as u64;
        told(chunk.len() as u64);
    }
}

/// The end of a command that cannot write what it read. A reader that has seen enough is no
/// failure.
pub(super) fn unwritten(error: &io::Error) -> Result<(), Failure> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::new(format!(
            "cannot write to standard output: {}",
            reason(error)
        ))),
    }
}
