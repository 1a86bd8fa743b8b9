//! Addresses, and servers that cannot be reached.

use std::fs;

use crate::running::{Running, serve};
use crate::site::{Done, Site, virtfs};

#[test]
fn a_command_can_be_the_server() {
    let site = Site::new();
    site.serve("file", "hello");
    let address = format!(
        "exec:'{}' serve --shared-dir '{}' --listen stdio --log-level off 2>/dev/null",
        env!("CARGO_BIN_EXE_virtfs"),
        site.served.display()
    );
    let output = virtfs("cat").args([&address, "file"]).output().unwrap();
    assert_eq!(Done::of(output).ok(), "hello");
}

#[test]
fn addresses_may_be_written_as_in_plan_9() {
    let site = Site::new();
    site.serve("file", "hello");
    let unix = site.address.replacen(':', "!", 1);
    let output = virtfs("cat").args([&unix, "file"]).output().unwrap();
    assert_eq!(Done::of(output).ok(), "hello");
    let server = Running::start(serve(&site.served).args(["--listen", "tcp:127.0.0.1:0"]));
    let tcp = format!("tcp!127.0.0.1!{}", server.port());
    let output = virtfs("cat").args([&tcp, "file"]).output().unwrap();
    assert_eq!(Done::of(output).ok(), "hello");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let output = virtfs("ls").arg("unix:/no/such/socket").output().unwrap();
    let err = Done::of(output).failed();
    assert!(
        err.contains("cannot connect to unix:/no/such/socket: No such file"),
        "{err}"
    );
    let output = virtfs("ls").arg("exec:exit 3").output().unwrap();
    assert!(
        Done::of(output)
            .failed()
            .contains("cannot connect to exec:exit 3")
    );
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for args in [
        &["ls", "nonsense"][..],
        &["ls", "exec:"],
        &["cat", "tcp:127.0.0.1:1"],
        &["put", "tcp:127.0.0.1:1", "one"],
        &["mount", "tcp:127.0.0.1:1", "/mnt", "-o", "nonsense"],
    ] {
        let output = virtfs(args[0]).args(&args[1..]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn an_export_is_chosen_by_name() {
    let site = Site::new();
    let other = site.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("there"), "").unwrap();
    let address = format!(
        "exec:'{}' serve --shared-dir '{}' --export o='{}' --listen stdio 2>/dev/null",
        env!("CARGO_BIN_EXE_virtfs"),
        site.served.display(),
        other.display()
    );
    let named = |name: &str| {
        let output = virtfs("ls").args(["--aname", name, &address]).output();
        Done::of(output.unwrap())
    };
    assert_eq!(named("o").ok(), "there\n");
    assert!(named("none").failed().contains("cannot attach to 'none'"));
}
