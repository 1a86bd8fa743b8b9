//! `virtfs put`.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use virtfs_client::{Fid, LopenFlags, QidType, UnlinkFlags};

use super::connect::{PATIENCE, attach, user};
use super::copy::{Job, LocalSource, RemoteTarget, Start, names};
use super::mkdir::umask;
use super::path::RemotePath;
use crate::cli::client::PutArgs;
use crate::failure::{Doing, Failure};
use crate::signals::Signals;

pub(crate) fn run(PutArgs { copy: args }: PutArgs) -> Result<(), Failure> {
    let Some((destination, sources)) = args.paths.split_last() else {
        return Ok(());
    };
    let mode = 0o666 & !umask();
    let signals = Signals::block().doing(|| "signals cannot be set up")?;
    let root = attach(&args.remote, PATIENCE)?;
    let destination = RemotePath::new(destination);
    let job = Job::new(&args, root.client(), signals)?;
    if matches!(sources, [one] if one == "-") {
        let put = standard_input(&root, &destination, mode, args.no_clobber);
        job.report.attempt(destination.typed(), put);
        return job.end();
    }
    let (base, name) = place(&root, &destination, sources)?;
    let source = LocalSource::new();
    let mut starts = starts(&source, sources, name.as_deref(), &job);
    if let (Some(_), Some(typed)) = (&name, args.paths.last()) {
        job.only_directories_at(typed, &mut starts);
    }
    let owner = !args.no_owner && user(&args.remote) == 0;
    let target = RemoteTarget::new(base, owner, user(&args.remote), &job.report);
    job.run(source, target, starts, sources)
}

/// The directory that copies are made in, and one source's new name, if it gets one.
fn place(
    root: &Fid,
    typed: &RemotePath,
    sources: &[OsString],
) -> Result<(Fid, Option<Vec<u8>>), Failure> {
    let naming = || String::from_utf8_lossy(typed.typed()).into_owned();
    match typed.walk(root) {
        Ok(dir) if dir.qid().kind.contains(QidType::DIR) => return Ok((dir, None)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).doing(naming);
        }
        _ => {}
    }
    if sources.len() > 1 {
        return Err(Failure::new(format!(
            "{} is no directory, and there are several sources",
            naming()
        )));
    }
    let (dir, name) = typed.entry(root).doing(naming)?;
    Ok((dir, Some(name.into())))
}

fn starts(
    source: &LocalSource,
    sources: &[OsString],
    named: Option<&[u8]>,
    job: &Job,
) -> Vec<Start<LocalSource>> {
    let mut starts = Vec::new();
    for (typed, name) in sources.iter().zip(names(sources, named)) {
        if let Some((item, meta)) = job.report.attempt(typed.as_bytes(), source.start(typed)) {
            starts.push(Start {
                typed: typed.as_bytes().into(),
                name,
                item,
                meta,
            });
        }
    }
    starts
}

/// What is written at a time.
const PIECE: usize = 4 << 20;

fn standard_input(
    root: &Fid,
    destination: &RemotePath,
    mode: u32,
    no_clobber: bool,
) -> io::Result<()> {
    let no_name = || io::Error::other("what is read needs a name here: add one");
    let (dir, name) = destination
        .entry(root)
        .map_err(|error| match destination.name() {
            Some(_) => error,
            None => no_name(),
        })?;
    match dir.walk(&[name]) {
        Ok(_) if no_clobber => return Ok(()),
        Ok(there) if there.qid().kind.contains(QidType::DIR) => return Err(no_name()),
        Ok(there) if there.qid().kind.contains(QidType::SYMLINK) => {
            dir.unlink_at(name, UnlinkFlags::empty())?;
        }
        Err(error) if error.errno() != Errno::NOENT.raw_os_error() => return Err(error.into()),
        _ => {}
    }
    let flags = LopenFlags::WRONLY | LopenFlags::CREATE | LopenFlags::TRUNC;
    let gid = rustix::process::getegid().as_raw();
    let file = dir.create(name, flags, mode, gid)?;
    let mut input = io::stdin().lock();
    let mut buf = vec![0; PIECE];
    let mut at = 0;
    loop {
        let mut filled = 0;
        while let Some(room) = buf.get_mut(filled..).filter(|room| !room.is_empty()) {
            match input.read(room) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            return Ok(file.clunk()?);
        }
        file.write_all_at(buf.get(..filled).unwrap_or_default(), at)?;
        at += filled as u64;
    }
}
