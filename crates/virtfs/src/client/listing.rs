//! Listing a directory of a server that may have no end of it.

use std::io;

use rustix::io::Errno;
use virtfs_client::{Directory, Entry, Fid};

/// The entries of a directory, batch by batch.
#[derive(Debug)]
pub(super) struct Listing(Directory);

impl Listing {
    pub(super) fn of(dir: &Fid) -> io::Result<Self> {
        Ok(Self(dir.read_dir()?))
    }

    /// The next entries; none at the end. A server that does not get on is an error.
    pub(super) fn next_batch(&mut self) -> io::Result<Vec<Entry>> {
        self.0.next_batch().map_err(|error| {
            if error.errno() == Errno::LOOP.raw_os_error() {
                // As words about symbolic links it would mislead.
                return io::Error::other("the server lists the same entries again");
            }
            error.into()
        })
    }
}
