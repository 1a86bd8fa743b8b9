//! `cargo run --release -p virtfs-bench`: how fast `virtfs serve` is over a Unix socket and as a
//! device, by its requests, through `virtfs mount` and through the client library, beside the same work done by
//! plain system calls in the same run.
//!
//! Every figure is the median over rounds in which server and system calls take turns. Ratios
//! are what counts: absolute times mean nothing on a machine that others use too.
#![forbid(unsafe_code)]

mod calls;
mod client;
mod copies;
mod device;
mod direct;
mod files;
mod library;
mod mounted;
mod queue;
mod report;
mod sandbox;
mod server;
mod socket;
mod wire;
mod workload;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::workload::Tree;

/// How many turns server and system calls take.
const ROUNDS: usize = 5;

/// How long one turn takes, about.
const TURN: Duration = Duration::from_millis(200);

/// What can be measured.
const GROUPS: [&str; 5] = ["wire", "device", "mount", "client", "sandbox"];

const USAGE: &str = "\
usage: virtfs-bench [--virtfs BINARY] [--dir WHERE] [--only WORKLOAD] [-o OPTIONS] [GROUP ...]

Measures BINARY (default target/release/virtfs: build it first) on a tree that is made below WHERE
(default the system's folder for temporary files).

GROUP  wire    requests as they come, one and 32 at a time
       device  requests through a virtqueue by vhost-user, one and 16 at a time, without a guest
       mount   system calls through `virtfs mount` (needs root and /dev/fuse), -o OPTIONS added
       client  calls of the client library
       sandbox requests one at a time to servers with and without their sandbox, which is what the
               ratios are to
Without one: all of them. `server us` and `client us` are processor time for one operation; `kicks`,
`irqs` and `calls` are notifications of the device, interrupts of the driver and system calls of the
server for one request (the last by strace, which slows it down); `copied` bytes a program copies
for a byte of payload.";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut groups = Vec::new();
    let (mut only, mut options) = (None, None);
    let mut binary = PathBuf::from("target/release/virtfs");
    let mut dir = std::env::temp_dir();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--only" => only = Some(value()?),
            "--virtfs" => binary = value()?.into(),
            "--dir" => dir = value()?.into(),
            "-o" => options = Some(value()?),
            group if GROUPS.contains(&group) => groups.push(argument),
            _ => {
                println!("{USAGE}");
                return Ok(());
            }
        }
    }
    let tree = Tree::make(&dir)?;
    let is_wanted = |group: &str| groups.is_empty() || groups.iter().any(|wanted| wanted == group);
    let server = server::Server::start(&binary, tree.path(), is_wanted("device"))?;
    // Its name, without what is counted.
    let wanted = |name: &str| {
        only.as_deref()
            .is_none_or(|only| Some(only) == name.split(' ').next())
    };
    for group in GROUPS {
        if !is_wanted(group) {
            continue;
        }
        match group {
            "device" => {}
            "sandbox" => sandbox::head(),
            _ => report::head(group),
        }
        match group {
            "device" => device::measure(&tree, &server, wanted)?,
            "sandbox" => sandbox::measure(&binary, &tree, wanted)?,
            "wire" => wire::measure(&tree, &server, wanted)?,
            "mount" => mounted::measure(&binary, options.as_deref(), &tree, &server, wanted)?,
            _ => library::measure(&tree, &server, wanted)?,
        }
        println!();
    }
    Ok(())
}
