//! The protocol suite of `virtfs-tests` over the program's own standard streams.

use std::process::Command;

use virtfs_local::SecurityModel;
use virtfs_tests::protocol::{Backend, Endpoint, transports};

virtfs_tests::protocol_suite! {
    transports {
        stdio => stdio,
    }
    backends {
        passthrough => Backend::passthrough,
        none => Backend::none,
    }
}

/// `virtfs serve` of the backend's directory.
fn stdio(backend: &Backend) -> Endpoint {
    let (dir, model) = backend
        .served_directory()
        .expect("the program serves directories");
    let (dir, model) = (
        dir.to_owned(),
        match model {
            SecurityModel::Passthrough => "passthrough",
            SecurityModel::None => "none",
        },
    );
    transports::stdio(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virtfs"));
        command.args(["serve", "--listen", "stdio", "--log-level", "error"]);
        command.args(["--security-model", model]);
        command.arg("--shared-dir").arg(&dir);
        command
    })
}
