//! `ls`, `cat`, `stat`, `df`.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Stdio;

use crate::site::Site;

const NOTHING: &[&str] = &[];

#[test]
fn ls_sorts_names_and_hides_dot_files() {
    let site = Site::new();
    for name in ["b", "a", ".hidden", "c/inner"] {
        site.serve(name, "");
    }
    assert_eq!(site.run("ls", &[], NOTHING).ok(), "a\nb\nc\n");
    let all = site.run("ls", &["-a"], &["/"]).ok();
    assert_eq!(all, ".\n..\n.hidden\na\nb\nc\n");
    assert_eq!(site.run("ls", &["-d"], &["c", "a"]).ok(), "a\nc\n");
    assert_eq!(
        site.run("ls", &[], &["c", "a", "b/../c"]).failed(),
        "virtfs: b/../c: Not a directory\n"
    );
    assert_eq!(
        site.run("ls", &["-R"], NOTHING).ok(),
        "/:\na\nb\nc\n\n/c:\ninner\n"
    );
}

#[test]
fn ls_long_tells_what_a_listing_tells() {
    let site = Site::new();
    site.serve("file", "12345");
    let file = site.served.join("file");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let opened = fs::File::options().write(true).open(&file).unwrap();
    opened.set_modified(time).unwrap();
    symlink("to where", site.served.join("link")).unwrap();
    let meta = fs::metadata(&file).unwrap();
    let listing = site.run("ls", &["-l"], NOTHING).ok();
    let mut lines = listing.lines();
    let owner = format!("{} {}", meta.uid(), meta.gid());
    assert_eq!(
        lines.next().unwrap(),
        format!("-rw-r----- 1 {owner} 5 2001-09-09 01:46:40 file")
    );
    let link = lines.next().unwrap();
    assert!(link.starts_with("lrwxrwxrwx 1 "), "{link}");
    assert!(link.ends_with(" link -> to where"), "{link}");
}

#[test]
fn names_come_as_they_are_through_a_pipe() {
    let site = Site::new();
    let odd = OsStr::from_bytes(b"a\x1b[2J\xff\n");
    fs::write(site.served.join(odd), "odd").unwrap();
    let done = site.run("ls", &[], NOTHING);
    assert_eq!((done.code, &*done.out), (Some(0), &b"a\x1b[2J\xff\n\n"[..]));
    let done = site.run("cat", &[], &[odd]);
    assert_eq!((done.code, &*done.out), (Some(0), &b"odd"[..]));
}

#[test]
fn a_large_directory_is_listed_whole() {
    let site = Site::new();
    for number in 0..6_000 {
        fs::File::create(site.served.join(format!("{number:06}"))).unwrap();
    }
    let listing = site.run("ls", &["-l"], NOTHING).ok();
    assert_eq!(listing.lines().count(), 6_000);
    assert!(listing.ends_with(" 005999\n"));
}

#[test]
fn cat_writes_files_one_after_the_other_and_names_those_it_cannot() {
    let site = Site::new();
    site.serve("a", "first ");
    site.serve("d/b", "second");
    let done = site.run("cat", &[], &["a", "missing", "d/b", "d"]);
    assert_eq!(done.out, b"first second");
    let err = done.failed();
    assert!(err.contains("virtfs: missing: No such file"), "{err}");
    assert!(err.contains("virtfs: d: Is a directory"), "{err}");
}

#[test]
fn cat_ends_quietly_when_nobody_reads_on() {
    let site = Site::new();
    fs::write(site.served.join("long"), vec![7; 40 << 20]).unwrap();
    let mut command = site.command("cat", &[]);
    command.arg("long").stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn stat_tells_all_that_the_server_does() {
    let site = Site::new();
    site.serve("file", "12345");
    let meta = fs::metadata(site.served.join("file")).unwrap();
    let told = site.run("stat", &["--utc"], &["file"]).ok();
    let inode = format!("path 0x{:x}\n", meta.ino());
    for part in [
        "  File: file\n",
        "  Size: 5 ",
        "regular file",
        "Qid: type 0x00, version 0x",
        &inode,
        "Links: 1\n",
        &format!("/-rw-r--r--)  Uid: {}  Gid: {}\n", meta.uid(), meta.gid()),
        &format!(".{:09} +0000\n", meta.mtime_nsec()),
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    assert!(site.run("stat", &[], NOTHING).ok().contains(" directory\n"));
}

#[test]
fn df_tells_the_sizes_of_the_file_system() {
    let site = Site::new();
    let told = site.run("df", &[], NOTHING).ok();
    let mut lines = told.lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["1K-blocks", "Used", "Available", "Use%", "Path"]);
    let statfs = rustix::fs::statvfs(&site.served).unwrap();
    let row: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    let blocks: u64 = row[0].parse().unwrap();
    // The server counts in larger blocks.
    let lost = (statfs.f_blocks * statfs.f_frsize / 1024).checked_sub(blocks);
    assert!(lost.is_some_and(|lost| lost < 1024), "{lost:?}");
    assert_eq!(row[4], "/");
    assert!(site.run("df", &["-h"], NOTHING).ok().starts_with("Size"));
}
