//! Whoever renames files beside the client that holds the fids.

use virtfs_tests::{Raw, Served};

use super::{Site, session, walk};

/// Who renames beside the client that holds the fids.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mover {
    /// Another session of the same export.
    Session,
    /// A session of another export of the same directory: to the first export, as the host.
    Export,
    /// Any other program.
    Host,
}

impl Mover {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Session, Self::Export, Self::Host];

    /// Whether the file system of the client's export knows of it.
    pub fn is_known(self) -> bool {
        self == Self::Session
    }

    /// Renames in the export.
    pub fn rename(self, site: &Site, served: &Served, from: &str, to: &str) {
        let mut other = match self {
            Self::Host => return site.host_rename(from, to),
            Self::Session => session(served, "root"),
            Self::Export => session(served, "again"),
        };
        let (from_dir, from) = from.rsplit_once('/').unwrap_or(("", from));
        let (to_dir, to) = to.rsplit_once('/').unwrap_or(("", to));
        walk(&mut other, 1, from_dir).unwrap();
        walk(&mut other, 2, to_dir).unwrap();
        other.renameat((1, from), (2, to)).unwrap();
    }
}

/// For every mover, on every file system.
pub fn for_each_mover(f: impl Fn(Mover, &Site, &Served, &mut Raw)) {
    for mover in Mover::ALL {
        for site in Site::each() {
            let served = site.serve();
            let mut client = served.session();
            f(mover, &site, &served, &mut client);
        }
    }
}
