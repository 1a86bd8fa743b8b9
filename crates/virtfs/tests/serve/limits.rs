//! What happens when there is no room for more.

use std::os::unix::net::UnixStream;

use virtfs_tests::Raw;
use virtfs_tests::errno::EMFILE;

use crate::running::{Running, serve, unix, unix_client};

/// The fewest descriptors that may be asked for: 16 sessions, of which one user has 15, and some 40
/// nodes.
const FEW: [&str; 2] = ["--rlimit-nofile", "256"];

#[test]
fn a_client_too_many_is_turned_away_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::start(serve(dir.path()).args(FEW).args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mut clients: Vec<_> = (0..15).map(|_| unix_client(&path)).collect();
    for _ in 0..50 {
        let mut one_more = Raw::socket(UnixStream::connect(&path).unwrap());
        assert!(one_more.ends());
    }
    server.line("a connection was refused");
    for (number, client) in clients.iter_mut().enumerate() {
        client.mkdir(1, &number.to_string(), 0o755).unwrap();
    }
}

#[test]
fn open_directories_run_out_before_descriptors_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::start(serve(dir.path()).args(FEW).args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mut client = unix_client(&path);
    let refused = (2..300).find_map(|fid| {
        client.walk(1, fid, &[]).unwrap();
        client.lopen(fid, 0).err()
    });
    assert_eq!(refused, Some(EMFILE));
    client.mkdir(1, "made", 0o755).unwrap();
    // Others have a share of their own, of files and of directories.
    let mut other = unix_client(&path);
    other.walk(1, 2, &["made"]).unwrap();
    other.lopen(2, 0).unwrap();
    other.walk(1, 3, &[]).unwrap();
    other.lcreate(3, "file", 0o2, 0o644).unwrap();
    other.write(3, 0, b"content").unwrap();
}

#[test]
fn many_more_files_than_descriptors_can_be_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::start(serve(dir.path()).args(FEW).args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mut client = unix_client(&path);
    let files = 100..1500_u32;
    for fid in files.clone() {
        client.walk(1, fid, &[]).unwrap();
        client.lcreate(fid, &fid.to_string(), 0o2, 0o644).unwrap();
    }
    for fid in files.clone() {
        client.write(fid, 0, fid.to_string().as_bytes()).unwrap();
    }
    for fid in files {
        assert_eq!(client.read(fid, 0, 16).unwrap(), fid.to_string().as_bytes());
        client.unlinkat(1, &fid.to_string(), 0).unwrap();
        assert_eq!(client.read(fid, 0, 16).unwrap(), fid.to_string().as_bytes());
        client.clunk(fid).unwrap();
    }
}

#[test]
fn many_more_files_than_descriptors_can_be_known_and_opened() {
    const FILES: u32 = 600;
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for number in 0..FILES {
        let name = number.to_string();
        std::fs::write(files.join(&name), name).unwrap();
    }
    let path = dir.path().join("9p");
    let server = Running::start(serve(dir.path()).args(FEW).args(["--listen", &unix(&path)]));
    server.line("listening on ");
    let mut client = unix_client(&path);
    for number in 0..FILES {
        client
            .walk(1, 100 + number, &["files", &number.to_string()])
            .unwrap();
    }
    std::fs::rename(&files, dir.path().join("renamed")).unwrap();
    for number in 0..FILES {
        client.lopen(100 + number, 0).unwrap();
        let content = client.read(100 + number, 0, 16).unwrap();
        assert_eq!(content, number.to_string().as_bytes());
        client.clunk(100 + number).unwrap();
    }
}
