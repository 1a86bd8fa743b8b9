//! The suite of `virtfs-vfs` over the host's file system, as root (as CI runs it): with plenty of
//! descriptors, with so few that nodes lose theirs all the time, in every model and containment,
//! and as an ordinary user in the models that need no privilege.

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

/// As an ordinary user: the calling thread, which is the test's own, becomes one for good.
fn as_ordinary_user(options: Options, has: Has) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(1000), Some(1000)).unwrap();
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(1000),
            rustix::fs::Gid::from_raw(1000),
        );
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
    }
    let capabilities = rustix::thread::capabilities(None).unwrap();
    assert!(
        capabilities.effective.is_empty(),
        "this would test a privileged user"
    );
    let fs = LocalFs::open(dir.path(), options).unwrap();
    Fixture::new(fs, has).keeping(dir)
}

fn of_model(model: SecurityModel) -> Options {
    Options {
        model,
        ..Options::default()
    }
}

mod mapped_xattr {
    use super::*;

    fn fresh() -> Fixture {
        on_disk(of_model(SecurityModel::MappedXattr), Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod mapped_xattr_on_few_descriptors {
    use super::*;

    fn fresh() -> Fixture {
        let options = Options {
            max_nodes_open: 2,
            max_files_open: 4,
            ..of_model(SecurityModel::MappedXattr)
        };
        on_disk(options, Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod mapped_xattr_as_ordinary_user {
    use super::*;

    fn fresh() -> Fixture {
        as_ordinary_user(of_model(SecurityModel::MappedXattr), Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod mapped_file {
    use super::*;

    fn fresh() -> Fixture {
        on_disk(of_model(SecurityModel::MappedFile), Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod mapped_file_on_few_descriptors {
    use super::*;

    fn fresh() -> Fixture {
        let options = Options {
            max_nodes_open: 2,
            max_files_open: 4,
            ..of_model(SecurityModel::MappedFile)
        };
        on_disk(options, Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod mapped_file_as_ordinary_user {
    use super::*;

    fn fresh() -> Fixture {
        as_ordinary_user(of_model(SecurityModel::MappedFile), Has::all())
    }

    virtfs_vfs::conformance_suite!(fresh);
}

mod none_as_ordinary_user {
    use super::*;

    fn fresh() -> Fixture {
        let has = Has::ACLS | Has::OWNERS | Has::DEVICE_NODES;
        as_ordinary_user(of_model(SecurityModel::None), Has::all().difference(has))
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
