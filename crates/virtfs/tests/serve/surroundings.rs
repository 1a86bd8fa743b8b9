//! What its starter left it: streams, signals and limits that are not as usual.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use virtfs_tests::{PATIENCE, Raw};

use crate::running::{Running, serve, unix, unix_client};

const EFBIG: u32 = 27;

/// The same command, started by a shell that does something before.
fn after(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.stdin(Stdio::null());
    shell
}

/// When nothing can be read of when it listens.
fn connects(path: &Path) -> Raw {
    let until = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Raw::socket(stream),
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_log_that_cannot_be_written_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command
        .args(["--listen", &unix(&path)])
        .stdout(Stdio::null());
    command.stderr(File::options().write(true).open("/dev/full").unwrap());
    let mut server = command.spawn().unwrap();
    let mut client = connects(&path);
    // Its msize is told, or would be.
    client.version(8192, "9P2000.L").unwrap();
    client.attach(1, "").unwrap();
    kill_process(rustix::process::Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(client.ends());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_write_beyond_the_limit_of_file_sizes_is_an_error_of_that_client() {
    for sandbox in ["auto", "landlock", "none"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("9p");
        let mut command = serve(dir.path());
        command.args(["--sandbox", sandbox, "--listen", &unix(&path)]);
        let server = Running::start(&mut after("ulimit -f 8", &command));
        server.line("listening on ");
        let mut client = unix_client(&path);
        client.walk(1, 2, &[]).unwrap();
        client.lcreate(2, "file", 0o2, 0o644).unwrap();
        assert_eq!(client.write(2, 1 << 20, b"far"), Err(EFBIG), "{sandbox}");
        client.write(2, 0, b"near").unwrap();
    }
}

#[test]
fn a_starter_that_ignores_the_end_of_processes_takes_no_protection_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command.args(["--sandbox", "namespace", "--listen", &unix(&path)]);
    let mut server = Running::start(&mut after("trap '' CHLD", &command));
    server.line("listening on ");
    unix_client(&path);
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn a_closed_terminal_ends_it_in_order_unless_it_was_started_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command.args(["--listen", &unix(&path)]);
    // The tests themselves may have been started by nohup.
    let mut usual = Command::new("env");
    usual.arg("--default-signal=HUP").arg(command.get_program());
    usual.args(command.get_args()).stdin(Stdio::null());
    let mut server = Running::start(&mut usual);
    server.line("listening on ");
    let mut client = unix_client(&path);
    server.signal(Signal::HUP);
    assert_eq!(server.end().code(), Some(0));
    assert!(client.ends());

    let mut server = Running::start(&mut after("trap '' HUP", &command));
    server.line("listening on ");
    let mut client = unix_client(&path);
    server.signal(Signal::HUP);
    client.mkdir(1, "made", 0o755).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_though_the_worker_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut server = Running::listening(dir.path(), unix(&path));
    let worker = server.worker();
    if worker == server.pid() {
        println!("not run: this machine has no namespaces");
        return;
    }
    kill_process(worker, Signal::STOP).unwrap();
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    // Whichever it read last.
    let code = server.end().code().unwrap();
    assert!([130, 143].contains(&code), "{code}");
    assert!(!path.exists());
}

#[test]
fn nothing_can_be_read_from_its_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let mut command = serve(dir.path());
    command
        .args(["--listen", &unix(&path)])
        .stdin(Stdio::piped());
    let server = Running::start(&mut command);
    server.line("listening on ");
    let stdin = std::fs::read_link(format!("/proc/{}/fd/0", server.worker())).unwrap();
    assert_eq!(stdin, Path::new("/dev/null"));
}
