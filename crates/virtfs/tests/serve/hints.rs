//! What it tells.

use rustix::process::Signal;

use crate::running::{Running, serve, tcp_client, unix, unix_client};

#[test]
fn a_mount_command_is_printed_for_each_address_and_export() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let export = format!("src={}", dir.path().display());
    let mut command = serve(dir.path());
    command.args(["--export", &export, "--msize", "512K"]);
    command.args(["--listen", &unix(&path), "--listen", "tcp:127.0.0.1:0"]);
    let mut server = Running::start(&mut command);
    let port = server.port();
    server.signal(Signal::TERM);
    server.end();
    let stdout = server.stdout();
    let commands: Vec<_> = stdout
        .lines()
        .filter(|line| line.starts_with("mount "))
        .collect();
    let options = "version=9p2000.L,msize=524288,cache=mmap,access=client";
    let (unix, tcp) = ("-o trans=unix,", format!("-o trans=tcp,port={port},"));
    let path = path.display();
    assert_eq!(
        commands,
        [
            format!("mount -t 9p {unix}{options} {path} /mnt"),
            format!("mount -t 9p {unix}{options},aname=src {path} /mnt"),
            format!("mount -t 9p {tcp}{options} 127.0.0.1 /mnt"),
            format!("mount -t 9p {tcp}{options},aname=src 127.0.0.1 /mnt"),
        ]
    );
    for mode in ["cache=none", "cache=loose"] {
        assert!(stdout.contains(mode), "{stdout}");
    }
}

#[test]
fn addresses_are_told_even_when_the_log_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path());
    command.args(["--log-level", "off", "--listen", "tcp:127.0.0.1:0"]);
    let server = Running::start(&mut command);
    tcp_client(server.port());
    server.signal(Signal::TERM);
    assert_eq!(server.failure(), (Some(0), String::new()));
}

#[test]
fn a_client_with_small_messages_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("9p");
    let server = Running::listening(dir.path(), unix(&path));
    let mut client = unix_client(&path);
    client.version(32 << 10, "9P2000.L").unwrap();
    server.line("asked for messages of 32768 bytes");
    client.version((32 << 10) + 1, "9P2000.L").unwrap();
    server.signal(Signal::TERM);
    let (_, text) = server.failure();
    assert!(!text.contains("asked for messages"), "{text}");
}

#[test]
fn the_security_model_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for model in ["passthrough", "none"] {
        let mut command = serve(dir.path());
        command.args(["--security-model", model, "--listen", "tcp:127.0.0.1:0"]);
        let server = Running::start(&mut command);
        assert!(server.line("security model ").starts_with(model));
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (flags, hint) in [
        (&["--version"][..], "virtfs "),
        (&["--help"], "virtfs serve --help"),
        (&["serve", "--help"], "Examples:"),
        (&["serve", "--help"], "QEMU's own spelling:"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_virtfs"));
        let mut program = Running::start(command.args(flags));
        assert_eq!(program.end().code(), Some(0));
        let text = program.stdout();
        assert!(text.contains(hint), "{text}");
    }
}
