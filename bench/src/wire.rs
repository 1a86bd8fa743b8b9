//! Requests as they come, by a load generator on one connection, beside plain system calls.

use std::error::Error;
use std::time::Instant;

use crate::client::Client;
use crate::direct::Direct;
use crate::report::{self, Row, Sample};
use crate::server::{Server, cpu_of};
use crate::socket::Socket;
use crate::workload::{Tree, WORKLOADS, Workload};
use crate::{ROUNDS, TURN};

pub(crate) fn measure(
    tree: &Tree,
    server: &Server,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    for workload in WORKLOADS.iter().filter(|workload| wanted(workload.name)) {
        for depth in [1, 32] {
            let mut samples = Vec::new();
            for _ in 0..ROUNDS {
                samples.push(turn(workload, depth, tree, server)?);
                tree.clear_created()?;
            }
            let how = format!("depth {depth}");
            report::row(&Row::of(workload.name, how, workload.messages, &samples));
        }
    }
    Ok(())
}

/// One turn of the server and one of plain system calls.
fn turn(
    workload: &Workload,
    depth: usize,
    tree: &Tree,
    server: &Server,
) -> Result<Sample, Box<dyn Error>> {
    let mut client = Client::over(Socket::connect(server.socket())?, depth)?;
    client.prepare(workload)?;
    let cpu = [server.cpu()?, cpu_of(std::process::id())?];
    let (began, mut served) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        served += client.run(workload, 64 * depth)?;
    }
    let served_in = began.elapsed();
    let now = [server.cpu()?, cpu_of(std::process::id())?];
    drop(client);
    tree.clear_created()?;

    let mut direct = Direct::new(tree)?;
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        done += direct.run(workload, 64)?;
    }
    let each = |at: usize| now[at].saturating_sub(cpu[at]).as_secs_f64() * 1e6 / served as f64;
    Ok(Sample {
        served: served as f64 / served_in.as_secs_f64(),
        direct: done as f64 / began.elapsed().as_secs_f64(),
        cpu: each(0),
        client_cpu: each(1),
    })
}
