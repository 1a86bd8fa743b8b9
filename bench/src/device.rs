//! Requests through a virtqueue, with no guest in the way, beside the same requests over the Unix
//! socket and plain system calls.

use std::error::Error;
use std::time::Instant;

use crate::client::{Carrier, Client};
use crate::direct::Direct;
use crate::queue::Queue;
use crate::report::median;
use crate::server::Server;
use crate::socket::Socket;
use crate::workload::{Kind, Tree, Workload};
use crate::{ROUNDS, TURN};
use crate::{calls, copies};

/// What is measured.
const WORKLOADS: [Workload; 6] = [
    workload("getattr", Kind::GetAttr, 1),
    workload("stat", Kind::Stat, 3),
    workload("read-4k", Kind::Read(4 << 10), 1),
    workload("read-512k", Kind::Read(512 << 10), 1),
    workload("write-4k", Kind::Write(4 << 10), 1),
    workload("write-512k", Kind::Write(512 << 10), 1),
];

const fn workload(name: &'static str, kind: Kind, messages: usize) -> Workload {
    Workload {
        name,
        kind,
        messages,
    }
}

/// What one round gave: operations a second.
struct Round {
    device: f64,
    socket: f64,
    direct: f64,
    /// Microseconds of the server's processor time for an operation, by the device.
    cpu: f64,
    /// Notifications of the device for a request, and interrupts of the driver.
    notifications: [f64; 2],
}

pub(crate) fn measure(
    tree: &Tree,
    server: &Server,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    println!(
        "{:<14} {:<9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>7} {:>7} {:>7} {:>7}",
        "device",
        "how",
        "ops/s",
        "requests/s",
        "of direct",
        "of socket",
        "MiB/s",
        "server us",
        "kicks",
        "irqs",
        "calls",
        "copied"
    );
    for workload in WORKLOADS.iter().filter(|workload| wanted(workload.name)) {
        for depth in [1, 16] {
            let rounds: Result<Vec<_>, _> = (0..ROUNDS)
                .map(|_| round(workload, depth, tree, server))
                .collect();
            let rounds = rounds?;
            let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
            let size = match workload.kind {
                Kind::Read(size) | Kind::Write(size) => size,
                _ => 0,
            };
            let calls = calls_of(workload, depth, server)?;
            println!(
                "{:<14} {:<9} {:>10.0} {:>10.0} {:>10.3} {:>10.3} {:>10.0} {:>9.1} {:>7.2} {:>7.2} {:>7} {:>7.2}",
                workload.name,
                format!("depth {depth}"),
                of(|round| round.device),
                of(|round| round.device) * workload.messages as f64,
                of(|round| round.device / round.direct),
                of(|round| round.device / round.socket),
                of(|round| round.device) * size as f64 / f64::from(1 << 20),
                of(|round| round.cpu),
                of(|round| round.notifications[0]),
                of(|round| round.notifications[1]),
                calls.map_or("-".to_owned(), |calls| format!("{calls:.2}")),
                copies::of(workload, tree)?,
            );
        }
    }
    Ok(())
}

fn round(
    workload: &Workload,
    depth: usize,
    tree: &Tree,
    server: &Server,
) -> Result<Round, Box<dyn Error>> {
    let mut device = Client::over(Queue::connect(&server.device()?)?, depth)?;
    device.prepare(workload)?;
    device.run(workload, depth)?;
    let before = (server.cpu()?, device.carrier().notifications());
    let (by_device, count) = speed(&mut device, workload, depth)?;
    let cpu = server.cpu()?.saturating_sub(before.0);
    let after = device.carrier().notifications();
    drop(device);
    let mut socket = Client::over(Socket::connect(server.socket())?, depth)?;
    socket.prepare(workload)?;
    let (by_socket, _) = speed(&mut socket, workload, depth)?;
    drop(socket);
    let mut direct = Direct::new(tree)?;
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        done += direct.run(workload, 64)?;
    }
    let requests = (count * workload.messages) as f64;
    Ok(Round {
        device: by_device,
        socket: by_socket,
        direct: done as f64 / began.elapsed().as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / count as f64,
        notifications: [0, 1].map(|at| (after[at] - before.1[at]) as f64 / requests),
    })
}

/// How much is done in a second, and how much was done.
fn speed<C: Carrier>(
    client: &mut Client<C>,
    workload: &Workload,
    depth: usize,
) -> Result<(f64, usize), Box<dyn Error>> {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < TURN {
        done += client.run(workload, 16 * depth)?;
    }
    Ok((done as f64 / began.elapsed().as_secs_f64(), done))
}

/// System calls of the server for a request, if they can be counted.
fn calls_of(
    workload: &Workload,
    depth: usize,
    server: &Server,
) -> Result<Option<f64>, Box<dyn Error>> {
    const TIMES: usize = 960;
    let mut client = Client::over(Queue::connect(&server.device()?)?, depth)?;
    client.prepare(workload)?;
    let processes = server.processes()?;
    let calls = calls::of(&processes, || client.run(workload, TIMES).map(drop))?;
    Ok(calls.map(|calls| calls as f64 / (TIMES * workload.messages) as f64))
}
