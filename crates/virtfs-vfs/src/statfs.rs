//! What is known of a whole file system.

/// The state of a file system (`Rstatfs`), in the host's own units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatFs {
    /// The magic number of the type (`f_type`).
    pub kind: u32,
    /// Bytes in a block; may be 0 on some FUSE file systems.
    pub bsize: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Free blocks for ordinary users.
    pub bavail: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// The file system's id.
    pub fsid: u64,
    /// The longest name.
    pub namelen: u32,
}
