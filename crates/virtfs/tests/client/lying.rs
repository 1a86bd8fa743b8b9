//! Servers whose files are not what they say: a command ends, and says what was wrong.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::harm::{File, get, run};

/// A tree of one file.
fn one(file: File) -> impl Fn(&std::path::Path, &str, u64) -> Option<File> {
    move |_, path, _| match path {
        "" => Some(File::Directory(vec!["file"])),
        _ => Some(file.clone()),
    }
}

fn says(file: File, change: fn(&mut virtfs_vfs::Attr)) -> File {
    File::Says(Box::new(file), change)
}

#[test]
fn an_error_in_the_middle_of_a_file_is_told() {
    let file = File::Read(|offset, reply| match offset {
        0 => {
            reply.put(&vec![1; reply.room()]);
            Ok(())
        }
        _ => Err(virtfs_vfs::Errno::EIO),
    });
    let (_dir, done) = get(one(says(file, |attr| attr.size = 3 << 20)));
    assert_eq!(done.failed(), "virtfs: /file: Input/output error\n");
}

#[test]
fn replies_that_are_short_do_not_end_a_file() {
    const SIZE: u64 = 100_000;
    let file = File::Read(|offset, reply| {
        let length = 999.min(SIZE.saturating_sub(offset)) as usize;
        reply.put(&vec![b'x'; length]);
        Ok(())
    });
    let (dir, done) = get(one(says(file, |attr| attr.size = SIZE)));
    done.ok();
    let got = fs::read(dir.path().join("in/file")).unwrap();
    assert!(got == vec![b'x'; SIZE as usize], "{}", got.len());
}

#[test]
fn a_file_that_says_it_is_huge_ends_where_it_ends() {
    for size in [1 << 50, u64::MAX] {
        let grow = match size {
            u64::MAX => |attr: &mut virtfs_vfs::Attr| attr.size = u64::MAX,
            _ => |attr: &mut virtfs_vfs::Attr| attr.size = 1 << 50,
        };
        let (dir, done) = get(one(says(File::Regular("text"), grow)));
        done.ok();
        let got = dir.path().join("in/file");
        assert_eq!(fs::metadata(&got).unwrap().len(), 4);
        assert_eq!(fs::read_to_string(&got).unwrap(), "text");
    }
}

#[test]
fn a_file_that_says_it_is_small_does_not_go_on_for_ever() {
    let file = File::Read(|offset, reply| {
        // It has an end, for clients that would go on to it.
        if offset < 64 << 20 {
            reply.put(&vec![0; reply.room()]);
        }
        Ok(())
    });
    let (_dir, done) = get(one(says(file, |attr| attr.size = 10)));
    let err = done.failed();
    assert!(err.contains("/file: it has more contents than"), "{err}");
}

#[test]
fn a_directory_that_contains_itself_is_told() {
    let (_dir, done) = get(|_, _, count| {
        let itself = File::Directory(vec!["one", "two"]);
        (count < 5000).then(|| says(itself, |attr| attr.qid.path = 1))
    });
    let err = done.failed();
    assert!(err.contains("one: it contains itself"), "{err}");
    assert_eq!(err.lines().count(), 2, "{err}");
}

#[test]
fn a_listing_that_begins_anew_is_given_up() {
    for command in [&["get", "-r"][..], &["ls"], &["rm", "-r"]] {
        let (_dir, done) = run(command, |_, path, _| {
            Some(match path {
                "" => File::Endless(5000),
                "/top" => File::Endless(5000),
                _ => File::Regular("text"),
            })
        });
        let err = done.failed();
        assert!(err.contains("lists the same entries again"), "{err}");
    }
}

#[test]
fn what_gives_rights_is_not_taken_from_a_server_unless_it_is_trusted() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let device = one(says(File::Device, |attr| {
        attr.rdev = virtfs_vfs::Device { major: 1, minor: 3 };
    }));
    let (dir, done) = get(device);
    let err = done.failed();
    assert!(
        err.contains("/file: a device node is made with --trust-server"),
        "{err}"
    );
    assert!(!dir.path().join("in/file").exists());

    let attributed = || one(File::Attributed("trusted.rights"));
    let value = |dir: &tempfile::TempDir| {
        let path = dir.path().join("in/file");
        rustix::fs::getxattr(path, "trusted.rights", &mut [0; 64][..]).is_ok()
    };
    let (dir, done) = get(attributed());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("--trust-server keeps them"),
        "{}",
        done.err
    );
    assert!(!value(&dir));
    let (dir, done) = run(&["get", "-r", "--trust-server"], attributed());
    assert_eq!(done.code, Some(0), "{}", done.err);
    // Not everywhere may root set it.
    assert!(
        value(&dir) || done.err.contains("are left out"),
        "{}",
        done.err
    );
}

#[test]
fn setuid_does_not_come_without_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let root = |attr: &mut virtfs_vfs::Attr| attr.mode |= 0o6000;
    let foreign = |attr: &mut virtfs_vfs::Attr| {
        attr.mode |= 0o6000;
        attr.uid = 1234;
    };
    let setuid = |change| one(says(File::Regular("text"), change));
    for change in [root as fn(&mut _), foreign] {
        let (dir, done) = run(&["get", "-r", "--no-owner"], setuid(change));
        assert!(
            done.err.contains("setuid and setgid are left out"),
            "{}",
            done.err
        );
        let got = fs::metadata(dir.path().join("in/file")).unwrap();
        assert_eq!((got.uid(), got.mode() & 0o7777), (0, 0o755));
    }
    let (dir, done) = get(setuid(foreign));
    done.ok();
    let got = fs::metadata(dir.path().join("in/file")).unwrap();
    assert_eq!((got.uid(), got.mode() & 0o7777), (1234, 0o6755));
}
