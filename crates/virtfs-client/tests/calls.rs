//! Every call, against the server of this project.

mod common;

use std::io::{Read, Seek, SeekFrom, Write};

use common::{Served, memory, options, pattern, promise_nothing, serve};
use virtfs_client::{
    Error, GetattrMask, Lock, LockFlags, LockStatus, LockType, LopenFlags, QidType, SetAttributes,
    SetTime, Timespec, UnlinkFlags, XattrFlags, lock_all,
};
use virtfs_local::{LocalFs, Options as LocalOptions, SecurityModel};

const RDWR: LopenFlags = LopenFlags::RDWR;

/// Each call costs one round trip more or less, as the server keeps order or not; otherwise there
/// must be no difference.
macro_rules! both_ways {
    ($($name:ident)*) => {
        mod ordered {
            $(#[test] fn $name() { super::$name(super::memory()) })*
        }
        mod unordered {
            $(#[test] fn $name() { super::$name(super::promise_nothing()) })*
        }
    };
}

both_ways! {
    what_is_written_is_read_back_at_every_size
    a_read_ends_where_the_file_ends
    appended_pieces_keep_their_order
    a_cursor_reads_writes_and_seeks
    walks_go_any_depth_and_say_why_they_stop
    a_walk_that_stops_part_way_leaves_no_fid
    attributes_are_got_and_set
    a_file_is_made_and_looked_at
    many_children_are_looked_up_together
    a_directory_is_listed_whole_and_from_any_cookie
    entries_are_made_moved_linked_and_removed
    extended_attributes_are_set_listed_and_removed
    locks_exclude_and_say_who_is_in_the_way
    what_cannot_be_said_is_refused_and_harms_nothing
    dropped_fids_are_clunked_at_once
}

fn gid() -> u32 {
    rustix::process::getgid().as_raw()
}

fn what_is_written_is_read_back_at_every_size(served: Served) {
    let msize = served.client.msize() as usize;
    let file = served.root.create(b"f", RDWR, 0o644, gid()).unwrap();
    for length in [0, 1, 11, 20_000, msize - 24, msize - 23, 5 * msize + 77] {
        let bytes = pattern(length);
        assert_eq!(file.write_at(&bytes, 3).unwrap(), length);
        let mut back = vec![0; length + 10];
        assert_eq!(file.read_at(&mut back, 3).unwrap().min(length), length);
        assert!(back[..length] == bytes[..], "{length} bytes");
        let chunk = file.read_chunk(length as u32, 3).unwrap();
        assert!(*chunk == bytes[..], "a chunk of {length} bytes");
        assert!(chunk.parts().concat() == bytes);
        assert!(chunk.into_vec() == bytes);
    }
    assert_eq!(file.read_at(&mut [0; 8], u64::MAX - 2).unwrap_or(0), 0);
}

fn a_read_ends_where_the_file_ends(served: Served) {
    let file = served.root.create(b"f", RDWR, 0o644, gid()).unwrap();
    let bytes = pattern(3_000_000);
    file.write_all_at(&bytes, 0).unwrap();
    let mut back = vec![0; 16_000_000];
    assert_eq!(file.read_at(&mut back, 1_000_000).unwrap(), 2_000_000);
    assert!(back[..2_000_000] == bytes[1_000_000..]);
    assert_eq!(file.read_chunk(u32::MAX, 2_999_999).unwrap().len(), 1);
    assert!(file.read_chunk(10, 3_000_000).unwrap().is_empty());
}

fn appended_pieces_keep_their_order(served: Served) {
    let flags = RDWR | LopenFlags::APPEND;
    let file = served.root.create(b"log", flags, 0o644, gid()).unwrap();
    let bytes = pattern(6_000_000);
    file.write_all_at(&bytes, 0).unwrap();
    let mut back = Vec::new();
    file.cursor().read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

fn a_cursor_reads_writes_and_seeks(served: Served) {
    let file = served.root.create(b"f", RDWR, 0o644, gid()).unwrap();
    let mut cursor = file.cursor();
    cursor.write_all(b"hello, world").unwrap();
    assert_eq!(cursor.seek(SeekFrom::End(-5)).unwrap(), 7);
    let mut text = String::new();
    cursor.read_to_string(&mut text).unwrap();
    assert_eq!(text, "world");
    assert_eq!(cursor.seek(SeekFrom::Current(-12)).unwrap(), 0);
    assert!(cursor.seek(SeekFrom::Current(-1)).is_err());
}

fn walks_go_any_depth_and_say_why_they_stop(served: Served) {
    let names: Vec<Vec<u8>> = (0..40).map(|n| format!("d{n}").into_bytes()).collect();
    let mut at = served.root.walk::<&[u8]>(&[]).unwrap();
    for name in &names {
        at.mkdir(name, 0o755, gid()).unwrap();
        at = at.walk(&[name]).unwrap();
    }
    let deep = served.root.walk(&names).unwrap();
    assert_eq!(deep.qid().path, at.qid().path);
    assert!(deep.qid().kind.contains(QidType::DIR));
    let up = vec![b"..".to_vec(); 40];
    assert_eq!(deep.walk(&up).unwrap().qid().path, served.root.qid().path);

    drop(served.root.create(b"file", RDWR, 0o644, gid()).unwrap());
    let errno = |names: &[&[u8]]| served.root.walk(names).unwrap_err().errno();
    assert_eq!(errno(&[b"none"]), 2);
    assert_eq!(errno(&[b"d0", b"none", b"x"]), 2);
    assert_eq!(errno(&[b"file", b"x"]), 20);
    assert_eq!(
        served
            .root
            .stat_at(&[b"d0".as_slice(), b"none"])
            .unwrap_err()
            .errno(),
        2
    );
}

fn a_walk_that_stops_part_way_leaves_no_fid(served: Served) {
    served.root.mkdir(b"d", 0o755, gid()).unwrap();
    for _ in 0..50 {
        served.root.walk(&[b"d".as_slice(), b"none"]).unwrap_err();
        served.root.lookup(b"none").unwrap_err();
        let long = vec![b"d".as_slice(); 20];
        served.root.walk(&long).unwrap_err();
    }
    served.root.attributes().unwrap();
    let fid = served.root.walk(&[b"d"]).unwrap();
    assert!(
        fid.number() < 8,
        "numbers are used again, this is {}",
        fid.number()
    );
}

fn attributes_are_got_and_set(served: Served) {
    let file = served.root.create(b"f", RDWR, 0o644, gid()).unwrap();
    let time = Timespec { sec: 1000, nsec: 7 };
    let set = SetAttributes {
        mode: Some(0o600),
        mtime: Some(SetTime::At(time)),
        atime: Some(SetTime::Now),
        ..SetAttributes::default()
    };
    let size = SetAttributes {
        size: Some(99),
        ..SetAttributes::default()
    };
    file.setattr(&size).unwrap();
    file.setattr(&set).unwrap();
    let (fid, attributes) = served.root.lookup(b"f").unwrap();
    assert_eq!(attributes.mode & 0o7777, 0o600);
    assert_eq!((attributes.size, attributes.mtime), (99, time));
    assert!(attributes.atime.sec > 1000);
    assert_eq!(
        fid.getattr(GetattrMask::BASIC).unwrap(),
        fid.attributes().unwrap()
    );
    assert_eq!(served.root.stat_at(&[b"f"]).unwrap().size, 99);
    assert!(served.root.statfs().unwrap().namelen >= 255);
}

fn a_file_is_made_and_looked_at(served: Served) {
    let make = |name| {
        let flags = RDWR | LopenFlags::EXCL;
        served.root.create_and_look(name, flags, 0o640, gid())
    };
    let (file, fid, attributes) = make(b"f").unwrap();
    assert_eq!(file.qid().path, fid.qid().path);
    assert_eq!(attributes.qid.path, fid.qid().path);
    assert_eq!((attributes.mode & 0o7777, attributes.size), (0o640, 0));
    // It is a fid as any other: not open, and of the file wherever that is.
    file.write_all_at(b"12345", 0).unwrap();
    served.root.rename_at(b"f", &served.root, b"g").unwrap();
    assert_eq!(fid.attributes().unwrap().size, 5);
    let mut back = [0; 5];
    let again = fid.into_open(LopenFlags::RDONLY).unwrap();
    assert_eq!(again.read_at(&mut back, 0).unwrap(), 5);
    drop((file, again));
    assert_eq!(make(b"g").unwrap_err().errno(), 17);
    // Of the directory, nothing was kept.
    let next = served.root.walk(&[b"g"]).unwrap();
    assert!(next.number() < 8, "{}", next.number());
}

fn many_children_are_looked_up_together(served: Served) {
    let names: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
    for name in names.iter().step_by(2) {
        drop(
            served
                .root
                .create(name.as_bytes(), RDWR, 0o644, gid())
                .unwrap(),
        );
    }
    let found = served.root.lookup_all(&names);
    let statted = served.root.stat_all(&names);
    assert_eq!((found.len(), statted.len()), (200, 200));
    for (at, (found, statted)) in found.iter().zip(&statted).enumerate() {
        match at % 2 {
            0 => {
                let (fid, attributes) = found.as_ref().unwrap();
                assert_eq!(fid.qid().path, attributes.qid.path);
                assert_eq!(statted.as_ref().unwrap().qid, attributes.qid);
            }
            _ => {
                assert!(matches!(found, Err(Error::Server(2))));
                assert!(matches!(statted, Err(Error::Server(2))));
            }
        }
    }
}

fn a_directory_is_listed_whole_and_from_any_cookie(served: Served) {
    let mut names: Vec<Vec<u8>> = (0..3000)
        .map(|n| format!("{n:0>200}").into_bytes())
        .collect();
    for name in &names {
        drop(served.root.create(name, RDWR, 0o644, gid()).unwrap());
    }
    let listed: Vec<_> = served
        .root
        .read_dir()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut found: Vec<_> = listed.iter().map(|entry| entry.name.clone()).collect();
    found.retain(|name| name != b"." && name != b"..");
    found.sort();
    names.sort();
    assert!(found == names);

    let mut directory = served.root.read_dir().unwrap();
    directory.seek(listed[1000].offset);
    assert_eq!(directory.next().unwrap().unwrap(), listed[1001]);
    let rest = directory.next_batch().unwrap();
    assert_eq!(rest[0], listed[1002]);
    assert_eq!(directory.read_from(0, 1000).unwrap()[0], listed[0]);
}

fn entries_are_made_moved_linked_and_removed(served: Served) {
    let root = &served.root;
    root.mkdir(b"d", 0o755, gid()).unwrap();
    let dir = root.walk(&[b"d"]).unwrap();
    root.mknod(b"pipe", 0o010_644, 0, 0, gid()).unwrap();
    root.symlink(b"s", b"to/where", gid()).unwrap();
    let link = root.walk(&[b"s"]).unwrap();
    assert!(link.qid().kind.contains(QidType::SYMLINK));
    assert_eq!(link.readlink().unwrap(), b"to/where");
    let file = root.create(b"f", RDWR, 0o644, gid()).unwrap();
    let fid = root.walk(&[b"f"]).unwrap();
    assert_eq!(fid.qid().path, file.qid().path);
    dir.link(b"g", &fid).unwrap();
    assert_eq!(fid.attributes().unwrap().nlink, 2);
    root.rename_at(b"f", &dir, b"h").unwrap();
    fid.rename(root, b"i").unwrap();
    root.unlink_at(b"d", UnlinkFlags::REMOVEDIR).unwrap_err();
    for name in [b"g", b"h", b"i"] {
        let places = [&dir, root];
        for place in places {
            let _ = place.unlink_at(name, UnlinkFlags::empty());
        }
    }
    assert_eq!(file.attributes().unwrap().nlink, 0);
    root.unlink_at(b"d", UnlinkFlags::REMOVEDIR).unwrap();
    link.remove().unwrap();
    assert!(root.walk(&[b"s"]).is_err());
    file.fsync(true).unwrap();
    file.clunk().unwrap();
    fid.clunk().unwrap();
}

fn extended_attributes_are_set_listed_and_removed(served: Served) {
    drop(served.root.create(b"f", RDWR, 0o644, gid()).unwrap());
    let fid = served.root.walk(&[b"f"]).unwrap();
    let long = pattern(60_000);
    fid.set_xattr(b"user.a", b"value", XattrFlags::CREATE)
        .unwrap();
    fid.set_xattr(b"user.b", &long, XattrFlags::empty())
        .unwrap();
    fid.set_xattr(b"user.c", b"", XattrFlags::empty()).unwrap();
    assert_eq!(fid.xattr(b"user.a").unwrap(), b"value");
    assert!(fid.xattr(b"user.b").unwrap() == long);
    assert_eq!(fid.xattr(b"user.c").unwrap(), b"");
    assert_eq!(fid.xattr_size(b"user.b").unwrap(), 60_000);
    let again = fid.set_xattr(b"user.a", b"x", XattrFlags::CREATE);
    assert_eq!(again.unwrap_err().errno(), 17);
    fid.remove_xattr(b"user.a").unwrap();
    assert_eq!(fid.xattr(b"user.a").unwrap_err().errno(), 61);
    let mut names = fid.xattrs().unwrap();
    names.sort();
    assert_eq!(names, [b"user.b", b"user.c"]);
}

fn locks_exclude_and_say_who_is_in_the_way(served: Served) {
    let file = served.root.create(b"f", RDWR, 0o644, gid()).unwrap();
    let other = served.root.walk(&[b"f"]).unwrap().into_open(RDWR).unwrap();
    let mine = Lock {
        kind: LockType::WRLCK,
        start: 10,
        length: 5,
        proc_id: 1,
        client_id: b"me".to_vec(),
        flags: LockFlags::empty(),
    };
    let theirs = Lock {
        proc_id: 2,
        ..mine.clone()
    };
    assert_eq!(file.lock(&mine).unwrap(), LockStatus::SUCCESS);
    assert_eq!(other.lock(&theirs).unwrap(), LockStatus::BLOCKED);
    let found = other.test_lock(&theirs).unwrap();
    assert_eq!((found.start, found.proc_id), (10, 1));
    assert_eq!(found.client_id, b"me");
    let release = Lock {
        kind: LockType::UNLCK,
        ..mine.clone()
    };
    let elsewhere = Lock {
        start: 100,
        ..theirs.clone()
    };
    let together = lock_all(&[(&file, &release), (&other, &elsewhere)]);
    assert!(
        together
            .iter()
            .all(|s| *s.as_ref().unwrap() == LockStatus::SUCCESS)
    );
    assert_eq!(other.lock(&theirs).unwrap(), LockStatus::SUCCESS);
}

fn what_cannot_be_said_is_refused_and_harms_nothing(served: Served) {
    let long = vec![b'n'; 70_000];
    let errors = [
        served.root.walk(&[&long]).unwrap_err(),
        served.root.mkdir(&long, 0o755, gid()).unwrap_err(),
        served.root.lookup(&long).unwrap_err(),
        served.root.stat_at(&[&long]).unwrap_err(),
        served.root.xattr(&long).unwrap_err(),
    ];
    assert!(
        errors.iter().all(|e| matches!(e, Error::Refused(_, 36))),
        "{errors:?}"
    );
    let mixed = served.root.stat_all(&[long.as_slice(), b".."]);
    assert!(mixed[0].is_err() && mixed[1].is_ok());
    assert!(served.client.lost().is_none());
}

fn dropped_fids_are_clunked_at_once(served: Served) {
    served.root.mkdir(b"d", 0o755, gid()).unwrap();
    for _ in 0..20_000 {
        drop(served.root.walk::<&[u8]>(&[]).unwrap());
    }
    let many: Vec<_> = (0..3000)
        .map(|_| served.root.walk(&[b"d"]).unwrap())
        .collect();
    drop(many);
    let next = served.root.walk(&[b"d"]).unwrap();
    assert!(next.number() < 3100, "{}", next.number());
}

#[test]
fn it_works_on_a_directory_of_this_host() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalOptions {
        model: SecurityModel::None,
        ..LocalOptions::default()
    };
    let served = serve(LocalFs::open(dir.path(), local).unwrap(), &options());
    let gid = rustix::process::getgid().as_raw();
    let file = served.root.create(b"f", RDWR, 0o644, gid).unwrap();
    let bytes = pattern(4_000_000);
    file.write_all_at(&bytes, 0).unwrap();
    assert!(std::fs::read(dir.path().join("f")).unwrap() == bytes);
    assert!(*file.read_chunk(4_000_000, 0).unwrap() == bytes[..]);
    let _ = served.session;
}
