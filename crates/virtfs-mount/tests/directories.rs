//! Directories: lists of them, long ones, positions in them.

mod common;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use common::mounted;
use rustix::fs::{CWD, Mode, RawDir};
use rustix::fs::{Dir, DirEntry, OFlags, SeekFrom, openat, seek};

fn names(path: &std::path::Path) -> BTreeSet<String> {
    fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_str().unwrap().to_owned()
}

#[test]
fn fifty_thousand_entries_are_listed_once_each() {
    let (served, mount) = mounted("");
    fs::create_dir(served.host("many")).unwrap();
    let expected: BTreeSet<String> = (0..50_000).map(|i| format!("file-{i}")).collect();
    for name in &expected {
        File::create(served.host("many").join(name)).unwrap();
    }
    let listed: Vec<String> = fs::read_dir(mount.path("many"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed.len(), 50_000);
    assert!(BTreeSet::from_iter(listed) == expected);
}

#[test]
fn a_list_that_looks_everything_up_is_the_same_list() {
    let (served, mount) = mounted("attr_timeout=60,entry_timeout=60");
    fs::create_dir(served.host("dir")).unwrap();
    for i in 0..2500 {
        fs::write(served.host(&format!("dir/file-{i}")), vec![b'x'; i]).unwrap();
    }
    for _ in 0..2 {
        let mut sizes = BTreeSet::new();
        for entry in fs::read_dir(mount.path("dir")).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let size = entry.metadata().unwrap().len();
            assert_eq!(name, format!("file-{size}"));
            sizes.insert(size);
        }
        assert_eq!(sizes.len(), 2500);
    }
}

#[test]
fn an_entry_says_number_and_type_of_its_file() {
    let (served, mount) = mounted("");
    fs::create_dir(served.host("dir")).unwrap();
    fs::write(served.host("file"), "").unwrap();
    std::os::unix::fs::symlink("x", served.host("link")).unwrap();
    use std::os::unix::fs::DirEntryExt;
    let mut seen = 0;
    for entry in fs::read_dir(mount.at.path()).unwrap().map(Result::unwrap) {
        let status = fs::symlink_metadata(entry.path()).unwrap();
        assert_eq!(entry.ino(), status.ino());
        assert_eq!(entry.file_type().unwrap(), status.file_type());
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_position_leads_back_to_where_it_was_taken() {
    let (served, mount) = mounted("");
    for i in 0..3000 {
        File::create(served.host(&format!("a-file-with-number-{i}"))).unwrap();
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let dir = openat(CWD, mount.at.path(), flags, Mode::empty()).unwrap();
    let mut buffer = Vec::with_capacity(8192);
    // The position behind each entry, and the entry that follows it.
    let mut order = Vec::new();
    let mut raw = RawDir::new(&dir, buffer.spare_capacity_mut());
    while let Some(entry) = raw.next() {
        let entry = entry.unwrap();
        order.push((entry.next_entry_cookie(), entry.file_name().to_owned()));
    }
    assert_eq!(order.len(), 3002);
    for at in [0, 1, 700, 1500, 2999, 3000, 42, 2] {
        seek(&dir, SeekFrom::Start(order[at].0)).unwrap();
        let mut raw = RawDir::new(&dir, buffer.spare_capacity_mut());
        let found = raw.next().unwrap().unwrap().file_name().to_owned();
        assert_eq!(found, order[at + 1].1, "behind entry {at}");
    }
    seek(&dir, SeekFrom::Start(order[3001].0)).unwrap();
    let mut raw = RawDir::new(&dir, buffer.spare_capacity_mut());
    assert!(raw.next().is_none());
}

#[test]
fn going_back_to_the_start_reads_anew() {
    let (served, mount) = mounted("");
    fs::write(served.host("one"), "").unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = Dir::new(openat(CWD, mount.at.path(), flags, Mode::empty()).unwrap()).unwrap();
    let all = |dir: &mut Dir| -> BTreeSet<String> {
        dir.map(|entry| name(&entry.unwrap()))
            .filter(|name| !name.starts_with('.'))
            .collect()
    };
    assert_eq!(all(&mut dir), BTreeSet::from(["one".to_owned()]));
    fs::write(served.host("two"), "").unwrap();
    fs::remove_file(served.host("one")).unwrap();
    dir.rewind();
    assert_eq!(all(&mut dir), BTreeSet::from(["two".to_owned()]));
}

#[test]
fn a_directory_that_is_emptied_while_it_is_read_ends_up_empty() {
    let (served, mount) = mounted("");
    fs::create_dir(served.host("dir")).unwrap();
    for i in 0..2000 {
        File::create(served.host(&format!("dir/file-{i}"))).unwrap();
    }
    fs::remove_dir_all(mount.path("dir")).unwrap();
    assert!(!served.host("dir").exists());
}

#[test]
fn trees_are_made_and_moved_and_removed() {
    let (served, mount) = mounted("");
    for a in 0..10 {
        for b in 0..10 {
            let dir = mount.path(&format!("tree/{a}/{b}"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("file"), format!("{a}{b}")).unwrap();
        }
    }
    fs::rename(mount.path("tree/3"), mount.path("tree/4/three")).unwrap();
    assert_eq!(fs::read(served.host("tree/4/three/7/file")).unwrap(), b"37");
    assert_eq!(names(&mount.path("tree")).len(), 9);
    assert_eq!(names(&mount.path("tree/4")).len(), 11);
    let into_itself = fs::rename(mount.path("tree"), mount.path("tree/1/x")).unwrap_err();
    assert_eq!(into_itself.kind(), std::io::ErrorKind::InvalidInput);
    let not_empty = fs::remove_dir(mount.path("tree")).unwrap_err();
    assert_eq!(not_empty.kind(), std::io::ErrorKind::DirectoryNotEmpty);
    fs::remove_dir_all(mount.path("tree")).unwrap();
    assert!(!served.host("tree").exists());
}

#[test]
fn odd_names_are_names() {
    let (served, mount) = mounted("");
    let long = "x".repeat(255);
    for name in ["a b", "\u{e4}", "\\", "...", "-", "a\nb", &*long] {
        fs::write(mount.path(name), name).unwrap();
        assert_eq!(fs::read_to_string(served.host(name)).unwrap(), name);
    }
    assert_eq!(names(mount.at.path()).len(), 7);
    let too_long = fs::write(mount.path(&"x".repeat(256)), "").unwrap_err();
    assert_eq!(too_long.kind(), std::io::ErrorKind::InvalidFilename);
}
