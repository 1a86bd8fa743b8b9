//! What a client may hold is bounded: beyond it there is an errno, and nothing breaks.

use virtfs_proto::{LockStatus, LockType};
use virtfs_server::{Limits, Refused};
use virtfs_tests::errno::{EINVAL, EMFILE, EMSGSIZE, ENOLCK, ENOSPC};
use virtfs_tests::{Lock, Served};

fn limits(change: impl FnOnce(&mut Limits)) -> Served {
    let mut limits = Limits::default();
    change(&mut limits);
    Served::memory_with(limits)
}

#[test]
fn fids_beyond_the_limit_are_refused() {
    let served = limits(|limits| limits.fids = 10);
    let mut client = served.session();
    for fid in 1..10 {
        client.walk(0, fid, &[]).unwrap();
    }
    assert_eq!(client.walk(0, 10, &[]), Err(EMFILE));
    assert_eq!(client.attach(10, ""), Err(EMFILE));
    assert_eq!(client.xattrwalk(0, 10, ""), Err(EMFILE));
    // A fid may still be walked onto itself, and one that is given up makes room.
    assert!(client.walk(9, 9, &[]).is_ok());
    client.clunk(9).unwrap();
    assert!(client.walk(0, 10, &[]).is_ok());
    // Another session has fids of its own.
    assert!(served.session().walk(0, 1, &[]).is_ok());
}

#[test]
fn fids_that_come_and_go_are_not_counted_twice() {
    let mut client = limits(|limits| limits.fids = 4).session();
    for _ in 0..100 {
        assert!(client.walk(0, 1, &["nothing"]).is_err());
        client.walk(0, 1, &[]).unwrap();
        client.remove(1).unwrap_err();
        client.walk(0, 1, &[]).unwrap();
        client.clunk(1).unwrap();
    }
    for fid in 1..4 {
        client.walk(0, fid, &[]).unwrap();
    }
}

#[test]
fn opens_beyond_the_limit_are_refused() {
    let served = limits(|limits| limits.open_files = 8);
    let mut client = served.session();
    for fid in 1..9 {
        client.walk(0, fid, &[]).unwrap();
        client.lopen(fid, 0).unwrap();
    }
    client.walk(0, 9, &[]).unwrap();
    assert_eq!(client.lopen(9, 0), Err(EMFILE));
    assert_eq!(client.lcreate(9, "f", 2, 0o600), Err(EMFILE));
    // Nothing was created, and the fid is what it was.
    assert!(client.walk(9, 10, &["f"]).is_err());
    client.clunk(1).unwrap();
    assert!(client.lopen(9, 0).is_ok());
    assert_eq!(client.walk(0, 10, &[]), Ok(vec![]));
    assert_eq!(client.lopen(10, 0), Err(EMFILE));
    // A session that ends gives all back.
    drop(client);
    let mut next = served.session();
    next.walk(0, 1, &[]).unwrap();
    let until = std::time::Instant::now() + virtfs_tests::PATIENCE;
    while next.lopen(1, 0).is_err() {
        assert!(std::time::Instant::now() < until);
    }
}

#[test]
fn one_session_leaves_open_files_to_another() {
    let served = limits(|limits| limits.open_files = 40);
    let (mut greedy, mut modest) = (served.session(), served.session());
    let mut opened = 0;
    for fid in 1..100 {
        greedy.walk(0, fid, &[]).unwrap();
        opened += usize::from(greedy.lopen(fid, 0).is_ok());
    }
    assert!(opened < 40, "{opened}");
    modest.walk(0, 1, &[]).unwrap();
    assert!(modest.lopen(1, 0).is_ok());
}

#[test]
fn attribute_values_beyond_the_limit_are_refused() {
    let mut client = limits(|limits| limits.xattr_bytes = 100_000).session();
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.xattrcreate(2, "user.a", 60_000, 0).unwrap();
    client.walk(1, 3, &[]).unwrap();
    assert_eq!(client.xattrcreate(3, "user.b", 60_000, 0), Err(ENOSPC));
    assert!(client.getattr(3).is_ok(), "the fid is what it was");
    client.write(2, 0, &vec![7; 60_000]).unwrap();
    client.clunk(2).unwrap();
    // Values that are read count as well.
    assert_eq!(client.xattrwalk(1, 2, "user.a"), Ok(60_000));
    assert_eq!(client.xattrwalk(1, 4, "user.a"), Err(ENOSPC));
    client.clunk(2).unwrap();
    assert_eq!(client.xattrwalk(1, 4, "user.a"), Ok(60_000));
    client.clunk(4).unwrap();
    // Empty ones are not free of charge.
    let mut fid = 10;
    while client.walk(1, fid, &[]).is_ok() && client.xattrcreate(fid, "user.c", 0, 0).is_ok() {
        fid += 1;
    }
    assert!(fid < 1000, "{fid} empty values");
}

