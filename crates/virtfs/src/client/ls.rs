//! `virtfs ls`.

use std::io::{self, Write};

use rustix::io::Errno;
use virtfs_client::{Attributes, Entry, Fid, QidType};

use super::connect::{PATIENCE, attach};
use super::listing::Listing;
use super::output::{Output, written};
use super::path::RemotePath;
use super::report::Report;
use super::stat::{device, human};
use super::time::Zone;
use super::{copy::MAX_DEPTH, mode};
use crate::cli::client::LsArgs;
use crate::failure::Failure;

/// How many entries of one directory are sorted: a server may have no end of them.
const MAX_ENTRIES: usize = 4 << 20;
/// How many bytes of names are kept of one directory, and of those that wait to be listed.
const MAX_NAMES: usize = 512 << 20;
/// How many directories may be waiting to be listed.
const MAX_WAITING: usize = 1 << 20;
/// How many files are looked at together for one portion of a long listing.
const PORTION: usize = 4096;

pub(crate) fn run(args: LsArgs) -> Result<(), Failure> {
    let root = attach(&args.remote, PATIENCE)?;
    let paths = RemotePath::all(&args.paths);
    let mut ls = Ls {
        zone: Zone::new(args.utc),
        args,
        root,
        out: Output::new(),
        report: Report::new(),
        widths: Widths::default(),
        begun: false,
    };
    let done = ls.all(&paths).and_then(|()| ls.out.flush());
    written(done)?;
    ls.report.end()
}

struct Ls {
    args: LsArgs,
    zone: Zone,
    root: Fid,
    out: Output,
    report: Report,
    widths: Widths,
    /// Something has been written: what follows is set off.
    begun: bool,
}

/// A file in a listing.
struct Line {
    name: Vec<u8>,
    attributes: Attributes,
    target: Option<Vec<u8>>,
}

