//! Byte-range locks.

use std::thread;
use std::time::{Duration, Instant};

use virtfs_client::{File, Lock, LockFlags, LockStatus, LockType, LopenFlags as O, lock_all};

use super::errno::EINVAL;
use super::{fails, put};
use crate::PATIENCE;
use crate::protocol::{Has, Site};

cases! {
    Has::LOCKS =>
        two_clients_exclude_each_other
        two_processes_of_one_client_exclude_each_other
        readers_share
        ranges_that_do_not_meet_do_not_conflict
        an_owner_is_not_in_its_own_way
        a_lock_that_is_refused_changes_nothing
        a_part_is_released
        a_release_of_what_is_not_held_is_no_error
        a_test_finds_who_is_in_the_way
        a_clunk_releases
        a_clunk_releases_what_went_through_it_alone
        the_end_of_a_connection_releases
        locks_are_of_the_file_and_not_of_its_name
        a_file_open_for_reading_is_locked_for_writing
        a_directory_is_locked
        locks_are_sent_together
        a_lock_that_waits_is_told_to_try_again
        what_is_no_lock_is_refused;
    Has::LOCKS.union(Has::ONE_SERVER) =>
        a_test_names_who_is_in_the_way;
}

/// An exclusive lock of process 1.
pub(super) fn exclusive(start: u64, length: u64) -> Lock {
    Lock {
        kind: LockType::WRLCK,
        start,
        length,
        proc_id: 1,
        client_id: b"suite".to_vec(),
        flags: LockFlags::empty(),
    }
}

/// Whether a lock is granted; if not, another is in the way.
#[track_caller]
pub(super) fn granted(file: &File, lock: &Lock) -> bool {
    match file.lock(lock).unwrap() {
        LockStatus::SUCCESS => true,
        LockStatus::BLOCKED => false,
        other => panic!("the answer is {other:?}"),
    }
}

fn shared(start: u64, length: u64) -> Lock {
    Lock {
        kind: LockType::RDLCK,
        ..exclusive(start, length)
    }
}

fn unlock(start: u64, length: u64) -> Lock {
    Lock {
        kind: LockType::UNLCK,
        ..exclusive(start, length)
    }
}

fn of_process(proc_id: u32, lock: Lock) -> Lock {
    Lock { proc_id, ..lock }
}

/// One file, opened over two connections.
fn both(site: &Site) -> (File, File) {
    let here = put(site.root(), b"f", b"0123456789");
    let there = site.second().walk(&["f"]).unwrap();
    (here.open(O::RDWR).unwrap(), there.open(O::RDWR).unwrap())
}

/// Which of the first ten bytes a client could lock for writing.
fn free(file: &File) -> String {
    let free = |at| {
        let test = file.test_lock(&of_process(99, exclusive(at, 1))).unwrap();
        test.kind == LockType::UNLCK
    };
    (0..10).map(|at| if free(at) { '.' } else { 'X' }).collect()
}

fn two_clients_exclude_each_other(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &exclusive(0, 0)));
    assert!(!granted(&there, &exclusive(0, 0)));
    assert!(!granted(&there, &shared(5, 1)));
    assert!(granted(&here, &unlock(0, 0)));
    assert!(granted(&there, &exclusive(0, 0)));
    assert!(!granted(&here, &exclusive(0, 0)));
}

fn two_processes_of_one_client_exclude_each_other(site: &Site) {
    let (here, _) = both(site);
    assert!(granted(&here, &exclusive(0, 5)));
    assert!(!granted(&here, &of_process(2, shared(0, 5))));
    assert!(granted(&here, &of_process(2, shared(5, 5))));
    let other = Lock {
        client_id: b"another".to_vec(),
        ..exclusive(0, 5)
    };
    assert!(!granted(&here, &other));
    assert!(granted(&here, &of_process(2, unlock(0, 0))));
    assert_eq!(free(&here), "XXXXX.....");
}

fn readers_share(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &shared(0, 0)));
    assert!(granted(&there, &shared(0, 0)));
    assert!(!granted(&here, &exclusive(3, 1)));
    assert!(granted(&there, &unlock(0, 0)));
    assert!(granted(&here, &exclusive(3, 1)));
    assert!(!granted(&there, &shared(0, 4)));
    assert!(granted(&there, &shared(0, 3)));
}

