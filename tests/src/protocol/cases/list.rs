//! Reading directories.

use std::collections::HashSet;

use virtfs_client::{Directory, Entry, QidType, UnlinkFlags};

use super::errno::EINVAL;
use super::{ANY, create, entries, fails, mkdir, names, put};
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        every_directory_holds_the_dots
        the_parent_of_the_root_is_the_root_in_its_list
        an_entry_tells_what_its_file_is
        many_entries_are_listed_once_each
        a_list_goes_on_behind_every_cookie
        replies_may_be_small
        a_reply_too_small_for_an_entry_is_refused
        two_lists_of_one_directory_do_not_meet
        a_list_that_ended_stays_ended
        a_list_starts_again;
    Has::WRITE =>
        kinds_are_told
        a_list_from_the_start_shows_what_is_new
        changes_during_a_list_lose_nothing_that_stays
        removing_all_that_was_listed_empties_a_directory
        long_names_are_listed_whole;
}

/// The length of an entry of the many on the wire.
const ENTRY: u32 = 24 + sample::NAME as u32;

/// Types of entries as readdir(3) names them.
const DT_FIFO: u8 = 1;
const DT_DIR: u8 = 4;
const DT_REG: u8 = 8;
const DT_LNK: u8 = 10;
const DT_SOCK: u8 = 12;

/// What an entry of this type tells: nothing (`DT_UNKNOWN`) where the backend would have to look.
fn told(site: &Site, kind: u8) -> u8 {
    if site.has(Has::ENTRY_TYPES) { kind } else { 0 }
}

fn all(directory: &mut Directory) -> Vec<Entry> {
    directory.by_ref().map(Result::unwrap).collect()
}

fn every_directory_holds_the_dots(site: &Site) {
    let names = site.deep();
    let (up, dir) = (&names[..2], &names[..3]);
    let (up, dir) = (
        site.root().walk(up).unwrap(),
        site.root().walk(dir).unwrap(),
    );
    let listed = all(&mut dir.read_dir().unwrap());
    let path = |name: &[u8]| {
        let mut found = listed.iter().filter(|entry| entry.name == name);
        let entry = found.next().expect("it is there");
        assert!(found.next().is_none(), "it is there once");
        assert_eq!(entry.kind, told(site, DT_DIR));
        entry.qid.path
    };
    assert_eq!(path(b"."), dir.qid().path);
    assert_eq!(path(b".."), up.qid().path);
    assert_eq!(listed.len(), 3);
}

fn the_parent_of_the_root_is_the_root_in_its_list(site: &Site) {
    let listed = all(&mut site.root().read_dir().unwrap());
    for dot in [&b"."[..], b".."] {
        let entry = listed.iter().find(|entry| entry.name == dot).unwrap();
        assert_eq!(entry.qid.path, site.root().qid().path);
    }
}

fn an_entry_tells_what_its_file_is(site: &Site) {
    let many = site.many();
    for entry in entries(&many) {
        let fid = many.walk(&[&entry.name]).unwrap();
        assert_eq!(entry.qid.path, fid.qid().path);
        let kinds = (entry.kind, entry.qid.kind);
        assert_eq!(kinds, (told(site, DT_REG), QidType::empty()));
    }
    let root = entries(site.root());
    let many = root.iter().find(|entry| entry.name == b"many").unwrap();
    assert_eq!(
        (many.kind, many.qid.kind),
        (told(site, DT_DIR), QidType::DIR)
    );
}

fn many_entries_are_listed_once_each(site: &Site) {
    let expected: Vec<_> = (0..sample::MANY)
        .map(|number| sample::many_name(number).into_bytes())
        .collect();
    assert_eq!(names(&site.many()), expected);
    for msize in [4096, 5000, 1 << 20] {
        let root = site.with_msize(msize);
        assert_eq!(names(&root.walk(&["many"]).unwrap()), expected);
    }
    let mut batches = site.many().read_dir().unwrap();
    let mut count = 0;
    loop {
        let batch = batches.next_batch().unwrap();
        if batch.is_empty() {
            break;
        }
        count += batch.len();
    }
    assert_eq!(count, sample::MANY + 2);
}

fn a_list_goes_on_behind_every_cookie(site: &Site) {
    let mut directory = site.many().read_dir().unwrap();
    let listed = all(&mut directory);
    let cookies: HashSet<_> = listed.iter().map(|entry| entry.offset).collect();
    assert_eq!(cookies.len(), listed.len());
    for at in (0..listed.len()).step_by(7).rev().chain([0, 1, 2, 101]) {
        directory.seek(listed[at].offset);
        match listed.get(at + 1) {
            Some(next) => assert_eq!(directory.next().unwrap().unwrap().name, next.name),
            None => assert!(directory.next().is_none()),
        }
    }
    directory.seek(listed[50].offset);
    assert_eq!(all(&mut directory), listed[51..]);
}

fn replies_may_be_small(site: &Site) {
    let directory = site.many().read_dir().unwrap();
    let mut names = HashSet::new();
    let (mut cookie, mut replies) = (0, 0);
    // Room for three entries of these names, and a rest that none fits into.
    loop {
        let some = directory.read_from(cookie, 3 * ENTRY + 20).unwrap();
        let Some(last) = some.last() else { break };
        assert!(some.len() <= 5, "the dots are shorter");
        cookie = last.offset;
        replies += 1;
        names.extend(some.into_iter().map(|entry| entry.name));
    }
    assert_eq!(names.len(), sample::MANY + 2);
    assert!(replies > sample::MANY / 4);
}

