//! Making regular files by opening them.

use virtfs_client::{LopenFlags as O, QidType};

use super::errno::{EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOSYS, ENOTDIR, EOPNOTSUPP, EPERM};
use super::{content, create, fails, mkdir, names, put, read};
use crate::protocol::{Has, Site, sample};

cases! {
    Has::FIXED =>
        a_tree_made_by_code_does_not_change;
    Has::WRITE =>
        a_created_file_is_open_and_empty
        a_created_file_is_what_is_walked_to
        a_created_file_has_the_mode_that_was_asked_for
        a_created_file_has_the_access_that_was_asked_for
        a_create_opens_what_exists
        a_create_cuts_what_exists_if_asked
        an_exclusive_create_refuses_what_exists
        a_create_over_a_directory_is_refused
        a_create_follows_no_symlink
        a_create_needs_a_directory
        a_new_file_is_open_though_its_mode_forbids_it
        the_directory_stays_usable
        of_two_clients_one_makes_the_file;
}

fn a_tree_made_by_code_does_not_change(site: &Site) {
    let hello = site.hello();
    let root = site.root();
    fails(root.create(b"new", O::RDWR, 0o644, 0), &[ENOSYS]);
    fails(root.mkdir(b"new", 0o755, 0), &[EPERM]);
    fails(root.symlink(b"new", b"hello", 0), &[EPERM]);
    fails(root.mknod(b"new", 0o010644, 0, 0, 0), &[EPERM]);
    fails(root.link(b"new", &hello), &[EPERM]);
    fails(root.rename_at(b"hello", root, b"new"), &[EOPNOTSUPP]);
    fails(hello.rename(root, b"new"), &[EOPNOTSUPP]);
    fails(root.unlink_at(b"hello", Default::default()), &[EPERM]);
    fails(root.walk(&["hello"]).unwrap().remove(), &[EOPNOTSUPP]);
    fails(root.walk(&["new"]), &[ENOENT]);
    // What exists is opened, though not exclusively.
    let opened = root.create(b"hello", O::RDONLY, 0o644, 0).unwrap();
    assert_eq!(read(&opened, 0, 100), sample::HELLO);
    fails(root.create(b"hello", O::EXCL, 0o644, 0), &[EEXIST]);
}

fn a_created_file_is_open_and_empty(site: &Site) {
    let file = site.root().create(b"f", O::RDWR, 0o644, 0).unwrap();
    assert_eq!(file.qid().kind, QidType::empty());
    assert_eq!(file.attributes().unwrap().size, 0);
    assert_eq!(read(&file, 0, 10), b"");
    file.write_all_at(b"written", 0).unwrap();
    assert_eq!(read(&file, 0, 10), b"written");
}

fn a_created_file_is_what_is_walked_to(site: &Site) {
    let file = create(site.root(), b"f");
    let walked = site.root().walk(&["f"]).unwrap();
    assert_eq!(walked.qid().path, file.qid().path);
    let other = site.second().walk(&["f"]).unwrap();
    if site.has(Has::ONE_SERVER) {
        assert_eq!(other.qid().path, file.qid().path);
    }
    assert_eq!(other.attributes().unwrap().mode, 0o100644);
}

fn a_created_file_has_the_mode_that_was_asked_for(site: &Site) {
    for mode in [0o600, 0o777, 0o000, 0o421, 0o1644, 0o2755, 0o4711] {
        let name = format!("{mode:o}");
        let file = site.root().create(name.as_bytes(), O::RDWR, mode, 0);
        let attributes = file.unwrap().attributes().unwrap();
        assert_eq!(attributes.mode, 0o100000 | mode, "{mode:o}");
    }
    // Type bits do not make it another type.
    let file = site.root().create(b"typed", O::RDWR, 0o040700, 0);
    assert_eq!(file.unwrap().attributes().unwrap().mode, 0o100700);
}

fn a_created_file_has_the_access_that_was_asked_for(site: &Site) {
    let root = site.root();
    let reader = root.create(b"r", O::RDONLY, 0o644, 0).unwrap();
    fails(reader.write_at(b"x", 0), &[super::errno::EBADF]);
    let writer = root.create(b"w", O::WRONLY, 0o644, 0).unwrap();
    writer.write_all_at(b"x", 0).unwrap();
    fails(writer.read_at(&mut [0], 0), &[super::errno::EBADF]);
    let appender = root.create(b"a", O::WRONLY | O::APPEND, 0o644, 0).unwrap();
    appender.write_all_at(b"1", 0).unwrap();
    appender.write_all_at(b"2", 0).unwrap();
    assert_eq!(content(&root.walk(&["a"]).unwrap()), b"12");
}

