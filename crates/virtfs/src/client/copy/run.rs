//! A copy from its command's start to its end: progress, signals, what is told.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use virtfs_client::Client;

use super::copier::{Copier, Options, Start};
use super::progress::Progress;
use super::scan::scan;
use super::tree::{Source, Target};
use crate::cli::client::CopyArgs;
use crate::client::report::Report;
use crate::failure::{Doing, Failure};
use crate::signals::Signals;

/// A command that copies.
pub(crate) struct Job {
    pub(crate) report: Arc<Report>,
    pub(crate) progress: Arc<Progress>,
    options: Options,
    quiet: bool,
}

impl Job {
    /// Gets ready to copy by a connection, until one of the signals comes.
    pub(crate) fn new(args: &CopyArgs, client: &Client, signals: Signals) -> Result<Self, Failure> {
        raise_descriptors();
        let job = Self {
            report: Arc::new(Report::of(client)),
            progress: Arc::default(),
            options: Options {
                recursive: args.recursive,
                no_clobber: args.no_clobber,
                xattrs: !args.no_xattrs,
                piece: piece(client),
            },
            quiet: args.quiet,
        };
        let (report, progress) = (job.report.clone(), job.progress.clone());
        let watch = move || {
            if let Ok(signal) = signals.wait() {
                interrupted(&report, &progress);
                std::process::exit(128 + signal);
            }
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(watch)
            .doing(|| "threads cannot be started")?;
        Ok(job)
    }

    /// Copies, and tells what could not be copied. `local` are the local files among the
    /// sources, to be counted ahead.
    pub(crate) fn run<S: Source, T: Target>(
        self,
        source: S,
        target: T,
        starts: Vec<Start<S>>,
        local: &[OsString],
    ) -> Result<(), Failure> {
        let Self {
            report, progress, ..
        } = &self;
        let shown = if self.quiet {
            None
        } else {
            progress.show(report)
        };
        if shown.is_some() {
            scan(local, progress);
        }
        let copied = Copier::new(source, target, self.options, report, progress)
            .and_then(|copier| copier.run(starts));
        progress.end(shown);
        copied.doing(|| "cannot copy")?;
        self.end()
    }

    /// Refuses to give a file a name that ends in a slash, as a directory's does.
    pub(crate) fn only_directories_at<S: Source>(&self, typed: &OsStr, starts: &mut Vec<Start<S>>) {
        if !typed.as_bytes().ends_with(b"/") || starts.iter().all(|start| start.meta.is_dir()) {
            return;
        }
        self.report
            .failed_because(typed.as_bytes(), "there is no such directory");
        starts.clear();
    }

    /// The end of the command.
    pub(crate) fn end(self) -> Result<(), Failure> {
        if self.report.lost() {
            return Err(Failure::new(format!(
                "the connection is lost: {}",
                summary(&self.progress)
            )));
        }
        self.report.end()
    }
}

/// What is read and written at a time: some requests' worth, so that they overlap; a multiple of
/// what holes are made of.
fn piece(client: &Client) -> usize {
    /// `Rread` and `Twrite` have a head, and Linux's is the larger: 24 bytes.
    const HEAD: usize = 24;
    let payload = (client.msize() as usize).saturating_sub(HEAD).max(4096);
    (4 * payload).clamp(64 << 10, 4 << 20) / 4096 * 4096
}

/// Each level of a tree takes a descriptor. What the limit is, is found out when it is met.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

fn summary(progress: &Progress) -> String {
    let copied = progress.copied.load(Ordering::Relaxed);
    let known = progress.found.load(Ordering::Relaxed);
    let known = known.max(progress.total.load(Ordering::Relaxed));
    let left = known.saturating_sub(copied);
    format!(
        "{copied} files were copied, {left} or more were not; some of those may be there in part"
    )
}

fn interrupted(report: &Report, progress: &Progress) {
    report.bar.finish_and_clear();
    // With nobody to tell, the exit status still says it.
    let _ = writeln!(io::stderr(), "virtfs: interrupted: {}", summary(progress));
}

/// The names of the copies: each its source's, unless there is one source and a name for it.
pub(crate) fn names(sources: &[OsString], named: Option<&[u8]>) -> Vec<Option<Vec<u8>>> {
    let name = |source: &OsString| match named {
        Some(name) => Some(name.into()),
        None => base_name(source.as_bytes()).map(Into::into),
    };
    sources.iter().map(name).collect()
}

/// The last component of a path, if it is a name: what `.` and `..` hold is copied without them.
pub(crate) fn base_name(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|byte| *byte != b'/')? + 1;
    let name = path.get(..end)?.rsplit(|byte| *byte == b'/').next()?;
    (!matches!(name, b"" | b"." | b"..")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_is_the_name_unless_it_is_none() {
        for (path, name) in [
            (&b"a/b"[..], Some(&b"b"[..])),
            (b"a/b//", Some(b"b")),
            (b"b", Some(b"b")),
            (b"a/.", None),
            (b"..", None),
            (b"/", None),
            (b"", None),
        ] {
            assert_eq!(base_name(path), name);
        }
    }
}
