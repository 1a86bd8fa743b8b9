//! A read-write file system in memory, for tests, examples and embedding.
//!
//! It behaves as a Linux file system does: names, hard links, renames, files that live on while
//! they are open, holes, times, extended attributes and byte-range locks. What it does not do:
//! check permissions (whoever serves it decides who may attach), and give meaning to ACLs (they
//! are kept as the bytes they are). All it holds is bounded by a number of bytes.
//!
//! Inodes and entries lie in two flat tables under one lock (`tree`); a
//! [`Node`](crate::Node) counts as a user of both of its own. So a rename is seen at once by
//! every node that was reached through the entry, and no depth of a tree makes anything recurse.

mod budget;
mod clock;
mod content;
mod directory;
mod entries;
mod files;
mod filesystem;
mod hold;
mod inode;
mod listing;
mod lock_file;
mod locks;
mod tree;
mod xattrs;

pub use filesystem::MemoryFs;
