//! Many threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::Fixture;
use super::ops::{RDWR, WRITE};
use crate::{Errno, OpenFlags, Removal};

const THREADS: usize = 4;

/// Runs the same on several threads that start together.
fn together(t: &Fixture, run: impl Fn(usize) + Sync) {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for at in 0..THREADS {
            let (start, run) = (&start, &run);
            scope.spawn(move || {
                t.fs().prepare_thread();
                start.wait();
                run(at);
            });
        }
    });
}

pub(super) fn one_of_many_makes_an_exclusive_file(t: &Fixture) {
    for round in 0..50 {
        let won = AtomicUsize::new(0);
        let called = format!("f{round}");
        together(t, |_| {
            let flags = RDWR | OpenFlags::EXCLUSIVE;
            match t.create(t.root(), &called, flags, 0o644) {
                Ok(_) => drop(won.fetch_add(1, Relaxed)),
                Err(error) => assert_eq!(error, Errno::EEXIST),
            }
        });
        assert_eq!(won.into_inner(), 1);
    }
}

pub(super) fn appends_of_many_are_never_mixed(t: &Fixture) {
    let node = t.file(t.root(), "f", b"");
    together(t, |at| {
        let open = t.open(&node, WRITE | OpenFlags::APPEND).unwrap();
        let record = [b'a' + at as u8; 100];
        for _ in 0..100 {
            t.write_all(&open, 0, &record);
        }
    });
    let content = t.content(&node);
    assert_eq!(content.len(), THREADS * 100 * 100);
    for record in content.chunks(100) {
        assert!(record.iter().all(|b| *b == record[0]));
    }
}

pub(super) fn a_directory_is_changed_by_many(t: &Fixture) {
    let (a, b) = (t.dir(t.root(), "a"), t.dir(t.root(), "b"));
    together(t, |at| {
        for round in 0..100 {
            let called = format!("{at}-{round}");
            let file = t.file(&a, &called, called.as_bytes());
            t.rename((&a, &called), (&b, &called)).unwrap();
            assert_eq!(t.content(&file), called.as_bytes());
            if round % 2 == 0 {
                t.remove_node(&file, Removal::File).unwrap();
            }
        }
    });
    assert!(t.names(&a).is_empty());
    assert_eq!(t.names(&b).len(), THREADS * 50);
}

pub(super) fn one_entry_is_removed_by_one(t: &Fixture) {
    for _ in 0..50 {
        t.file(t.root(), "f", b"");
        let won = AtomicUsize::new(0);
        together(t, |_| match t.remove(t.root(), "f", Removal::File) {
            Ok(()) => drop(won.fetch_add(1, Relaxed)),
            Err(error) => assert_eq!(error, Errno::ENOENT),
        });
        assert_eq!(won.into_inner(), 1);
    }
}

pub(super) fn a_node_renamed_by_many_has_one_name(t: &Fixture) {
    let file = t.file(t.root(), "f", b"x");
    together(t, |at| {
        for round in 0..50 {
            let called = format!("{at}-{round}");
            match t.rename_node(&file, (t.root(), &called)) {
                // Another was faster than the look at where it is.
                Ok(()) | Err(Errno::ESTALE | Errno::ENOENT) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    assert_eq!(t.names(t.root()).len(), 1);
    t.remove_node(&file, Removal::File).unwrap();
    assert!(t.names(t.root()).is_empty());
}
