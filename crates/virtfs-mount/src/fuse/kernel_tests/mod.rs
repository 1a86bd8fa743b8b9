//! Sessions with the real kernel. They need root and `/dev/fuse`, and fail without.

mod memory;
mod support;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::thread;

use rustix::fs::{
    FlockOperation, XattrFlags, fcntl_lock, getxattr, getxattr_query, setxattr, statvfs,
};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk, getpid};

use self::memory::{HELD, KEPT, Memory};
use self::support::{Child, Mount};
use crate::fuse::KernelOptions;

#[test]
fn files_are_listed_with_their_attributes() {
    let mount = Mount::new(
        Memory::new(&[("hello", "hello, world\n"), ("empty", "")]),
        2,
    );
    let mut found: Vec<_> = fs::read_dir(mount.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                entry.metadata().unwrap().len(),
            )
        })
        .collect();
    found.sort();
    assert_eq!(found, [("empty".to_owned(), 0), ("hello".to_owned(), 13)]);
    assert!(mount.handler.lock().readdirplus > 0);
    let missing = fs::metadata(mount.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn a_directory_of_many_reads_is_listed_once() {
    for readdirplus in [false, true] {
        let names: Vec<_> = (0..2000)
            .map(|number| format!("a file of number {number}"))
            .collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let options = KernelOptions {
            readdirplus,
            ..Default::default()
        };
        let mount = Mount::with(Memory::new(&files), 2, &options);
        let mut found: Vec<_> = fs::read_dir(mount.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut names = names.clone();
        names.sort();
        found.sort();
        assert_eq!(found, names);
        assert_eq!(mount.handler.lock().readdirplus > 1, readdirplus);
    }
}

#[test]
fn the_kernel_reads_ahead_as_much_as_one_request_brings() {
    let options = KernelOptions {
        max_read: 300 << 10,
        ..Default::default()
    };
    let mount = Mount::with(Memory::new(&[]), 2, &options);
    let dev = fs::metadata(mount.path()).unwrap().dev();
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let limit = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if fs::OpenOptions::new().write(true).open(&limit).is_err() {
        // In a container: the kernel's usual must do.
        return;
    }
    assert_eq!(fs::read_to_string(limit).unwrap().trim(), "300");
}

#[test]
fn what_is_written_is_read_again() {
    let mount = Mount::new(Memory::new(&[]), 3);
    let path = mount.path().join("new");
    let content: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    fs::write(&path, &content).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5_000_000);
    assert!(fs::read(&path).unwrap() == content);
    // As long as the kernel's own limit (fs.fuse.max_pages_limit, 256 by default) lets it be.
    assert_eq!(mount.handler.lock().longest_write, 1 << 20);
    fs::write(&path, b"short").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"short");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(2)
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"sh");
}

#[test]
fn extended_attributes_totals_and_locks_are_told() {
    let mount = Mount::new(Memory::new(&[("file", "content")]), 2);
    let path = mount.path().join("file");
    setxattr(&path, "user.name", b"value", XattrFlags::empty()).unwrap();
    assert_eq!(getxattr_query(&path, "user.name"), Ok(5));
    let mut value = [0; 16];
    assert_eq!(getxattr(&path, "user.name", &mut value), Ok(5));
    assert_eq!(value[..5], *b"value");
    assert_eq!(
        getxattr(&path, "user.other", &mut value),
        Err(Errno::NODATA)
    );
    let totals = statvfs(mount.path()).unwrap();
    assert_eq!(
        (totals.f_blocks, totals.f_bfree, totals.f_bavail),
        (1000, 400, 300)
    );
    assert_eq!((totals.f_files, totals.f_namemax), (20, 255));
    let file = File::open(&path).unwrap();
    let lock = Flock::from(FlockType::WriteLock);
    let holder = fcntl_getlk(&file, &lock)
        .unwrap()
        .expect("a lock in the way");
    assert_eq!((holder.start, holder.length), (3, 0));
    assert_eq!(holder.pid, Some(getpid()));
}

