//! `cargo run --release -p virtfs-bench`: how fast `virtfs serve` is over a Unix socket, beside
//! the same work done by plain system calls in the same run.
//!
//! Every figure is the median over rounds in which server and system calls take turns. Ratios
//! are what counts: absolute times mean nothing on a machine that others use too.
#![forbid(unsafe_code)]

mod client;
mod direct;
mod report;
mod server;
mod workload;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::report::{Row, Sample};
use crate::workload::{Tree, WORKLOADS};

/// How many turns server and system calls take.
const ROUNDS: usize = 5;

/// How long one turn takes, about.
const TURN: Duration = Duration::from_millis(200);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut only = None;
    let mut binary = PathBuf::from("target/release/virtfs");
    let mut dir = std::env::temp_dir();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--only" => only = Some(value()?),
            "--virtfs" => binary = value()?.into(),
            "--dir" => dir = value()?.into(),
            _ => {
                println!(
                    "usage: virtfs-bench [--virtfs BINARY] [--dir WHERE] [--only WORKLOAD]\n\n\
                     Measures BINARY (default target/release/virtfs: build it first) on a tree\n\
                     that is made below WHERE (default the system's folder for temporary files)."
                );
                return Ok(());
            }
        }
    }
    let tree = Tree::make(&dir)?;
    let server = server::Server::start(&binary, tree.path())?;
    report::head();
    for workload in WORKLOADS
        .iter()
        .filter(|w| only.as_deref().is_none_or(|o| w.name == o))
    {
        for depth in [1, 32] {
            let mut samples = Vec::new();
            for _ in 0..ROUNDS {
                samples.push(turn(workload, depth, &tree, &server)?);
                tree.clear_created()?;
            }
            report::row(&Row::of(workload.name, depth, workload.messages, &samples));
        }
    }
    Ok(())
}

/// One turn of the server and one of plain system calls.
fn turn(
    workload: &workload::Workload,
    depth: usize,
    tree: &Tree,
    server: &server::Server,
) -> Result<Sample, Box<dyn Error>> {
    let mut client = client::Client::connect(server.socket(), depth)?;
    client.prepare(workload)?;
    let cpu = server.cpu()?;
    let (began, mut served) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        served += client.run(workload, 64 * depth)?;
    }
    let served_in = began.elapsed();
    let cpu = server.cpu()? - cpu;
    drop(client);
    tree.clear_created()?;

    let mut direct = direct::Direct::new(tree)?;
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        done += direct.run(workload, 64)?;
    }
    Ok(Sample {
        served: served as f64 / served_in.as_secs_f64(),
        direct: done as f64 / began.elapsed().as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / served as f64,
    })
}
