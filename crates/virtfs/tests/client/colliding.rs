//! Copies and moves that meet: each other, what is there, a source that changes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::sync::{Mutex, Once};

use virtfs_server::FdStream;
use virtfs_tests::{Hooked, Served};
use virtfs_vfs::memory::MemoryFs;

use crate::running::unix;
use crate::site::{Done, Site, virtfs};

#[test]
fn two_sources_of_one_name_do_not_replace_each_other() {
    let site = Site::new();
    for dir in ["a", "b"] {
        site.have(&format!("{dir}/x"), dir);
        site.serve(&format!("{dir}/x"), dir);
    }
    site.run("mkdir", &[], &["dir"]).ok();
    fs::create_dir(site.here.join("dir")).unwrap();
    for command in ["put", "get", "mv"] {
        let err = site.run(command, &[], &["a/x", "b/x", "dir"]).failed();
        assert!(err.contains("virtfs: b/x: another of the sources"), "{err}");
    }
    assert_eq!(site.content("dir/x") + &site.content("b/x"), "ab");
    let got = fs::read_to_string(site.here.join("dir/x")).unwrap();
    assert_eq!(got, "a");
}

#[test]
fn trees_merged_into_one_are_whole() {
    let site = Site::new();
    let large = |byte: &str| byte.repeat(1 << 20);
    for dir in ["a", "b"] {
        for file in 0..8 {
            site.have(&format!("{dir}/{file}"), &large(dir));
        }
    }
    site.run("put", &["-r"], &["a/.", "b/.", "/"]).ok();
    for file in 0..8 {
        assert!(site.content(&file.to_string()) == large("b"), "{file}");
    }
}

/// `put FLAGS ADDRESS - TO` of some text.
fn put_text(site: &Site, flags: &[&str], to: &str) -> Done {
    let mut put = site.command("put", flags);
    put.args(["-", to]).stdin(Stdio::piped());
    put.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = put.spawn().unwrap();
    // It may have refused before it read anything.
    let _ = child.stdin.take().unwrap().write_all(b"new");
    Done::of(child.wait_with_output().unwrap())
}

#[test]
fn standard_input_goes_where_a_file_would() {
    let site = Site::new();
    site.serve("file", "old");
    site.serve("dir/file", "");
    symlink("file", site.served.join("link")).unwrap();
    put_text(&site, &["-n"], "file").ok();
    assert_eq!(site.content("file"), "old");
    for dir in ["dir", "/"] {
        let err = put_text(&site, &[], dir).failed();
        assert!(err.contains("needs a name here"), "{err}");
    }
    put_text(&site, &[], "link").ok();
    assert_eq!(site.content("link") + &site.content("file"), "newold");
    put_text(&site, &[], "file").ok();
    assert_eq!(site.content("file"), "new");
}

#[test]
fn a_file_does_not_get_the_name_of_a_directory() {
    let site = Site::new();
    site.have("file", "");
    site.have("tree/file", "");
    let err = site.run("put", &[], &["file", "new/"]).failed();
    assert!(err.contains("new/: there is no such directory"), "{err}");
    site.run("put", &["-r"], &["tree", "new/"]).ok();
    let err = site.run("get", &[], &["new/file", "other/"]).failed();
    assert!(err.contains("other/: there is no such directory"), "{err}");
    site.run("get", &["-r"], &["new", "other/"]).ok();
    assert!(site.here.join("other/file").exists());
}

#[test]
fn a_file_that_shrinks_while_it_is_put_does_not_end_in_zeros() {
    const SIZE: usize = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, vec![1; SIZE]).unwrap();
    let shrink = (
        Once::new(),
        File::options().write(true).open(&path).unwrap(),
    );
    let served = Served::fs(Hooked::new(MemoryFs::new(), move |method, _| {
        if method == "write" {
            shrink.0.call_once(|| shrink.1.set_len(0).unwrap());
        }
        Ok(())
    }));
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            served
                .server
                .serve(FdStream::socket(stream.unwrap()))
                .unwrap();
        }
        served
    });
    let address = format!("unix:{}", socket.display());
    let mut put = virtfs("put");
    put.arg(&address).arg(&path).arg("/");
    Done::of(put.output().unwrap()).ok();
    let mut get = virtfs("get");
    get.args([&address, "file", "-"]);
    let got = get.output().unwrap();
    drop(server.join().unwrap());
    assert!(
        got.status.success() && got.stdout.len() < SIZE,
        "{}",
        got.stdout.len()
    );
}

