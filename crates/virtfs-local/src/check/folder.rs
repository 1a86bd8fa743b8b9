//! The metadata files of `mapped-file`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Statx;
use rustix::io;
use virtfs_vfs::FileKind;

use super::links::Stored;
use super::problem::Problem;
use super::read::{find, head, kind};
use super::{text, values};
use crate::inode::InodeId;
use crate::ownership::mapped_file::format::{MAX, parse, parse_successor};
use crate::ownership::mapped_file::reserved::FOLDER;
use crate::proc::ProcFd;

/// The folder in a directory; `None` if it has none.
pub(super) fn of(dir: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Problem> {
    match find(dir, FOLDER) {
        Ok(Some((fd, stat))) if kind(&stat) == FileKind::Directory => Ok(Some(fd)),
        Ok(Some((_, stat))) => Err(Problem::error(
            format!(
                "a {} in the place of the folder of metadata: clients cannot make files here",
                values::name(kind(&stat))
            ),
            "remove it",
        )),
        Ok(None) => Ok(None),
        Err(error) => Err(Problem::unchecked(
            "the metadata cannot be looked at",
            error,
        )),
    }
}

/// Judges the metadata file of this name in a folder: that of a file of these attributes.
pub(super) fn judge(
    proc: &ProcFd,
    folder: BorrowedFd<'_>,
    name: &[u8],
    file: &Statx,
    problems: &mut Vec<Problem>,
) -> Stored {
    let (found, stat) = match find(folder, name) {
        Ok(found) => found?,
        // A name that the metadata's file system does not take.
        Err(io::Errno::NAMETOOLONG) => return None,
        Err(error) => {
            problems.push(Problem::unchecked(
                "its metadata cannot be looked at",
                error,
            ));
            return None;
        }
    };
    if kind(&stat) != FileKind::Regular {
        let what = format!(
            "its metadata is a {}, which no server reads",
            values::name(kind(&stat))
        );
        problems.push(Problem::error(what, "remove that"));
        return None;
    }
    let links = stat.stx_nlink;
    let names = match kind(file) {
        FileKind::Directory => 1,
        _ => file.stx_nlink,
    };
    if links > names {
        let what = format!(
            "its metadata file has {links} names and the file {names}: it shares owner and mode \
             with something else"
        );
        let mend = "put a copy in the place of the metadata file";
        problems.push(Problem::warning(what, mend));
    }
    let text = match settled(proc, found.as_fd(), links, problems) {
        Ok(text) => text,
        Err(error) => {
            problems.push(Problem::unchecked(
                "its metadata file cannot be read",
                error,
            ));
            return None;
        }
    };
    let text = text.get(..MAX).unwrap_or(&text);
    // Those of another file that this one has replaced are not its own.
    let values = parse_successor(text, file.stx_ino).unwrap_or_else(|| parse(text));
    values::judge(&values, kind(file), problems);
    Some((InodeId::of(&stat), values))
}

/// Reads and judges a text. One that something is wrong with is looked at twice: a server may have
/// been about to write it.
fn settled(
    proc: &ProcFd,
    found: BorrowedFd<'_>,
    links: u32,
    problems: &mut Vec<Problem>,
) -> io::Result<Vec<u8>> {
    let mut read = head(proc, found, MAX + 1)?;
    let mut wrong = Vec::new();
    text::judge(&read, links, &mut wrong);
    if !wrong.is_empty() {
        let again = head(proc, found, MAX + 1)?;
        if again != read {
            read = again;
            wrong.clear();
            text::judge(&read, links, &mut wrong);
        }
    }
    problems.append(&mut wrong);
    Ok(read)
}

/// Judges an entry of a folder by whether its file is there.
pub(super) fn judge_entry(
    folder: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &[u8],
) -> Option<Problem> {
    match find(dir, name) {
        Ok(Some(_)) => return None,
        Ok(None) => {}
        Err(error) => return Some(Problem::unchecked("its file cannot be looked at", error)),
    }
    // A server removes the file first.
    find(folder, name).ok()??;
    // And it may make the metadata first.
    matches!(find(dir, name), Ok(None)).then(|| {
        let what = "metadata of a file that is not there: one that the host makes under the name \
                    gets its owner and mode";
        Problem::warning(what, "remove it")
    })
}