fn a_reply_too_small_for_an_entry_is_refused(site: &Site) {
    let directory = site.many().read_dir().unwrap();
    // An empty reply would say that the directory has ended.
    fails(directory.read_from(0, 24), &[EINVAL]);
    assert!(!directory.read_from(0, ENTRY).unwrap().is_empty());
}

fn two_lists_of_one_directory_do_not_meet(site: &Site) {
    let many = site.many();
    let (mut first, mut second) = (many.read_dir().unwrap(), many.read_dir().unwrap());
    let start = first.read_from(0, 300).unwrap();
    let whole = all(&mut second);
    assert_eq!(all(&mut first), whole);
    let behind = start.last().unwrap().offset;
    let (a, b) = (first.read_from(behind, 300), second.read_from(behind, 300));
    assert_eq!(a.unwrap(), b.unwrap());
}

fn a_list_that_ended_stays_ended(site: &Site) {
    let mut directory = site.many().read_dir().unwrap();
    all(&mut directory);
    assert!(directory.next().is_none());
    assert!(directory.next_batch().unwrap().is_empty());
}

fn a_list_starts_again(site: &Site) {
    let mut directory = site.many().read_dir().unwrap();
    let first = all(&mut directory);
    directory.seek(0);
    assert_eq!(all(&mut directory), first);
    directory.seek(0);
    assert_eq!(directory.next().unwrap().unwrap(), first[0]);
    directory.clunk().unwrap();
}

fn kinds_are_told(site: &Site) {
    let root = site.root();
    put(root, b"file", b"");
    mkdir(root, "directory");
    root.symlink(b"symlink", b"file", 0).unwrap();
    root.mknod(b"fifo", 0o010644, 0, 0, 0).unwrap();
    root.mknod(b"socket", 0o140644, 0, 0, 0).unwrap();
    let kinds: Vec<_> = entries(root)
        .into_iter()
        .map(|entry| (String::from_utf8(entry.name).unwrap(), entry.kind))
        .collect();
    let expected = [
        ("directory", DT_DIR),
        ("fifo", DT_FIFO),
        ("file", DT_REG),
        ("socket", DT_SOCK),
        ("symlink", DT_LNK),
    ];
    let expected = expected.map(|(name, kind)| (name.to_owned(), told(site, kind)));
    assert_eq!(kinds, expected);
}

fn a_list_from_the_start_shows_what_is_new(site: &Site) {
    let dir = mkdir(site.root(), "d");
    let mut directory = dir.read_dir().unwrap();
    assert_eq!(all(&mut directory).len(), 2);
    put(&dir, b"new", b"");
    directory.seek(0);
    assert!(all(&mut directory).iter().any(|entry| entry.name == b"new"));
    dir.unlink_at(b"new", UnlinkFlags::empty()).unwrap();
    directory.seek(0);
    assert_eq!(all(&mut directory).len(), 2);
}

fn changes_during_a_list_lose_nothing_that_stays(site: &Site) {
    let dir = mkdir(site.root(), "d");
    let staying: HashSet<_> = (0..120)
        .map(|number| format!("staying{number}").into_bytes())
        .collect();
    for name in &staying {
        create(&dir, name);
    }
    for number in 0..60 {
        create(&dir, format!("leaving{number}").as_bytes());
    }
    let directory = dir.read_dir().unwrap();
    let mut seen = Vec::new();
    let (mut cookie, mut round) = (0, 0);
    loop {
        let some = directory.read_from(cookie, 400).unwrap();
        let Some(last) = some.last() else { break };
        cookie = last.offset;
        seen.extend(some.into_iter().map(|entry| entry.name));
        let leaving = format!("leaving{round}");
        let _ = dir.unlink_at(leaving.as_bytes(), UnlinkFlags::empty());
        if round < 60 {
            create(&dir, format!("coming{round}").as_bytes());
        }
        round += 1;
    }
    let seen_staying: Vec<_> = seen.iter().filter(|n| staying.contains(*n)).collect();
    assert_eq!(seen_staying.len(), staying.len(), "once each");
}

fn removing_all_that_was_listed_empties_a_directory(site: &Site) {
    let dir = mkdir(site.root(), "d");
    for number in 0..150 {
        create(&dir, format!("{number}").as_bytes());
    }
    let mut directory = dir.read_dir().unwrap();
    loop {
        let batch = directory.next_batch().unwrap();
        if batch.is_empty() {
            break;
        }
        for entry in batch.iter().filter(|entry| !entry.name.starts_with(b".")) {
            dir.unlink_at(&entry.name, UnlinkFlags::empty()).unwrap();
        }
    }
    assert!(names(&dir).is_empty());
    site.root().unlink_at(b"d", UnlinkFlags::REMOVEDIR).unwrap();
}

fn long_names_are_listed_whole(site: &Site) {
    let root = site.with_msize(4096);
    let dir = mkdir(&root, "d");
    let mut expected: Vec<_> = (b'a'..=b'z').map(|letter| vec![letter; 255]).collect();
    expected.extend((1..30).map(|length| vec![b'1'; length]));
    for name in &expected {
        create(&dir, name);
    }
    expected.sort();
    assert_eq!(names(&dir), expected);
}