#[test]
fn a_request_that_is_not_answered_or_panics_is_an_io_error() {
    let mount = Mount::new(Memory::new(&[("file", "content")]), 1);
    let error = fs::create_dir(mount.path().join("dir")).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
    let error = std::os::unix::fs::symlink("a", mount.path().join("link")).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
    let error = fs::rename(mount.path().join("file"), mount.path().join("new")).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::NOSYS));
    assert_eq!(fs::read(mount.path().join("file")).unwrap(), b"content");
}

#[test]
fn a_read_that_is_never_answered_ends_by_sigkill() {
    let mount = Mount::new(Memory::new(&[(KEPT, "x")]), 1);
    let child = Child::run("cat", &[&mount.path().join(KEPT)]);
    drop(mount.handler.wait(|state| !state.kept.is_empty()));
    child.killed();
    assert!(mount.handler.lock().interrupts > 0);
}

#[test]
fn an_interrupt_that_comes_before_the_handler_knows_is_sent_again() {
    let mount = Mount::new(Memory::new(&[(KEPT, "x")]), 1);
    mount.handler.lock().disown = 3;
    let child = Child::run("cat", &[&mount.path().join(KEPT)]);
    drop(mount.handler.wait(|state| !state.kept.is_empty()));
    child.killed();
    assert!(mount.handler.lock().interrupts >= 4);
}

#[test]
fn interrupts_are_read_while_every_thread_is_held() {
    let mount = Mount::new(Memory::new(&[(HELD, "x")]), 1);
    let path = mount.path().join(HELD);
    let first = Child::run("cat", &[&path]);
    drop(mount.handler.wait(|state| state.held.len() == 1));
    // The only thread is held: what this one asks for is parked, until it is taken back.
    let second = Child::run("cat", &[&path]);
    second.waits_for_fuse();
    second.killed();
    assert_eq!(mount.handler.lock().interrupts, 0);
    first.killed();
    assert!(mount.handler.lock().interrupts > 0);
}

#[test]
fn parked_requests_are_served_when_a_thread_is_free() {
    let mount = Mount::new(Memory::new(&[(HELD, "x"), ("file", "content")]), 2);
    let held = mount.path().join(HELD);
    let holders = [Child::run("cat", &[&held]), Child::run("cat", &[&held])];
    drop(mount.handler.wait(|state| state.held.len() == 2));
    let path = mount.path().join("file");
    let readers = [0; 8].map(|_| {
        let path = path.clone();
        thread::spawn(move || fs::read(path).unwrap())
    });
    for holder in holders {
        holder.killed();
    }
    for reader in readers {
        assert_eq!(reader.join().unwrap(), b"content");
    }
}

#[test]
fn a_lock_is_granted_later_from_another_thread() {
    let mount = Mount::new(Memory::new(&[("file", "")]), 1);
    let file = File::options()
        .write(true)
        .open(mount.path().join("file"))
        .unwrap();
    let waiter = thread::spawn(move || {
        fcntl_lock(&file, FlockOperation::LockExclusive)?;
        fcntl_lock(&file, FlockOperation::Unlock)
    });
    let reply = mount
        .handler
        .wait(|state| !state.kept.is_empty())
        .kept
        .remove(0);
    // The waiter holds no thread.
    assert_eq!(fs::read(mount.path().join("file")).unwrap(), b"");
    reply.ok();
    assert_eq!(waiter.join().unwrap(), Ok(()));
    assert_eq!(mount.handler.lock().unlocks, 1);
}

#[test]
fn who_waits_for_a_lock_ends_by_sigkill() {
    let mount = Mount::new(Memory::new(&[("file", "")]), 1);
    let child = Child::run("flock", &[&mount.path().join("file"), "true".as_ref()]);
    drop(mount.handler.wait(|state| !state.kept.is_empty()));
    child.killed();
    assert!(mount.handler.lock().kept.is_empty());
}

