//! Paths within an export.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use virtfs_client::{Attributes, Fid};

/// A path from the root of the attach on. The server resolves `..`; at the root it leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RemotePath {
    typed: Vec<u8>,
    names: Vec<Vec<u8>>,
}

impl RemotePath {
    /// Takes a path apart. A `/` at its start or end means nothing.
    pub(super) fn new(typed: &OsStr) -> Self {
        let names = typed.as_bytes().split(|byte| *byte == b'/');
        Self {
            typed: typed.as_bytes().into(),
            names: names
                .filter(|name| !matches!(*name, b"" | b"."))
                .map(Into::into)
                .collect(),
        }
    }

    /// All of these, or the root if there are none.
    pub(super) fn all(typed: &[OsString]) -> Vec<Self> {
        match typed {
            [] => vec![Self::new(OsStr::new("/"))],
            typed => typed.iter().map(|path| Self::new(path)).collect(),
        }
    }

    /// What was typed, for messages.
    pub(super) fn typed(&self) -> &[u8] {
        &self.typed
    }

    /// Its components.
    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    /// Its last component, if it names an entry of a directory.
    pub(super) fn name(&self) -> Option<&[u8]> {
        let last = self.names.last()?;
        (*last != b"..").then_some(last)
    }

    /// The file.
    pub(super) fn walk(&self, root: &Fid) -> io::Result<Fid> {
        Ok(root.walk(&self.names)?)
    }

    /// The file and what is known of it.
    pub(super) fn look(&self, root: &Fid) -> io::Result<(Fid, Attributes)> {
        let Some((last, above)) = self.names.split_last() else {
            let fid = root.walk::<&[u8]>(&[])?;
            let attributes = fid.attributes()?;
            return Ok((fid, attributes));
        };
        match above {
            [] => Ok(root.lookup(last)?),
            above => Ok(root.walk(above)?.lookup(last)?),
        }
    }

    /// What is known of the file.
    pub(super) fn stat(&self, root: &Fid) -> io::Result<Attributes> {
        Ok(root.stat_at(&self.names)?)
    }

    /// The directory that it is an entry of, and the entry's name. A path without one, such as
    /// the root, is refused.
    pub(super) fn entry(&self, root: &Fid) -> io::Result<(Fid, &[u8])> {
        match (self.name(), self.names.split_last()) {
            (Some(name), Some((_, above))) => Ok((root.walk(above)?, name)),
            _ => Err(io::Error::other("it names no entry of a directory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::new(OsStr::new(text))
    }

    #[test]
    fn slashes_and_dots_mean_nothing() {
        let names = path("/a//./b/").names;
        assert_eq!(names, [b"a", b"b"]);
        assert!(path("/").names.is_empty() && path("").names.is_empty());
    }

    #[test]
    fn only_an_entry_has_a_name() {
        assert_eq!(path("a/b/").name(), Some(&b"b"[..]));
        assert_eq!(path("a/..").name(), None);
        assert_eq!(path("/").name(), None);
    }
}