#[test]
fn a_copy_gets_its_owner_before_its_attributes() {
    // A change of the owner takes capabilities away, which are attributes.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "text").unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&path, "user.a", b"1", flags).unwrap();
    let (called, calls) = channel();
    let called = Mutex::new(called);
    let served = Served::fs(Hooked::new(MemoryFs::new(), move |method, _| {
        // The last calls may come when nobody listens any more.
        let _ = called.lock().unwrap().send(method);
        Ok(())
    }));
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        served.server.serve(FdStream::socket(stream)).unwrap();
        served
    });
    let mut put = virtfs("put");
    put.args(["--uid", "0"])
        .arg(unix(&socket))
        .arg(&path)
        .arg("/");
    Done::of(put.output().unwrap()).ok();
    drop(server.join().unwrap());
    let calls: Vec<_> = calls.try_iter().collect();
    let first = |method| calls.iter().position(|call| *call == method).unwrap();
    assert!(first("set") < first("xattr_put"), "{calls:?}");
}

#[test]
fn a_copy_lets_in_nobody_whom_the_directory_would() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.serve("tree/file", "");
    let file = site.served.join("tree/file");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    // u::rwx, u:7:rwx, g::r-x, m::rwx, o::r-x: tag, permissions, number.
    let entries = [
        (1, 7, u32::MAX),
        (2, 7, 7),
        (4, 5, u32::MAX),
        (16, 7, u32::MAX),
        (32, 5, u32::MAX),
    ];
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, may, id) in entries {
        acl.extend(u16::to_le_bytes(tag));
        acl.extend(u16::to_le_bytes(may));
        acl.extend(u32::to_le_bytes(id));
    }
    let flags = rustix::fs::XattrFlags::empty();
    let name = "system.posix_acl_default";
    if rustix::fs::setxattr(&site.here, name, &acl, flags).is_err() {
        return;
    }
    site.run("get", &["-r"], &["tree", "."]).ok();
    for path in ["tree", "tree/file"] {
        let name = "system.posix_acl_access";
        let has = rustix::fs::getxattr(site.here.join(path), name, &mut [0; 64][..]);
        assert_eq!(has, Err(rustix::io::Errno::NODATA), "{path}");
    }
    assert_eq!(crate::site::mode(&site.here.join("tree/file")), 0o640);
}

#[test]
fn contents_go_to_a_pipe_by_its_name() {
    let site = Site::new();
    site.serve("file", "text");
    assert_eq!(site.run("get", &[], &["file", "/dev/stdout"]).ok(), "text");
}

#[test]
fn mv_says_what_is_wrong_with_a_directory_moved_into_itself() {
    let site = Site::new();
    site.serve("a/b/file", "kept");
    let err = site.run("mv", &[], &["a", "a/b"]).failed();
    assert!(
        err.contains("virtfs: a: it cannot be moved into itself"),
        "{err}"
    );
    assert_eq!(site.content("a/b/file"), "kept");
}

#[test]
fn numbers_leave_setgid_of_directories_alone_unless_they_name_it() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.serve("dir/file", "");
    let dir = site.served.join("dir");
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o2770)).unwrap();
    for (change, mode) in [
        ("755", 0o2755),
        ("00755", 0o755),
        ("6755", 0o6755),
        ("1700", 0o7700),
    ] {
        site.run("chmod", &[], &[change, "dir"]).ok();
        assert_eq!(crate::site::mode(&dir), mode, "{change}");
    }
}
