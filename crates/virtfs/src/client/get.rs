//! `virtfs get`.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, Mode, OFlags, openat};
use virtfs_client::Fid;

use super::cat::{Stopped, to_writer, unwritten};
use super::connect::{PATIENCE, attach};
use super::copy::{Job, LocalTarget, RemoteSource, Start, base_name, names, remote_meta};
use super::output::unbuffered;
use super::path::RemotePath;
use crate::cli::client::GetArgs;
use crate::failure::{Doing, Failure};
use crate::signals::Signals;

pub(crate) fn run(
    GetArgs {
        trust_server,
        copy: args,
    }: GetArgs,
) -> Result<(), Failure> {
    let Some((destination, sources)) = args.paths.split_last() else {
        return Ok(());
    };
    let signals = Signals::block().doing(|| "signals cannot be set up")?;
    let root = attach(&args.remote, PATIENCE)?;
    let job = Job::new(&args, root.client(), signals)?;
    match place(destination, sources)? {
        Place::Stream(to) => stream(&root, sources, to, job),
        Place::Directory(base, name) => {
            let mut starts = starts(&root, sources, name.as_deref(), &job);
            if name.is_some() {
                job.only_directories_at(destination, &mut starts);
            }
            let target = LocalTarget::new(base, !args.no_owner, trust_server, &job.report);
            job.run(RemoteSource::new(), target, starts, &[])
        }
    }
}

/// Where copies go.
enum Place {
    /// Into a directory, one source perhaps by a new name.
    Directory(OwnedFd, Option<Vec<u8>>),
    /// Their contents alone: to standard output or a special file, such as /dev/null.
    Stream(File),
}

fn place(typed: &OsStr, sources: &[OsString]) -> Result<Place, Failure> {
    let naming = || typed.display();
    if typed == "-" {
        return unbuffered().map(Place::Stream).doing(|| "-");
    }
    let path = Path::new(typed);
    let there = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        there => Some(there.doing(naming)?),
    };
    if there.as_ref().is_some_and(|there| there.is_dir()) {
        return Ok(Place::Directory(directory(path).doing(naming)?, None));
    }
    if sources.len() > 1 {
        return Err(Failure::new(format!(
            "{} is no directory, and there are several sources",
            naming()
        )));
    }
    let path = match &there {
        Some(there) if !there.is_file() => {
            let to = OpenOptions::new().write(true).open(path);
            return to.map(Place::Stream).doing(naming);
        }
        // What was typed may be a link: it leads where its user wants to.
        Some(_) => path.canonicalize().doing(naming)?,
        None => path.to_owned(),
    };
    let no_name = || Failure::new(format!("{} is no name for a copy", naming()));
    let name = base_name(path.as_os_str().as_bytes()).ok_or_else(no_name)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    let base = directory(above).doing(|| above.display())?;
    Ok(Place::Directory(base, Some(name.into())))
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

fn starts(
    root: &Fid,
    sources: &[OsString],
    named: Option<&[u8]>,
    job: &Job,
) -> Vec<Start<RemoteSource>> {
    let mut starts = Vec::new();
    for (typed, name) in sources.iter().zip(names(sources, named)) {
        let looked = RemotePath::new(typed).look(root);
        if let Some((item, attributes)) = job.report.attempt(typed.as_bytes(), looked) {
            starts.push(Start {
                typed: typed.as_bytes().into(),
                name,
                item,
                meta: remote_meta(&attributes),
            });
        }
    }
    starts
}

fn stream(root: &Fid, sources: &[OsString], mut to: File, job: Job) -> Result<(), Failure> {
    for typed in sources {
        let path = RemotePath::new(typed);
        let told = |bytes| {
            job.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        };
        match to_writer(root, &path, &mut to, told) {
            Ok(()) => {}
            Err(Stopped::Read(error)) => job.report.failed(path.typed(), &error),
            Err(Stopped::Write(error)) => return unwritten(&error),
        }
    }
    job.end()
}
