//! `fd:N` and `stdio`.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use virtfs_tests::Raw;

use crate::running::{Running, serve, tcp_client, unix, unix_client};

/// Serves a directory with this descriptor as number 3.
pub(crate) fn on_fd_3(dir: &Path, fd: OwnedFd, flags: [&str; 2]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$0" "$@" 3<&0 0</dev/null"#]);
    shell.arg(env!("CARGO_BIN_EXE_virtfs"));
    shell.arg("serve").args(flags).arg("--shared-dir").arg(dir);
    shell.stdin(fd);
    shell
}

fn with_fd_3(dir: &Path, fd: OwnedFd) -> Command {
    on_fd_3(dir, fd, ["--listen", "fd:3"])
}

#[test]
fn a_listening_unix_socket_is_served_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let listener = UnixListener::bind(&path).unwrap();
    let mut server = Running::start(&mut with_fd_3(dir.path(), listener.into()));
    assert_eq!(
        server.line("listening on "),
        format!("fd:3 ({})", unix(&path))
    );
    unix_client(&path);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(path.exists(), "it belongs to another program");
}

#[test]
fn a_listening_tcp_socket_is_served_if_only_this_host_reaches_it() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Running::start(&mut with_fd_3(dir.path(), listener.into()));
    server.line("listening on fd:3");
    tcp_client(port);

    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let (status, text) = Running::start(&mut with_fd_3(dir.path(), open.into())).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("--unauthenticated-tcp"), "{text}");
}

#[test]
fn a_connected_socket_is_served_until_its_client_hangs_up() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut server = Running::start(&mut with_fd_3(dir.path(), theirs.into()));
    server.line("serving one session on fd:3");
    let mut client = Raw::socket(ours);
    client.start();
    client.attach(1, "").unwrap();
    drop(client);
    assert_eq!(server.end().code(), Some(0));
    assert!(server.stdout().contains("trans=fd,rfdno=N,wfdno=N"));
}

#[test]
fn what_is_no_socket_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let (status, text) = Running::start(&mut with_fd_3(dir.path(), file.into())).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("not a stream socket"), "{text}");

    let mut missing = serve(dir.path());
    let (status, text) = Running::start(missing.args(["--listen", "fd:77"])).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("does not pass on"), "{text}");
}

fn over_stdio(dir: &Path) -> (Running, Raw) {
    let mut command = serve(dir);
    command
        .args(["--listen", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut server = Running::start_with_own_stdout(&mut command);
    let output = server.child.stdin.take().unwrap();
    let input = server.child.stdout.take().unwrap();
    (server, Raw::pair(input, output))
}

#[test]
fn standard_input_and_output_carry_a_session_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, mut client) = over_stdio(dir.path());
    server.line("trans=fd");
    client.start();
    client.attach(1, "").unwrap();
    client.mkdir(1, "made", 0o755).unwrap();
    assert!(dir.path().join("made").is_dir());
    drop(client);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn a_session_on_standard_input_and_output_ends_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut server, mut client) = over_stdio(dir.path());
    client.start();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(client.ends());
}
