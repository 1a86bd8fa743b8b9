//! `get` and `put`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

use crate::site::{Done, Site, mode, snapshot};

/// A tree with one of everything.
fn tree(top: &Path) {
    fs::create_dir_all(top.join("deep/er")).unwrap();
    fs::create_dir(top.join("empty")).unwrap();
    for name in [
        &b"plain"[..],
        b"\xff\xfe",
        b"new\nline",
        b" ",
        b"-r",
        b"deep/er/file",
    ] {
        let path = top.join(OsStr::from_bytes(name));
        fs::write(&path, name.repeat(1000)).unwrap();
    }
    fs::write(top.join("nothing"), "").unwrap();
    fs::hard_link(top.join("plain"), top.join("deep/hard")).unwrap();
    fs::hard_link(top.join("plain"), top.join("deep/er/hard")).unwrap();
    symlink("plain", top.join("link")).unwrap();
    symlink("/no/where\n", top.join("deep/dangling")).unwrap();
    mknodat(
        CWD,
        top.join("fifo"),
        FileType::Fifo,
        Mode::from_raw_mode(0o640),
        0,
    )
    .unwrap();
    for (name, mode) in [
        ("nothing", 0o4751),
        ("deep", 0o1777),
        (" ", 0o400),
        ("empty", 0o555),
    ] {
        fs::set_permissions(top.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    let long = "x".repeat(2000);
    for (name, value) in [("user.a", "1"), ("user.long", &*long), ("user.empty", "")] {
        setxattr(
            top.join("plain"),
            name,
            value.as_bytes(),
            XattrFlags::empty(),
        )
        .unwrap();
        setxattr(
            top.join("deep"),
            name,
            value.as_bytes(),
            XattrFlags::empty(),
        )
        .unwrap();
    }
    for (name, nanoseconds) in [("plain", 123_456_789), ("deep", 1), ("empty", 999_999_999)] {
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, nanoseconds);
        File::open(top.join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
}

#[test]
fn a_tree_goes_there_and_back_unchanged() {
    let site = Site::new();
    let source = site.here.join("tree");
    tree(&source);
    site.run("put", &["-r"], &["tree", "/copy"]).ok();
    assert_eq!(snapshot(&site.served.join("copy")), snapshot(&source));
    site.run("get", &["-r"], &["copy", "back"]).ok();
    assert_eq!(snapshot(&site.here.join("back")), snapshot(&source));
    // Over what is there, twice in a row.
    site.run("put", &["-r"], &["tree/.", "/copy/"]).ok();
    assert_eq!(snapshot(&site.served.join("copy")), snapshot(&source));
    site.run("get", &["-r"], &["copy/.", "back"]).ok();
    assert_eq!(snapshot(&site.here.join("back")), snapshot(&source));
}

#[test]
fn where_copies_go_is_as_with_cp() {
    let site = Site::new();
    site.have("a", "a");
    site.have("b", "b");
    site.have("tree/x", "x");
    site.run("put", &[], &["a", "new"]).ok();
    assert_eq!(site.content("new"), "a");
    site.run("put", &[], &["b", "new"]).ok();
    assert_eq!(site.content("new"), "b");
    site.run("mkdir", &[], &["dir"]).ok();
    site.run("put", &["-r"], &["a", "b", "tree", "dir"]).ok();
    assert_eq!(site.content("dir/a") + &site.content("dir/b"), "ab");
    assert_eq!(site.content("dir/tree/x"), "x");
    let err = site.run("put", &[], &["a", "b", "none"]).failed();
    assert!(err.contains("none is no directory"), "{err}");
    let err = site.run("put", &[], &["a", "no/such/dir"]).failed();
    assert!(err.contains("No such file"), "{err}");
    let err = site.run("put", &[], &["tree", "a", "/"]).failed();
    assert!(err.contains("virtfs: tree: it is a directory; -r"), "{err}");
    assert_eq!(site.content("a"), "a");

    site.run("get", &[], &["dir/a", "got"]).ok();
    site.run("get", &["-r"], &["/", "all"]).ok();
    let read = |path: &str| fs::read_to_string(site.here.join(path)).unwrap();
    assert_eq!(read("got") + &read("all/dir/tree/x"), "ax");
    let err = site.run("get", &[], &["a", "new", "none"]).failed();
    assert!(err.contains("none is no directory"), "{err}");
    let err = site
        .run("get", &["-r"], &["missing", "dir", "all"])
        .failed();
    assert!(err.contains("virtfs: missing: No such file"), "{err}");
}

#[test]
fn contents_go_through_standard_streams_and_devices() {
    let site = Site::new();
    let long = "0123456789".repeat(1 << 20);
    let mut put = site.command("put", &[]);
    put.args(["-", "piped"]).stdin(Stdio::piped());
    let mut child = put.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(long.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(site.content("piped") == long);
    assert!(site.run("get", &[], &["piped", "-"]).ok() == long);
    site.run("get", &[], &["piped", "/dev/null"]).ok();
    let null = fs::symlink_metadata("/dev/null").unwrap();
    assert!(!null.is_file());
}

#[test]
fn no_clobber_leaves_files_alone() {
    let site = Site::new();
    site.have("tree/a", "new");
    site.have("tree/b", "new");
    site.serve("tree/a", "old");
    site.run("put", &["-rn"], &["tree", "/"]).ok();
    assert_eq!(site.content("tree/a") + &site.content("tree/b"), "oldnew");
    site.have("back/a", "mine");
    site.run("get", &["-n"], &["tree/a", "back"]).ok();
    let kept = fs::read_to_string(site.here.join("back/a")).unwrap();
    assert_eq!(kept, "mine");
}

#[test]
fn a_shorter_file_replaces_a_longer_one() {
    let site = Site::new();
    site.serve("file", &"long".repeat(100_000));
    site.have("file", "short");
    site.run("put", &[], &["file", "/"]).ok();
    assert_eq!(site.content("file"), "short");
    site.have("file", &"long".repeat(100_000));
    site.run("get", &[], &["file", "."]).ok();
    let got = fs::read_to_string(site.here.join("file")).unwrap();
    assert_eq!(got, "short");
}

#[test]
fn what_cannot_be_copied_is_named_and_the_rest_goes_on() {
    let site = Site::new();
    tree(&site.here.join("tree"));
    // A directory and a file are in each other's way.
    site.serve("tree/plain/x", "");
    site.serve("tree/deep/er", "in the way");
    let err = site.run("put", &["-r"], &["tree", "/"]).failed();
    let mut lines: Vec<&str> = err.lines().collect();
    lines.sort_unstable();
    // The names that are links to the one in the way become a file of their own.
    assert_eq!(
        lines,
        [
            "virtfs: tree/deep/er: Not a directory",
            "virtfs: tree/plain: Is a directory"
        ]
    );
    assert_eq!(site.content("tree/ "), " ".repeat(1000));
}

#[test]
fn files_that_the_user_may_not_read_are_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    let open = |path: &Path| fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    for dir in [site.dir.path(), &site.served, Path::new("socket")] {
        open(&site.dir.path().join(dir));
    }
    site.have("tree/open", "open");
    site.have("tree/shut", "shut");
    let shut = site.here.join("tree/shut");
    fs::set_permissions(&shut, PermissionsExt::from_mode(0o0)).unwrap();
    // Nobody else may be able to reach the one that cargo made.
    let program = site.dir.path().join("virtfs");
    fs::copy(env!("CARGO_BIN_EXE_virtfs"), &program).unwrap();
    let mut put = Command::new(&program);
    put.args(["put", "-r", &site.address, "tree", "/"]);
    put.current_dir(&site.here).uid(65534).gid(65534);
    let err = Done::of(put.output().unwrap()).failed();
    assert_eq!(err, "virtfs: tree/shut: Permission denied\n");
    assert_eq!(site.content("tree/open"), "open");
    let owner = fs::metadata(site.served.join("tree/open")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (65534, 65534));
}

#[test]
fn long_runs_of_zeros_become_holes() {
    let site = Site::new();
    let (served, back) = (site.served.join("sparse"), site.here.join("back"));
    // Written zeros, which only the copy makes holes of; one run is too short.
    let file = File::create(&served).unwrap();
    let mut content = vec![0; 24 << 20];
    for at in [0, 70_000, 200_000, 17 << 20, (20 << 20) + 4000] {
        content[at] = 1;
    }
    file.write_all_at(&content, 0).unwrap();
    site.run("get", &[], &["sparse", "back"]).ok();
    assert!(fs::read(&back).unwrap() == content);
    let blocks = fs::metadata(&back).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks");

    // Holes go to the server as holes, the one at the end too.
    site.run("put", &[], &["back", "again"]).ok();
    assert!(fs::read(site.served.join("again")).unwrap() == content);
    let again = fs::metadata(site.served.join("again")).unwrap().blocks();
    assert!(again <= blocks, "{again} blocks of {blocks}");
    // And come back with no more blocks than they had, short ones too.
    let holes = File::create(site.served.join("holes")).unwrap();
    for at in 0..64 {
        holes.write_all_at(b"data", at * (32 << 10)).unwrap();
    }
    holes.set_len(3 << 20).unwrap();
    site.run("get", &[], &["holes", "."]).ok();
    let [had, has] = [&site.served, &site.here].map(|dir| {
        let meta = fs::metadata(dir.join("holes")).unwrap();
        assert_eq!(meta.len(), 3 << 20);
        meta.blocks()
    });
    assert!(has <= had, "{has} blocks of {had}");
}

#[test]
fn a_file_copied_onto_itself_survives() {
    let site = Site::new();
    site.serve("file", "precious");
    let file = site.served.join("file");
    let before = fs::metadata(&file).unwrap();
    for (command, from, to) in [
        ("put", file.as_os_str(), OsStr::new("file")),
        ("get", OsStr::new("file"), file.as_os_str()),
    ] {
        let err = site.run(command, &[], &[from, to]).failed();
        assert!(err.contains("are the same file"), "{err}");
        assert_eq!(site.content("file"), "precious");
    }
    let after = fs::metadata(&file).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    let err = site
        .run("put", &["-r"], &[site.served.as_os_str(), OsStr::new("/.")])
        .failed();
    assert!(err.contains("served"), "{err}");
}

#[test]
fn a_tree_copied_into_itself_ends() {
    let site = Site::new();
    site.serve("tree/file", "x");
    let tree = site.served.join("tree");
    let into = [tree.as_os_str(), OsStr::new("tree/copy")];
    let err = site.run("put", &["-r"], &into).failed();
    assert!(
        err.contains("the copy is inside of what is copied"),
        "{err}"
    );
    assert_eq!(site.content("tree/copy/file"), "x");
    let copy = site.served.join("tree/other");
    let err = site
        .run("get", &["-r"], &[OsStr::new("tree"), copy.as_os_str()])
        .failed();
    assert!(
        err.contains("the copy is inside of what is copied"),
        "{err}"
    );
    assert_eq!(site.content("tree/other/file"), "x");
}

#[test]
fn links_in_the_destination_are_replaced_not_followed() {
    let site = Site::new();
    site.have("tree/a", "new");
    site.serve("tree/x", "");
    let outside = site.dir.path().join("outside");
    fs::write(&outside, "kept").unwrap();
    symlink(&outside, site.served.join("tree/a")).unwrap();
    site.run("put", &["-r"], &["tree", "/"]).ok();
    assert_eq!(site.content("tree/a"), "new");
    fs::remove_file(site.here.join("tree/a")).unwrap();
    symlink(&outside, site.here.join("tree/a")).unwrap();
    site.run("get", &["-r"], &["tree", "."]).ok();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    let copied = fs::symlink_metadata(site.here.join("tree/a")).unwrap();
    assert!(copied.is_file());
}

#[test]
fn sockets_are_passed_over() {
    let site = Site::new();
    site.have("tree/file", "");
    let _socket = std::os::unix::net::UnixListener::bind(site.here.join("tree/socket")).unwrap();
    let done: Done = site.run("put", &["-r"], &["tree", "/"]);
    assert_eq!(done.code, Some(0));
    assert!(
        done.err.contains("tree/socket: a socket is not copied"),
        "{}",
        done.err
    );
}

#[test]
fn owners_are_kept_by_root_alone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::new();
    site.have("file", "");
    let file = site.here.join("file");
    std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o6755)).unwrap();
    site.run("put", &[], &["file", "kept"]).ok();
    let done = site.run("put", &["--no-owner"], &["file", "mine"]);
    assert!(
        done.err.contains("setuid and setgid are left out"),
        "{}",
        done.err
    );
    let owner = |path: &Path| {
        let meta = fs::metadata(path).unwrap();
        (meta.uid(), meta.gid(), mode(path))
    };
    assert_eq!(owner(&site.served.join("kept")), (1234, 4321, 0o6755));
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    assert_eq!(owner(&site.served.join("mine")), (own.0, own.1, 0o755));
    site.run("get", &[], &["kept", "back"]).ok();
    assert_eq!(owner(&site.here.join("back")), (1234, 4321, 0o6755));
}

#[test]
fn many_files_and_large_ones_arrive_whole() {
    let site = Site::new();
    for dir in 0..10 {
        for file in 0..200 {
            site.have(&format!("tree/{dir}/{file}"), &format!("{dir}/{file}"));
        }
    }
    let bytes: Vec<u8> = (0..50_000_000u32).map(|at| (at / 7) as u8 | 1).collect();
    fs::write(site.here.join("tree/large"), bytes).unwrap();
    site.run("put", &["-r"], &["tree", "/"]).ok();
    site.run("get", &["-r", "--msize", "64K"], &["tree", "back"])
        .ok();
    let source = snapshot(&site.here.join("tree"));
    assert_eq!(source.len(), 2012);
    assert!(snapshot(&site.served.join("tree")) == source);
    assert!(snapshot(&site.here.join("back")) == source);
}
