//! What the sandbox costs: the same requests to servers with and without it, in turns.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::TURN;
use crate::client::Client;
use crate::report::median;
use crate::server::Server;
use crate::socket::Socket;
use crate::workload::{Tree, WORKLOADS, Workload};

/// More than elsewhere: what is looked for is small.
const ROUNDS: usize = 21;

/// The first is what the others are held against.
const LEVELS: [(&str, &[&str]); 3] = [
    ("none", &["--sandbox", "none", "--seccomp", "off"]),
    ("no seccomp", &["--seccomp", "off"]),
    ("default", &[]),
];

pub(crate) fn head() {
    println!(
        "{:<14} {:<11} {:>10} {:>9}  {:<21} {:<21}",
        "sandbox", "how", "ops/s", "server us", "time (quartiles)", "server us (quartiles)"
    );
}

/// Prints for each workload what an operation takes, of time and of the server's processor time, as
/// a ratio to the same without a sandbox in the same round.
pub(crate) fn measure(
    binary: &Path,
    tree: &Tree,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    let mut servers = Vec::new();
    for (_, flags) in LEVELS {
        servers.push(Server::start_with(binary, tree.path(), false, flags)?);
    }
    for workload in WORKLOADS.iter().filter(|workload| wanted(workload.name)) {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut costs = [Cost::default(); LEVELS.len()];
            // Each is the first as often as the others are.
            for turn in 0..LEVELS.len() {
                let at = (round + turn) % LEVELS.len();
                costs[at] = turn_of(workload, tree, &servers[at])?;
            }
            rounds.push(costs);
        }
        for (at, (how, _)) in LEVELS.iter().enumerate() {
            let middle = |of: fn(&Cost) -> f64| median(rounds.iter().map(|costs| of(&costs[at])));
            let ratio = |of: fn(&Cost) -> f64| {
                quartiles(rounds.iter().map(|costs| of(&costs[at]) / of(&costs[0])))
            };
            println!(
                "{:<14} {how:<11} {:>10.0} {:>9.2}  {:<21} {:<21}",
                workload.name,
                1e6 / middle(|cost| cost.time),
                middle(|cost| cost.cpu),
                ratio(|cost| cost.time),
                ratio(|cost| cost.cpu),
            );
        }
    }
    Ok(())
}

/// Microseconds for an operation.
#[derive(Clone, Copy, Default)]
struct Cost {
    time: f64,
    cpu: f64,
}

fn turn_of(workload: &Workload, tree: &Tree, server: &Server) -> Result<Cost, Box<dyn Error>> {
    let mut client = Client::over(Socket::connect(server.socket())?, 1)?;
    client.prepare(workload)?;
    let cpu = server.cpu()?;
    let (began, mut served) = (Instant::now(), 0);
    while began.elapsed() < TURN / 2 {
        served += client.run(workload, 64)?;
    }
    let time = began.elapsed();
    let cpu = server.cpu()?.saturating_sub(cpu);
    drop(client);
    tree.clear_created()?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / served as f64;
    Ok(Cost {
        time: each(time),
        cpu: each(cpu),
    })
}

fn quartiles(figures: impl Iterator<Item = f64>) -> String {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let at = |part: usize| {
        figures
            .get(figures.len() * part / 4)
            .copied()
            .unwrap_or(f64::NAN)
    };
    format!("{:.3} ({:.3}-{:.3})", at(2), at(1), at(3))
}
