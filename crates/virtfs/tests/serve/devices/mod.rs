//! Devices for virtual machines.

mod ending;
mod guest;
mod hanging;
mod harm;
mod isolation;
mod lines;
mod refusals;
mod serving;
mod shares;

use std::path::Path;
use std::process::Command;

use crate::running::{Running, serve};

/// `virtfs serve` of a directory as the device `home` at this socket, to be completed.
fn device(dir: &Path, socket: &Path) -> Command {
    let mut command = serve(dir);
    command.args(["--tag", "home", "--socket-path"]).arg(socket);
    command
}

/// Starts it, and waits until it is ready.
fn start(command: &mut Command) -> Running {
    let server = Running::start(command);
    server.line("listens for VMMs at ");
    server
}

/// `SOCK,tag=TAG`.
fn spec(socket: &Path, tag: &str) -> String {
    format!("{},tag={tag}", socket.display())
}
