//! Regular files of the host that stand for something else: the text of a link, and the nothing
//! that a device has in it.

use std::os::fd::BorrowedFd;

use virtfs_vfs::FileKind;

use super::problem::Problem;
use super::read::head;
use super::values::name;
use crate::proc::ProcFd;

/// `PATH_MAX` of Linux: no longer text can be followed, its NUL included.
const PATH_MAX: usize = 4096;

const MAKE_ANEW: &str = "make the link anew from a client";

/// Judges a regular file of `size` bytes that is of this kind to clients.
pub(super) fn judge(
    proc: &ProcFd,
    found: BorrowedFd<'_>,
    size: u64,
    kind: FileKind,
    problems: &mut Vec<Problem>,
) {
    match kind {
        FileKind::Regular | FileKind::Directory => {}
        FileKind::Symlink => match head(proc, found, PATH_MAX) {
            Ok(text) => problems.extend(of_link(&text, size)),
            Err(error) => problems.push(Problem::unchecked("its text cannot be read", error)),
        },
        _ if size > 0 => problems.push(Problem::note(
            format!("a {} with {size} bytes that nobody can read", name(kind)),
            "",
        )),
        _ => {}
    }
}

fn of_link(text: &[u8], size: u64) -> Option<Problem> {
    let body = text.strip_suffix(b"\0").unwrap_or(text);
    if body.is_empty() {
        let what = "a symbolic link without a text";
        return Some(Problem::error(what, MAKE_ANEW));
    }
    if text.len() >= PATH_MAX {
        let what = format!("a symbolic link of {size} bytes: Linux follows none of over 4095");
        return Some(Problem::error(what, MAKE_ANEW));
    }
    if body.contains(&0) {
        let what = "a symbolic link with a NUL in its text: clients get what is before it, or all";
        return Some(Problem::error(what, MAKE_ANEW));
    }
    if body.len() < text.len() {
        let what = "a symbolic link whose text ends with a NUL, as QEMU wrote it before 2011";
        return Some(Problem::note(
            what,
            "make it anew if other servers are to read it",
        ));
    }
    body.ends_with(b"\n").then(|| {
        let what = "a symbolic link whose text ends with a line feed: was it made by hand?";
        Problem::warning(what, MAKE_ANEW)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn texts_of_links_are_what_linux_takes() {
        let judged = |text: &[u8]| of_link(text, text.len() as u64).map(|p| p.severity);
        assert_eq!(judged(b"/target"), None);
        assert_eq!(judged(&[b'x'; 4095]), None);
        assert_eq!(judged(b"old\0"), Some(Severity::Note));
        assert_eq!(judged(b"by hand\n"), Some(Severity::Warning));
        for bad in [&b""[..], b"\0", b"a\0b", b"a\0\0", &[b'x'; 4096]] {
            assert_eq!(judged(bad), Some(Severity::Error));
        }
    }
}
