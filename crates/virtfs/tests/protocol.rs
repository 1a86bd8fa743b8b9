//! The protocol suite of `virtfs-tests` over the program's own standard streams, and over a
//! virtqueue by vhost-user.

use std::process::Command;

use virtfs_tests::protocol::{Backend, Endpoint, transports, virtqueue};

virtfs_tests::protocol_suite! {
    transports {
        stdio => stdio,
        vhost_user => vhost_user,
    }
    backends {
        passthrough => Backend::passthrough,
        none => Backend::none,
    }
}

/// `virtfs serve` of the backend's directory.
fn stdio(backend: &Backend) -> Endpoint {
    let serve = serve(backend);
    transports::stdio(move || {
        let mut command = serve();
        command.args(["--listen", "stdio"]);
        command
    })
}

/// The same as a device.
fn vhost_user(backend: &Backend) -> Endpoint {
    let serve = serve(backend);
    virtqueue::program(move || {
        let mut command = serve();
        command.args(["--fd", "3", "--tag", "tests", "--once"]);
        command
    })
}

fn serve(backend: &Backend) -> impl Fn() -> Command + Send + Sync + use<> {
    let (dir, model) = backend
        .served_directory()
        .expect("the program serves directories");
    let (dir, model) = (dir.to_owned(), model.name());
    move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
        command.args(["serve", "--log-level", "error"]);
        command.args(["--security-model", model]);
        command.arg("--shared-dir").arg(&dir);
        command
    }
}
