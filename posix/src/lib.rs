//! POSIX suites on the FUSE mount.
