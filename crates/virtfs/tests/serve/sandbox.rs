//! Privileges dropped, the export not left, and all work done inside it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::process::Pid;
use virtfs_tests::Raw;
use virtfs_tests::errno::{ENOENT, ESTALE};

use crate::ordinary::Ordinary;
use crate::running::{Running, serve, unix, unix_client};

/// CAP_CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID and MKNOD.
const KEPT: u64 = 0x800_001f;

const O_RDWR: u32 = 0o2;

/// Every kind of change and every kind of open that a client has.
fn work(client: &mut Raw, dir: &Path) {
    client.mkdir(1, "a", 0o755).unwrap();
    client.mkdir(1, "b", 0o755).unwrap();
    client.walk(1, 2, &["a"]).unwrap();
    client.walk(1, 3, &["b"]).unwrap();

    client.walk(2, 4, &[]).unwrap();
    client.lcreate(4, "file", O_RDWR, 0o640).unwrap();
    assert_eq!(client.write(4, 0, b"hello"), Ok(5));
    client.clunk(4).unwrap();
    client.walk(2, 4, &["file"]).unwrap();
    client.lopen(4, O_RDWR).unwrap();
    assert_eq!(client.read(4, 0, 16).unwrap(), b"hello");

    // To another directory: Landlock's most particular right.
    client.renameat((2, "file"), (3, "moved")).unwrap();
    client.walk(3, 5, &["moved"]).unwrap();
    client.link(2, 5, "linked").unwrap();
    client.symlink(2, "symlink", "linked").unwrap();
    client.mknod(2, "fifo", 0o010_644).unwrap();
    assert!(
        dir.join("a/fifo")
            .symlink_metadata()
            .unwrap()
            .file_type()
            .is_fifo()
    );
    client.walk(2, 6, &["fifo"]).unwrap();
    assert!(client.lopen(6, O_RDWR).is_err(), "a FIFO is never opened");

    client.walk(1, 7, &[]).unwrap();
    client.lopen(7, 0).unwrap();
    assert!(client.readdir_all(7, 4096).unwrap().len() >= 4);

    // A fid keeps its file when the name is gone, and can still open it.
    client.walk(5, 8, &[]).unwrap();
    client.unlinkat(3, "moved", 0).unwrap();
    client.unlinkat(2, "linked", 0).unwrap();
    client.lopen(8, O_RDWR).unwrap();
    assert_eq!(client.read(8, 0, 16).unwrap(), b"hello");
    client.unlinkat(1, "b", 0x200).unwrap();
    assert!(!dir.join("b").exists());
}

pub(crate) fn status_of_every_thread(process: Pid) -> Vec<String> {
    let tasks = format!("/proc/{process}/task");
    let tasks = std::fs::read_dir(tasks)
        .unwrap()
        .map(|task| task.unwrap().path());
    // A thread may end in between.
    tasks
        .filter_map(|task| std::fs::read_to_string(task.join("status")).ok())
        .collect()
}

fn field<'s>(status: &'s str, name: &str) -> &'s str {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_once(':').unwrap().1.trim()
}

#[test]
fn a_client_works_in_the_export_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("9p");
    let server = Running::start(serve(dir.path()).args(["--listen", &unix(&path)]));
    println!("sandbox{}", server.line("sandbox"));
    server.line("listening on ");
    work(&mut unix_client(&path), dir.path());
}

#[test]
fn a_client_works_in_the_export_without_a_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("9p");
    let mut command = serve(dir.path());
    command.args(["--sandbox", "none", "--listen", &unix(&path)]);
    let server = Running::start(&mut command);
    server.line("--sandbox none");
    server.line("listening on ");
    work(&mut unix_client(&path), dir.path());
}

#[test]
fn every_thread_has_only_the_privileges_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::listening(dir.path(), unix(&path));
    let mut client = unix_client(&path);
    client.mkdir(1, "made", 0o755).unwrap();
    let threads = status_of_every_thread(server.worker());
    assert!(threads.len() >= 3, "main, accept and session");
    threads
        .iter()
        .for_each(|status| has_only_what_it_needs(status));
}

pub(crate) fn has_only_what_it_needs(status: &str) {
    assert_eq!(field(status, "NoNewPrivs"), "1", "{status}");
    let set = |name| u64::from_str_radix(field(status, name), 16).unwrap();
    assert_eq!(set("CapEff") & !KEPT, 0, "{status}");
    assert_eq!(set("CapPrm") & !KEPT, 0, "{status}");
    assert_eq!((set("CapInh"), set("CapAmb")), (0, 0), "{status}");
    if rustix::process::geteuid().is_root() {
        assert_eq!(set("CapBnd"), 0, "{status}");
    }
}

#[test]
fn nothing_is_changed_in_a_directory_that_left_the_export() {
    for sandbox in ["auto", "none"] {
        let above = tempfile::tempdir().unwrap();
        let export = above.path().join("export");
        std::fs::create_dir_all(export.join("inner/below")).unwrap();
        let path = above.path().join("9p");
        let mut command = serve(&export);
        command.args(["--sandbox", sandbox, "--listen", &unix(&path)]);
        let server = Running::start(&mut command);
        server.line("listening on ");
        let mut client = unix_client(&path);
        client.walk(1, 2, &["inner"]).unwrap();
        client.mkdir(2, "before", 0o755).unwrap();
        std::fs::rename(export.join("inner"), above.path().join("outside")).unwrap();
        let refused = client.mkdir(2, "after", 0o755).unwrap_err();
        assert!(
            [ENOENT, ESTALE].contains(&refused),
            "--sandbox {sandbox}: errno {refused}"
        );
        assert!(!above.path().join("outside/after").exists());
    }
}

#[test]
fn another_user_serves_a_directory_of_their_own() {
    let place = Ordinary::new();
    let server = Running::start(&mut place.serve());
    assert!(server.line("security model ").starts_with("none"));
    server.line("listening on ");
    for status in status_of_every_thread(server.worker()) {
        assert_eq!(field(&status, "NoNewPrivs"), "1");
    }
    let mut client = unix_client(&place.socket);
    work(&mut client, &place.served);
    let made = place.served.join("a").metadata().unwrap();
    assert_eq!(made.uid(), place.user);
}

#[test]
fn an_export_that_is_read_only_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "hello").unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("9p");
    let server = Running::start(serve(dir.path()).args(["--readonly", "--listen", &unix(&path)]));
    server.line("listening on ");
    let mut client = unix_client(&path);
    client.walk(1, 2, &["file"]).unwrap();
    client.lopen(2, 0).unwrap();
    assert_eq!(client.read(2, 0, 16).unwrap(), b"hello");
    assert_eq!(
        client.unlinkat(1, "file", 0),
        Err(virtfs_tests::errno::EROFS)
    );
}
