//! Locks of users who may not write what they lock.

use std::fs::{self, File};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use virtfs_local::Options;
use virtfs_proto::{LockStatus, LockType};
use virtfs_tests::Lock;

use crate::people::{ANN, open_dir, serve, session};

/// A lock of the same kind as others', so that they exclude each other.
#[test]
fn who_may_only_read_takes_locks_that_programs_of_the_host_see() {
    let dir = open_dir();
    let path = dir.path().join("file");
    fs::write(&path, "root's, and all may read it").unwrap();
    let server = serve(dir.path(), Options::default());
    let mut client = session(&server, ANN);
    client.walk(0, 1, &["file"]).unwrap();
    client.lopen(1, 0).unwrap();
    let lock = |kind| Lock {
        kind,
        start: 0,
        length: 4,
        proc_id: 1,
        client_id: "a",
    };
    assert_eq!(
        client.lock(1, lock(LockType::RDLCK)),
        Ok(LockStatus::SUCCESS)
    );
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let exclusive = || fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(exclusive(), Err(Errno::AGAIN));
    assert_eq!(
        client.lock(1, lock(LockType::UNLCK)),
        Ok(LockStatus::SUCCESS)
    );
    assert_eq!(exclusive(), Ok(()));
}
