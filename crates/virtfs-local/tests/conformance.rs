//! The suite of `virtfs-vfs` over the host's file system, as root (as CI runs it): with plenty of
//! descriptors, with so few that nodes lose theirs all the time, in every model and containment.

use std::path::Path;

use virtfs_local::{Containment, LocalFs, Options, SecurityModel};
use virtfs_vfs::conformance::{Fixture, Has};

fn fixture(parent: &Path, options: Options, has: Has) -> Fixture {
    assert!(
        rustix::process::geteuid().is_root(),
        "this suite needs root: ownership and device nodes are part of it"
    );
    let dir = tempfile::tempdir_in(parent).unwrap();
    let fs = LocalFs::open(dir.path(), options).unwrap();
    Fixture::new(fs, has).keeping(dir)
}

/// The temporary directory is expected on a disk's file system, such as ext4.
fn on_disk(options: Options, has: Has) -> Fixture {
    fixture(&std::env::temp_dir(), options, has)
}

mod passthrough {
    use super::*;

    fn fresh() -> Fixture {
        on_disk(Options::default(), Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod on_few_descriptors {
    use super::*;

    fn fresh() -> Fixture {
        let options = Options {
            max_nodes_open: 2,
            max_files_open: 4,
            ..Options::default()
        };
        on_disk(options, Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod unchecked {
    use super::*;

    fn fresh() -> Fixture {
        let options = Options {
            containment: Containment::Landlock,
            ..Options::default()
        };
        on_disk(options, Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod none {
    use super::*;

    fn fresh() -> Fixture {
        let options = Options {
            model: SecurityModel::None,
            ..Options::default()
        };
        on_disk(options, Has::all().difference(Has::ACLS))
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod in_memory {
    use super::*;

    fn fresh() -> Fixture {
        let has = Has::all().difference(Has::GENERATION);
        fixture(Path::new("/dev/shm"), Options::default(), has)
    }

    virtfs_vfs::conformance_suite!(fresh);
}
