//! Signals, and servers that go away, in the middle of a copy.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::mpsc::channel;

use rustix::process::Signal;
use virtfs_server::FdStream;
use virtfs_tests::{Hooked, Served};
use virtfs_vfs::Errno;
use virtfs_vfs::memory::MemoryFs;

use crate::running::Running;
use crate::site::virtfs;

/// A `put` to a server that never answers a write; returns when that waits, and what
/// hangs up.
fn stuck() -> (tempfile::TempDir, Running, impl FnOnce()) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let (reached, wait) = channel();
    let reached = std::sync::Mutex::new(reached);
    let hook = move |method: &'static str, cx: &virtfs_vfs::Cx<'_>| {
        if method == "write" {
            // Nobody waits for the second one.
            let _ = reached.lock().unwrap().send(());
            while !cx.interrupted() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            return Err(Errno::EINTR);
        }
        Ok(())
    };
    let served = Served::fs(Hooked::new(MemoryFs::new(), hook));
    fs::write(dir.path().join("file"), "content").unwrap();
    let mut put = virtfs("put");
    put.arg(format!("unix:{}", socket.display()));
    put.arg(dir.path().join("file"))
        .arg("/")
        .stdout(Stdio::null());
    let running = Running::start(&mut put);
    let (stream, _) = listener.accept().unwrap();
    let session = served.server.serve(FdStream::socket(stream)).unwrap();
    wait.recv().unwrap();
    (dir, running, move || {
        session.abort();
        served.server.shut_down(std::time::Duration::from_secs(20));
    })
}

#[test]
fn a_signal_ends_a_copy_at_once_and_tells_what_is_missing() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (_dir, running, hang_up) = stuck();
        running.signal(signal);
        let (code, err) = running.failure();
        assert_eq!(code, Some(status), "{err}");
        assert!(
            err.contains("interrupted: 0 files were copied, 1 or more were not"),
            "{err}"
        );
        hang_up();
    }
}

#[test]
fn a_server_that_goes_away_ends_a_copy() {
    let (_dir, running, hang_up) = stuck();
    hang_up();
    let (code, err) = running.failure();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("the connection is lost"), "{err}");
}
