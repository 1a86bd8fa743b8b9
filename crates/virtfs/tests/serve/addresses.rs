//! Unix sockets and TCP.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use crate::running::{Running, serve, tcp_client, unix, unix_client};

#[test]
fn a_stale_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    // Bound and never listened at: what is left when a program was killed looks the same, but a
    // child of another test could keep a listener alive for a moment.
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    drop(socket);
    let _server = Running::listening(dir.path(), unix(&path));
    unix_client(&path);
}

#[test]
fn the_socket_of_a_server_that_was_killed_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut killed = Running::listening(dir.path(), unix(&path));
    killed.child.kill().unwrap();
    killed.end();
    let _server = Running::listening(dir.path(), unix(&path));
    unix_client(&path);
}

#[test]
fn a_live_socket_is_an_error_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let _first = Running::listening(dir.path(), unix(&path));
    let second = Running::start(serve(dir.path()).args(["--listen", &unix(&path)]));
    let (status, text) = second.failure();
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("a program listens there already"), "{text}");
    unix_client(&path);
}

#[test]
fn a_socket_of_another_type_is_an_error_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let _other = UnixDatagram::bind(&path).unwrap();
    let server = Running::start(serve(dir.path()).args(["--listen", &unix(&path)]));
    assert_eq!(server.failure().0, Some(1));
    assert!(path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_an_error_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    std::fs::write(&path, "precious").unwrap();
    let server = Running::start(serve(dir.path()).args(["--listen", &unix(&path)]));
    let (status, text) = server.failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("not a socket"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_socket_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let _server = Running::listening(dir.path(), unix(&path));
    let metadata = path.symlink_metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_failed_start_removes_the_sockets_that_it_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let listen = ["--listen", &unix(&path), "--listen", "unix:/nowhere/9p"];
    let (status, text) = Running::start(serve(dir.path()).args(listen)).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("no directory /nowhere"), "{text}");
    assert!(!path.exists());
}

#[test]
fn tcp_beyond_this_host_takes_a_flag() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path());
    command.args(["--listen", "tcp:0.0.0.0:0"]);
    let (status, text) = Running::start(&mut command).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("--unauthenticated-tcp"), "{text}");

    let server = Running::start(command.arg("--unauthenticated-tcp"));
    tcp_client(server.port());
}

#[test]
fn a_port_in_use_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let first = Running::start(serve(dir.path()).args(["--listen", "tcp:127.0.0.1:0"]));
    let address = format!("tcp:127.0.0.1:{}", first.port());
    let (status, text) = Running::start(serve(dir.path()).args(["--listen", &address])).failure();
    assert_eq!(status, Some(1));
    assert!(text.contains("another program listens there"), "{text}");
}

#[test]
fn several_addresses_serve_the_same_directory() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let path = sockets.path().join("9p");
    let listen = ["--listen", &unix(&path), "--listen", "tcp:localhost:0"];
    let server = Running::start(serve(dir.path()).args(listen));
    assert_eq!(server.line("listening on "), unix(&path));
    let mut second = tcp_client(server.port());
    unix_client(&path).mkdir(1, "made", 0o755).unwrap();
    second.walk(1, 2, &["made"]).unwrap();
}

#[test]
fn exports_are_chosen_by_name() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(second.path().join("only-here"), "").unwrap();
    let export = format!("other={},ro", second.path().display());
    let socket = first.path().join("9p");
    let mut command = serve(first.path());
    command.args(["--export", &export, "--listen", &unix(&socket)]);
    let server = Running::start(&mut command);
    server.line("listening on ");
    let mut client = unix_client(&socket);
    client.attach(2, "other").unwrap();
    client.walk(2, 3, &["only-here"]).unwrap();
    assert!(client.walk(1, 4, &["only-here"]).is_err());
    assert_eq!(client.mkdir(2, "x", 0o755), Err(virtfs_tests::errno::EROFS));
    client.mkdir(1, "x", 0o755).unwrap();
    client.attach(5, first.path().to_str().unwrap()).unwrap();
    assert!(client.attach(6, "unknown").is_err());
}