impl Ls {
    /// Files first, then directories, as ls does. The errors are those of the output.
    fn all(&mut self, paths: &[RemotePath]) -> io::Result<()> {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for path in paths {
            let Some(attributes) = self.report.attempt(path.typed(), path.stat(&self.root)) else {
                continue;
            };
            if attributes.qid.kind.contains(QidType::DIR) && !self.args.directory {
                directories.push(path.clone());
            } else {
                let target = self.target_of(path, &attributes);
                files.push(Line {
                    name: path.typed().into(),
                    attributes,
                    target,
                });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        self.begun = !files.is_empty();
        self.lines(&files)?;
        let headings = self.args.recursive || paths.len() > 1;
        for path in directories {
            self.tree(&path, headings)?;
        }
        Ok(())
    }

    /// A directory, and with -R those below: each before what it holds.
    fn tree(&mut self, top: &RemotePath, headings: bool) -> io::Result<()> {
        let mut waiting = vec![(top.typed().to_vec(), top.names().to_vec())];
        // A path is kept twice, the second time in pieces.
        let size = |path: &[u8], depth: usize| 2 * path.len() + 24 * depth;
        let mut bytes = size(top.typed(), top.names().len());
        while let Some((shown, names)) = waiting.pop() {
            bytes -= size(&shown, names.len());
            if headings {
                if self.begun {
                    self.out.write_all(b"\n")?;
                }
                let heading = self.out.name(&shown).into_owned();
                self.out.write_all(&heading)?;
                self.out.write_all(b":\n")?;
            }
            self.begun = true;
            let Some(below) = self.directory(&shown, &names)? else {
                continue;
            };
            let more: usize = below
                .iter()
                .map(|name| size(&joined(&shown, name), names.len() + 1))
                .sum();
            if names.len() >= MAX_DEPTH
                || waiting.len() + below.len() > MAX_WAITING
                || bytes + more > MAX_NAMES
            {
                self.report.failed_because(&shown, "too much is below it");
                continue;
            }
            bytes += more;
            for name in below.into_iter().rev() {
                let path = joined(&shown, &name);
                let names = names.iter().cloned().chain([name]).collect();
                waiting.push((path, names));
            }
        }
        Ok(())
    }

    /// One directory; the names of those in it if they are to be listed too.
    fn directory(&mut self, shown: &[u8], names: &[Vec<u8>]) -> io::Result<Option<Vec<Vec<u8>>>> {
        let entries = self.root.walk(names).map_err(io::Error::from);
        let entries = entries.and_then(|fid| Ok((read(&fid, self.args.all)?, fid)));
        let Some((entries, fid)) = self.report.attempt(shown, entries) else {
            return Ok(None);
        };
        if !self.args.long {
            for entry in &entries {
                self.name(&entry.name)?;
                self.out.write_all(b"\n")?;
            }
        }
        self.widths = Widths::default();
        let looked_at = if self.args.long { &*entries } else { &[] };
        for portion in looked_at.chunks(PORTION) {
            let lines = self.look(&fid, shown, portion);
            self.lines(&lines)?;
        }
        let below = entries.into_iter().filter(|entry| {
            let itself = matches!(&*entry.name, b"." | b"..");
            self.args.recursive && entry.qid.kind.contains(QidType::DIR) && !itself
        });
        Ok(Some(below.map(|entry| entry.name).collect()))
    }

    fn look(&self, dir: &Fid, shown: &[u8], entries: &[Entry]) -> Vec<Line> {
        let names: Vec<&[u8]> = entries.iter().map(|entry| &*entry.name).collect();
        let mut lines = Vec::new();
        for (name, attributes) in names.iter().zip(dir.stat_all(&names)) {
            let path = || joined(shown, name);
            let attributes = match attributes {
                Ok(attributes) => attributes,
                // It went away in the meantime.
                Err(error) if error.errno() == Errno::NOENT.raw_os_error() => continue,
                Err(error) => {
                    self.report.failed(&path(), &error.into());
                    continue;
                }
            };
            let target = is_link(&attributes).then(|| {
                let target = dir.walk(&[name]).and_then(|fid| fid.readlink());
                self.report.attempt(&path(), target.map_err(Into::into))
            });
            lines.push(Line {
                name: name.to_vec(),
                attributes,
                target: target.flatten(),
            });
        }
        lines
    }

    fn target_of(&self, path: &RemotePath, attributes: &Attributes) -> Option<Vec<u8>> {
        if !self.args.long || !is_link(attributes) {
            return None;
        }
        let target = path.walk(&self.root).and_then(|fid| Ok(fid.readlink()?));
        self.report.attempt(path.typed(), target)
    }

    fn lines(&mut self, lines: &[Line]) -> io::Result<()> {
        for line in lines {
            self.widths
                .fit(&line.attributes, &self.size(&line.attributes));
        }
        for line in lines {
            if self.args.long {
                self.long(&line.attributes)?;
            }
            self.name(&line.name)?;
            if let Some(target) = &line.target {
                self.out.write_all(b" -> ")?;
                self.name(target)?;
            }
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn long(&mut self, file: &Attributes) -> io::Result<()> {
        let Widths {
            nlink,
            uid,
            gid,
            size,
        } = self.widths;
        write!(
            self.out,
            "{} {:nlink$} {:uid$} {:gid$} {:>size$} {} ",
            mode::shown(file.mode),
            file.nlink,
            file.uid,
            file.gid,
            self.size(file),
            self.zone.short(file.mtime),
        )
    }

    fn size(&self, file: &Attributes) -> String {
        match file.mode & 0o170000 {
            0o020000 | 0o060000 => {
                let (major, minor) = device(file.rdev);
                format!("{major}, {minor}")
            }
            _ if self.args.human_readable => human(file.size),
            _ => file.size.to_string(),
        }
    }

    fn name(&mut self, name: &[u8]) -> io::Result<()> {
        let name = self.out.name(name).into_owned();
        self.out.write_all(&name)
    }
}

/// How wide the columns are.
#[derive(Clone, Copy, Default)]
struct Widths {
    nlink: usize,
    uid: usize,
    gid: usize,
    size: usize,
}

impl Widths {
    fn fit(&mut self, file: &Attributes, size: &str) {
        let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
        self.nlink = self.nlink.max(digits(file.nlink));
        self.uid = self.uid.max(digits(file.uid.into()));
        self.gid = self.gid.max(digits(file.gid.into()));
        self.size = self.size.max(size.len());
    }
}

/// All entries that are to be listed, by name.
fn read(dir: &Fid, hidden: bool) -> io::Result<Vec<Entry>> {
    let mut directory = Listing::of(dir)?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    loop {
        let batch = directory.next_batch()?;
        if batch.is_empty() {
            break;
        }
        for entry in batch {
            if hidden || !entry.name.starts_with(b".") {
                bytes += entry.name.len();
                entries.push(entry);
            }
        }
        if entries.len() > MAX_ENTRIES || bytes > MAX_NAMES {
            return Err(io::Error::other("it has too many entries"));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn is_link(file: &Attributes) -> bool {
    file.mode & 0o170000 == 0o120000
}

fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if dir.ends_with(b"/") { b"" } else { b"/" };
    [dir, slash, name].concat()
}
