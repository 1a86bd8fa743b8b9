//! An entry of a directory.

use crate::Qid;

/// One entry that a [`crate::FileSystem::list`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirEntry<'a> {
    /// What identifies the file, as far as the directory tells: the version may be 0.
    pub qid: Qid,
    /// The cookie that makes a later list go on behind this entry. Opaque, never 0.
    pub next: u64,
    /// `DT_REG`, `DT_DIR` …; 0 where it is not known.
    pub kind: u8,
    /// The name; `.` and `..` are given too.
    pub name: &'a [u8],
}