fn a_create_opens_what_exists(site: &Site) {
    let fid = put(site.root(), b"f", b"kept");
    let file = site.root().create(b"f", O::RDWR, 0o600, 0).unwrap();
    assert_eq!(file.qid().path, fid.qid().path);
    assert_eq!(read(&file, 0, 10), b"kept");
    assert_eq!(file.attributes().unwrap().mode, 0o100644);
}

fn a_create_cuts_what_exists_if_asked(site: &Site) {
    let fid = put(site.root(), b"f", b"lost");
    site.root()
        .create(b"f", O::WRONLY | O::TRUNC, 0o600, 0)
        .unwrap();
    assert_eq!(content(&fid), b"");
}

fn an_exclusive_create_refuses_what_exists(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"kept");
    mkdir(root, "d");
    root.symlink(b"dangling", b"nowhere", 0).unwrap();
    for name in [&b"f"[..], b"d", b"dangling"] {
        let flags = O::RDWR | O::EXCL | O::TRUNC;
        fails(root.create(name, flags, 0o644, 0), &[EEXIST]);
    }
    assert_eq!(content(&fid), b"kept");
    fails(root.walk(&["nowhere"]), &[ENOENT]);
}

fn a_create_over_a_directory_is_refused(site: &Site) {
    mkdir(site.root(), "d");
    for flags in [O::RDONLY, O::RDWR] {
        fails(site.root().create(b"d", flags, 0o644, 0), &[EISDIR]);
    }
    fails(
        site.root().create(b"f", O::RDONLY | O::DIRECTORY, 0o755, 0),
        &[EINVAL],
    );
    assert_eq!(names(site.root()), [b"d"]);
}

fn a_create_follows_no_symlink(site: &Site) {
    let root = site.root();
    let fid = put(root, b"f", b"kept");
    root.symlink(b"link", b"f", 0).unwrap();
    root.symlink(b"dangling", b"nowhere", 0).unwrap();
    for name in [&b"link"[..], b"dangling"] {
        let flags = O::RDWR | O::TRUNC;
        fails(root.create(name, flags, 0o644, 0), &[ELOOP]);
    }
    assert_eq!(content(&fid), b"kept");
    assert_eq!(names(root), [&b"dangling"[..], b"f", b"link"]);
}

fn a_create_needs_a_directory(site: &Site) {
    let fid = put(site.root(), b"f", b"");
    fails(fid.create(b"g", O::RDWR, 0o644, 0), &[ENOTDIR]);
    let gone = mkdir(site.root(), "d");
    site.root()
        .unlink_at(b"d", virtfs_client::UnlinkFlags::REMOVEDIR)
        .unwrap();
    fails(gone.create(b"g", O::RDWR, 0o644, 0), &[ENOENT]);
}

fn a_new_file_is_open_though_its_mode_forbids_it(site: &Site) {
    let file = site.root().create(b"f", O::RDWR, 0o000, 0).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    assert_eq!(read(&file, 0, 2), b"x");
}

fn the_directory_stays_usable(site: &Site) {
    let dir = mkdir(site.root(), "d");
    let files: Vec<_> = (0..20)
        .map(|number| create(&dir, format!("{number:02}").as_bytes()))
        .collect();
    for (number, file) in files.iter().enumerate() {
        file.write_all_at(&[number as u8], 0).unwrap();
    }
    assert_eq!(names(&dir).len(), 20);
    assert_eq!(content(&dir.walk(&["07"]).unwrap()), [7]);
}

fn of_two_clients_one_makes_the_file(site: &Site) {
    let (first, second) = (site.root(), &site.second());
    let made = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for root in [first, second] {
            let made = &made;
            scope.spawn(move || {
                for number in 0..50 {
                    let name = format!("{number}");
                    match root.create(name.as_bytes(), O::RDWR | O::EXCL, 0o644, 0) {
                        Ok(_) => {
                            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                        error => fails(error, &[EEXIST]),
                    }
                }
            });
        }
    });
    assert_eq!(made.into_inner(), 50);
    assert_eq!(names(first).len(), 50);
}