#[test]
fn an_attribute_beyond_64_kib_is_refused() {
    let mut client = Served::memory().session();
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    for size in [65_537, 1 << 31, 1 << 32, u64::MAX] {
        let refused = client.xattrcreate(1, "user.a", size, 0);
        assert_eq!(refused, Err(virtfs_tests::errno::E2BIG));
    }
    assert!(client.xattrcreate(1, "user.a", 65_536, 0).is_ok());
}

#[test]
fn lock_records_beyond_the_limit_are_refused() {
    let mut client = limits(|limits| limits.lock_records = 10).session();
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 2).unwrap();
    let lock = |start| Lock {
        kind: LockType::WRLCK,
        start,
        length: 1,
        proc_id: 1,
        client_id: "c",
    };
    let taken = (0..20)
        .take_while(|n| client.lock(1, lock(n * 2)).is_ok())
        .count();
    assert!((8..=10).contains(&taken), "{taken}");
    assert_eq!(client.lock(1, lock(100)), Err(ENOLCK));
    let unlock = Lock {
        kind: LockType::UNLCK,
        length: 0,
        ..lock(0)
    };
    assert_eq!(client.lock(1, unlock), Ok(LockStatus::SUCCESS));
    assert_eq!(client.lock(1, lock(100)), Ok(LockStatus::SUCCESS));
}

#[test]
fn sessions_beyond_the_limit_are_refused() {
    let served = limits(|limits| limits.sessions = 3);
    let mut clients: Vec<_> = (0..3).map(|_| served.session_with_handle()).collect();
    assert!(matches!(
        served.try_connect(),
        Err(Refused::TooManySessions)
    ));
    let (client, handle) = clients.remove(0);
    drop(client);
    handle.wait();
    // The handle of a session that has ended takes no place.
    assert!(served.try_connect().is_ok());
    let until = std::time::Instant::now() + virtfs_tests::PATIENCE;
    while served.try_connect().is_err() {
        assert!(std::time::Instant::now() < until, "a place is free again");
    }
}

#[test]
fn a_reply_that_cannot_fit_the_msize_is_an_error() {
    let mut client = Served::memory().connect();
    client.version(4096, "9P2000.L").unwrap();
    client.attach(0, "").unwrap();
    let target = "t".repeat(4000);
    client.symlink(0, "long", &target).unwrap();
    client.walk(0, 1, &["long"]).unwrap();
    assert_eq!(client.readlink(1).unwrap().len(), 4000);
    // 7 + 2 + 4095 is more than a client of 4096 takes; it cannot even make it.
    client.version(8192, "9P2000.L").unwrap();
    client.attach(0, "").unwrap();
    client.symlink(0, "longest", &"t".repeat(4095)).unwrap();
    client.version(4096, "9P2000.L").unwrap();
    client.attach(0, "").unwrap();
    client.walk(0, 1, &["longest"]).unwrap();
    assert_eq!(client.readlink(1), Err(EMSGSIZE));
}

#[test]
fn a_count_beyond_the_msize_is_cut() {
    let mut client = Served::memory().connect();
    client.version(4096, "9P2000.L").unwrap();
    client.attach(0, "").unwrap();
    client.put_file(0, 1, "f", &[1; 4000]);
    client.walk(0, 1, &["f"]).unwrap();
    client.lopen(1, 2).unwrap();
    client.write(1, 4000, &[2; 4000]).unwrap();
    for count in [4085, 4096, 1 << 20, u32::MAX] {
        assert_eq!(
            client.read(1, 0, count).unwrap().len(),
            4096 - 11,
            "{count}"
        );
    }
    client.walk(0, 2, &[]).unwrap();
    for n in 0..60 {
        client.mkdir(0, &format!("{n:0>200}"), 0o755).unwrap();
    }
    client.lopen(2, 0).unwrap();
    let some = client.readdir(2, 0, u32::MAX).unwrap().len();
    assert!((10..25).contains(&some), "{some}");
    assert_eq!(client.readdir_all(2, u32::MAX).unwrap().len(), 63);
}

#[test]
fn a_readdir_without_room_for_one_entry_is_an_error_not_the_end() {
    let mut client = Served::memory().session();
    client.mkdir(0, &"n".repeat(200), 0o755).unwrap();
    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, 0).unwrap();
    let dots = client.readdir(1, 0, 60).unwrap();
    assert_eq!(dots.len(), 2);
    for count in [0, 24, 223] {
        let refused = client.readdir(1, dots[1].offset, count);
        assert_eq!(refused, Err(EINVAL), "{count}");
    }
    let last = client.readdir(1, dots[1].offset, 224).unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(client.readdir(1, last[0].offset, 1000), Ok(vec![]));
}