fn ranges_that_do_not_meet_do_not_conflict(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &exclusive(2, 2)));
    assert!(granted(&there, &exclusive(0, 2)));
    assert!(granted(&there, &exclusive(4, 1)));
    assert!(!granted(&there, &exclusive(3, 1)));
    assert!(!granted(&there, &exclusive(0, 3)));
    assert!(granted(&here, &exclusive(1 << 40, 0)));
    assert!(!granted(&there, &exclusive(i64::MAX as u64, 1)));
    assert!(granted(&there, &exclusive((1 << 40) - 1, 1)));
    assert!(!granted(&there, &exclusive(100, 0)));
}

fn an_owner_is_not_in_its_own_way(site: &Site) {
    let (here, there) = both(site);
    let again = site.root().walk(&["f"]).unwrap().open(O::RDWR).unwrap();
    assert!(granted(&here, &exclusive(0, 10)));
    assert!(granted(&again, &exclusive(0, 10)));
    assert!(granted(&again, &shared(0, 10)));
    assert!(granted(&here, &exclusive(2, 3)));
    let own = here.test_lock(&exclusive(0, 0)).unwrap();
    assert_eq!(own.kind, LockType::UNLCK);
    assert!(granted(&there, &shared(0, 2)));
    assert!(!granted(&there, &shared(0, 3)));
}

fn a_lock_that_is_refused_changes_nothing(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &exclusive(4, 2)));
    assert!(granted(&there, &shared(0, 2)));
    assert!(!granted(&there, &exclusive(0, 5)));
    assert_eq!(free(&here), "XX..XX....");
    // Shared as before.
    assert!(granted(&here, &of_process(7, shared(0, 2))));
    assert!(!granted(&here, &of_process(7, shared(3, 2))));
}

fn a_part_is_released(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &exclusive(0, 10)));
    assert!(granted(&here, &unlock(3, 4)));
    assert_eq!(free(&there), "XXX....XXX");
    assert!(granted(&there, &exclusive(3, 4)));
    assert!(granted(&here, &unlock(0, 0)));
    assert_eq!(free(&here), "...XXXX...");
}

fn a_release_of_what_is_not_held_is_no_error(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &unlock(0, 0)));
    assert!(granted(&there, &exclusive(2, 2)));
    // It is another's.
    assert!(granted(&here, &unlock(0, 0)));
    assert_eq!(free(&here), "..XX......");
}

fn a_test_finds_who_is_in_the_way(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &of_process(42, shared(2, 5))));
    let found = there.test_lock(&exclusive(0, 0)).unwrap();
    assert_eq!(found.kind, LockType::RDLCK);
    assert_eq!((found.start, found.length), (2, 5));
    for nothing in [shared(0, 0), exclusive(0, 2), exclusive(7, 0)] {
        let found = there.test_lock(&nothing).unwrap();
        assert_eq!(found.kind, LockType::UNLCK, "{nothing:?}");
    }
    // Nobody took a lock by asking.
    assert!(granted(&here, &of_process(42, exclusive(0, 0))));
}

fn a_test_names_who_is_in_the_way(site: &Site) {
    let (here, there) = both(site);
    let held = Lock {
        client_id: b"the holder".to_vec(),
        ..of_process(4242, exclusive(5, 0))
    };
    assert!(granted(&here, &held));
    let found = there.test_lock(&shared(6, 1)).unwrap();
    assert_eq!((found.kind, found.proc_id), (LockType::WRLCK, 4242));
    assert_eq!((found.start, found.length), (5, 0));
    assert_eq!(found.client_id, b"the holder");
    // Who asks for whoever is there, as Linux does, is told as well.
    let found = there.test_lock(&unlock(0, 0)).unwrap();
    assert_eq!((found.kind, found.proc_id), (LockType::WRLCK, 4242));
}

fn a_clunk_releases(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&here, &exclusive(0, 0)));
    assert!(!granted(&there, &exclusive(0, 0)));
    here.clunk().unwrap();
    assert!(granted(&there, &exclusive(0, 0)));
}

fn a_clunk_releases_what_went_through_it_alone(site: &Site) {
    let (here, there) = both(site);
    let again = site.root().walk(&["f"]).unwrap().open(O::RDWR).unwrap();
    assert!(granted(&here, &exclusive(0, 3)));
    assert!(granted(&again, &exclusive(5, 3)));
    again.clunk().unwrap();
    assert_eq!(free(&there), "XXX.......");
}