#[test]
fn an_unmount_ends_requests_that_hang() {
    let mut mount = Mount::new(Memory::new(&[(KEPT, "x"), (HELD, "x")]), 1);
    let kept = Child::run("cat", &[&mount.path().join(KEPT)]);
    drop(mount.handler.wait(|state| state.kept.len() == 1));
    let held = Child::run("cat", &[&mount.path().join(HELD)]);
    drop(mount.handler.wait(|state| state.held.len() == 1));
    let parked = Child::run("cat", &[&mount.path().join(HELD)]);
    parked.waits_for_fuse();
    mount.unmounter.unmount().unwrap();
    mount.ended().unwrap();
    for child in [kept, held, parked] {
        child.fails();
    }
    // An answer that comes too late does no harm.
    mount.handler.lock().kept.remove(0).data(&[b"late"]);
    assert!(!mount.is_mounted());
    mount.unmounter.unmount().unwrap();
}

#[test]
fn a_session_ends_when_somebody_else_unmounts() {
    let mut mount = Mount::new(Memory::new(&[("file", "content")]), 4);
    assert_eq!(fs::read(mount.path().join("file")).unwrap(), b"content");
    assert!(
        std::process::Command::new("umount")
            .arg(mount.path())
            .status()
            .unwrap()
            .success()
    );
    mount.ended().unwrap();
    assert!(mount.handler.lock().ended);
}

#[test]
fn a_mount_in_use_that_is_detached_is_served_until_it_is_let_go() {
    let mut mount = Mount::new(Memory::new(&[("file", "content")]), 2);
    let mut file = File::open(mount.path().join("file")).unwrap();
    mount.unmounter.detach().unwrap();
    assert!(!mount.is_mounted());
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
    drop(file);
    mount.ended().unwrap();
}

#[test]
fn another_mount_in_the_same_place_is_left_alone() {
    let mut first = Mount::new(Memory::new(&[("first", "")]), 1);
    first.unmounter.detach().unwrap();
    first.ended().unwrap();
    let second = Mount::at(first.path(), Memory::new(&[("second", "")]), 1);
    first.unmounter.unmount().unwrap();
    first.unmounter.detach().unwrap();
    assert!(fs::exists(second.path().join("second")).unwrap());
}

#[test]
fn a_session_that_is_dropped_unmounts() {
    let dir = tempfile::tempdir().unwrap();
    let session = crate::fuse::Session::mount(dir.path(), &KernelOptions::default()).unwrap();
    assert!(support::mounted(dir.path()));
    drop(session);
    assert!(!support::mounted(dir.path()));
}

#[test]
fn a_mount_shows_its_source_type_and_options() {
    let options = KernelOptions {
        fsname: "tcp:host with space:564".to_owned(),
        ro: true,
        noexec: true,
        noatime: true,
        allow_other: true,
        default_permissions: true,
        ..Default::default()
    };
    let mount = Mount::with(Memory::new(&[("file", "")]), 1, &options);
    let line = support::mount_line(mount.path()).expect("mounted");
    let words = [
        "fuse.virtfs",
        "tcp:host\\040with\\040space:564",
        "allow_other",
    ];
    for word in words
        .into_iter()
        .chain(["default_permissions", "nosuid", "nodev", "noexec"])
    {
        assert!(line.contains(word), "{word} is not in {line}");
    }
    let refused = File::create(mount.path().join("new")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn many_threads_and_files_at_once() {
    let mount = Mount::new(Memory::new(&[]), 3);
    let workers: Vec<_> = (0..8_u8)
        .map(|number| {
            let path = mount.path().join(format!("file{number}"));
            thread::spawn(move || {
                let mut file = File::options()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .open(&path)
                    .unwrap();
                for round in 0..100_u64 {
                    file.write_all(&[number; 100]).unwrap();
                    let mut back = [0; 100];
                    file.read_exact_at(&mut back, round * 100).unwrap();
                    assert_eq!(back, [number; 100]);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}
