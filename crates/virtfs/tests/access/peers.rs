//! From whom connections are taken.

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use virtfs_tests::Raw;

use crate::running::{Running, serve, unix, unix_client};
use crate::site::{NOBODY, Site};

fn start(site: &Site, peer: &str) -> Running {
    let mut command: Command = serve(&site.export());
    command.args(["--listen", &unix(&site.socket())]);
    let device = site.path("vm");
    command.arg("--socket-path").arg(&device);
    let server = Running::start(command.args(["--peer-uid", peer]));
    server.line("listens for VMMs at ");
    server
}

#[test]
fn who_is_not_asked_for_is_turned_away() {
    let site = Site::new();
    let server = start(&site, &NOBODY.to_string());
    for socket in [site.socket(), site.path("vm")] {
        let mut client = Raw::socket(UnixStream::connect(socket).unwrap());
        assert!(client.ends());
        assert!(
            server
                .line("a connection of user 0 ")
                .contains("--peer-uid")
        );
    }
}

#[test]
fn who_is_asked_for_is_served() {
    for peer in ["same", "0"] {
        let site = Site::new();
        let _server = start(&site, peer);
        unix_client(&site.socket()).mkdir(1, "made", 0o755).unwrap();
        crate::guest::guest(&site.path("vm"))
            .mkdir(1, "by-a-guest", 0o755)
            .unwrap();
    }
}

#[test]
fn a_peer_without_a_process_number_here_still_has_a_user() {
    for (peer, taken) in [(NOBODY, false), (0, true)] {
        let site = Site::new();
        // In a PID namespace that the client is not in.
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]);
        command.arg(site.program()).args(["serve", "--shared-dir"]);
        command.arg(site.export()).stdin(Stdio::null());
        command.args(["--listen", &unix(&site.socket())]);
        let server = Running::start(command.args(["--peer-uid", &peer.to_string()]));
        server.line("listening on ");
        if taken {
            unix_client(&site.socket()).mkdir(1, "made", 0o755).unwrap();
        } else {
            let mut client = Raw::socket(UnixStream::connect(site.socket()).unwrap());
            assert!(client.ends());
            server.line("a connection of user 0 was refused");
        }
    }
}