fn the_end_of_a_connection_releases(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&there, &exclusive(0, 0)));
    assert!(!granted(&here, &exclusive(0, 0)));
    there.client().close();
    drop(there);
    // The server learns of it when it does.
    let until = Instant::now() + PATIENCE;
    while !granted(&here, &exclusive(0, 0)) {
        assert!(Instant::now() < until, "it is never released");
        thread::sleep(Duration::from_millis(1));
    }
}

fn locks_are_of_the_file_and_not_of_its_name(site: &Site) {
    let (here, _) = both(site);
    let root = site.second();
    let fid = root.walk(&["f"]).unwrap();
    root.link(b"g", &fid).unwrap();
    assert!(granted(&here, &exclusive(0, 0)));
    root.rename_at(b"f", &root, b"h").unwrap();
    for name in ["g", "h"] {
        let file = root.walk(&[name]).unwrap().open(O::RDWR).unwrap();
        assert!(!granted(&file, &exclusive(0, 0)), "{name}");
    }
    let new = put(&root, b"f", b"").open(O::RDWR).unwrap();
    assert!(granted(&new, &exclusive(0, 0)));
}

fn a_file_open_for_reading_is_locked_for_writing(site: &Site) {
    let (here, there) = both(site);
    let reader = site.root().walk(&["f"]).unwrap().open(O::RDONLY).unwrap();
    assert!(granted(&reader, &exclusive(0, 5)));
    assert!(!granted(&there, &exclusive(0, 5)));
    let writer = site.root().walk(&["f"]).unwrap().open(O::WRONLY).unwrap();
    assert!(granted(&writer, &shared(5, 5)));
    assert_eq!(free(&here), "XXXXXXXXXX");
}

fn a_directory_is_locked(site: &Site) {
    let here = site.root().open(O::DIRECTORY).unwrap();
    let there = site.second().open(O::DIRECTORY).unwrap();
    assert!(granted(&here, &exclusive(0, 0)));
    assert!(!granted(&there, &shared(0, 0)));
    assert!(granted(&here, &shared(0, 0)));
    assert!(granted(&there, &shared(0, 0)));
    assert!(granted(&here, &unlock(0, 0)));
    assert!(granted(&there, &exclusive(0, 0)));
}

fn locks_are_sent_together(site: &Site) {
    let (here, there) = both(site);
    assert!(granted(&there, &exclusive(50, 10)));
    let locks: Vec<_> = (0..100).map(|at| exclusive(at, 1)).collect();
    let requests: Vec<_> = locks.iter().map(|lock| (&here, lock)).collect();
    let answers = lock_all(&requests);
    assert_eq!(answers.len(), 100);
    for (at, answer) in answers.into_iter().enumerate() {
        let blocked = (50..60).contains(&at);
        let expected = if blocked {
            LockStatus::BLOCKED
        } else {
            LockStatus::SUCCESS
        };
        assert_eq!(answer.unwrap(), expected, "{at}");
    }
    assert_eq!(free(&there), "XXXXXXXXXX");
    assert!(lock_all(&[]).is_empty());
}

fn a_lock_that_waits_is_told_to_try_again(site: &Site) {
    let (here, there) = both(site);
    let waiting = Lock {
        flags: LockFlags::BLOCK,
        ..exclusive(0, 0)
    };
    assert!(granted(&here, &exclusive(0, 0)));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let until = Instant::now() + PATIENCE;
            while !granted(&there, &waiting) {
                assert!(Instant::now() < until, "it is never granted");
                thread::sleep(Duration::from_millis(1));
            }
        });
        thread::sleep(Duration::from_millis(5));
        assert!(!waiter.is_finished());
        assert!(granted(&here, &unlock(0, 0)));
        waiter.join().unwrap();
    });
    assert!(!granted(&here, &exclusive(0, 0)));
}

fn what_is_no_lock_is_refused(site: &Site) {
    let (here, there) = both(site);
    let kind = Lock {
        kind: LockType(7),
        ..exclusive(0, 0)
    };
    let reclaim = Lock {
        flags: LockFlags::RECLAIM,
        ..exclusive(0, 0)
    };
    let past = exclusive(1 << 63, 1);
    let around = exclusive(10, u64::MAX);
    for lock in [&kind, &reclaim, &past, &around] {
        fails(here.lock(lock), &[EINVAL]);
    }
    for lock in [&kind, &past, &around] {
        fails(here.test_lock(lock), &[EINVAL]);
    }
    assert_eq!(free(&there), "..........");
}
