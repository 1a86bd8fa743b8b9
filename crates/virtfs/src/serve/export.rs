//! Opening the directories that are served.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::config::ExportConfig;
use super::ownership::Ownership;
use crate::failure::{Failure, reason};

/// A directory that was found.
#[derive(Debug)]
pub(super) struct OpenExport {
    /// What clients give as `aname`.
    pub(super) name: Vec<u8>,
    /// What to write behind `aname=` in a mount command; `None`: nothing.
    pub(super) aname: Option<String>,
    pub(super) dir: OwnedFd,
    pub(super) readonly: bool,
    pub(super) ownership: Ownership,
}

/// Opens all directories. The first is what clients reach who name none.
pub(super) fn open_all(exports: &[ExportConfig]) -> Result<Vec<OpenExport>, Failure> {
    exports
        .iter()
        .enumerate()
        .map(|(number, export)| open(export, number == 0))
        .collect()
}

fn open(export: &ExportConfig, first: bool) -> Result<OpenExport, Failure> {
    let path = export.dir.as_path();
    let dir = readable(path).map_err(|errno| match &export.fsdev {
        Some(id) => refusal_of_fsdev(id, path, errno),
        None => refusal(path, errno),
    })?;
    let name = match &export.name {
        Some(name) => name.clone().into_bytes(),
        // Without a name it can still be asked for by its path.
        None => std::fs::canonicalize(path)
            .unwrap_or_else(|_| path.into())
            .into_os_string()
            .as_bytes()
            .to_vec(),
    };
    Ok(OpenExport {
        name,
        aname: export.name.clone().filter(|_| !first),
        dir,
        readonly: export.readonly,
        ownership: export.ownership.clone(),
    })
}

/// The directory by `O_PATH`, if it can be listed.
fn readable(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(CWD, path, flags | OFlags::PATH, Mode::empty())?;
    openat(&dir, c".", flags | OFlags::RDONLY, Mode::empty())?;
    Ok(dir)
}

fn refusal(path: &Path, errno: Errno) -> Failure {
    let path = path.display();
    Failure::new(match errno {
        Errno::NOENT => format!("cannot serve {path}: there is no such directory"),
        Errno::NOTDIR => format!("cannot serve {path}: it is not a directory"),
        Errno::ACCESS => format!(
            "cannot serve {path}: this user may not read it; give it permission, or run virtfs \
             as the directory's owner"
        ),
        errno => format!("cannot serve {path}: {}", reason(&io::Error::from(errno))),
    })
}

/// In QEMU's words, which management software may look for.
fn refusal_of_fsdev(id: &str, path: &Path, errno: Errno) -> Failure {
    let (path, why) = (path.display(), reason(&io::Error::from(errno)));
    Failure::new(format!(
        "cannot initialize fsdev '{id}': failed to open '{path}': {why}"
    ))
}
