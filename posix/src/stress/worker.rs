//! One process of the stress: operations until its time is over, and a watch that none hangs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::operations::{KINDS, Worker};
use super::record;
use super::tolerated::tolerated;
use crate::failure::{At, Result, fail};
use crate::rng::Rng;

/// No operation may take longer.
const LIMIT: Duration = Duration::from_secs(60);

/// What runs now, and since when.
static NOW: Mutex<Option<(&str, Instant)>> = Mutex::new(None);

/// `DIRECTORY INDEX SEED SECONDS`. Says how often each operation succeeded and failed.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let [root, index, seed, seconds] = arguments else {
        return fail("stress-worker DIRECTORY INDEX SEED SECONDS");
    };
    let number = |text: &str| text.parse::<u64>().at(text);
    let index = number(index)?;
    let end = Instant::now() + Duration::from_secs(number(seconds)?);
    thread::spawn(watch);

    let mut records = record::Writer::open(Path::new(root), index)?;
    let mut worker = Worker::new(Path::new(root), index, Rng::new(number(seed)?));
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let weights: u64 = KINDS.iter().map(|kind| kind.weight).sum();
    while Instant::now() < end {
        let mut pick = worker.rng.below(weights);
        let kind = KINDS.iter().find(|kind| {
            let found = pick < kind.weight;
            pick = pick.saturating_sub(kind.weight);
            found
        });
        let Some(kind) = kind else { continue };
        begin(Some(kind.name));
        let count = counts.entry(kind.name).or_default();
        match (kind.run)(&mut worker) {
            Ok(()) => count.0 += 1,
            Err(error) if tolerated(kind.name, &error) => count.1 += 1,
            Err(error) => return fail(format!("{}: {error}", kind.name)),
        }
        if worker.rng.one_in(30) {
            begin(Some("record"));
            records.add()?;
        }
    }
    begin(None);
    for (name, (good, bad)) in counts {
        println!("count {name} {good} {bad}");
    }
    println!("records {}", records.written());
    Ok(())
}

fn begin(name: Option<&'static str>) {
    let now = name.map(|name| (name, Instant::now()));
    *NOW.lock().unwrap_or_else(PoisonError::into_inner) = now;
}

/// Says what hangs. The process itself may be beyond ending; whoever started it kills the mount.
fn watch() {
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = *NOW.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, since)) = now
            && since.elapsed() > LIMIT
        {
            eprintln!("{name}: hangs for more than {LIMIT:?}");
            std::process::exit(1);
        }
    }
}

/// The counts of all workers in one line.
pub(crate) fn sum(said: &[String]) -> String {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for line in said.iter().flat_map(|text| text.lines()) {
        if let ["count", name, good, bad] = line.split(' ').collect::<Vec<_>>()[..] {
            let count = counts.entry(name).or_default();
            count.0 += good.parse::<u64>().unwrap_or(0);
            count.1 += bad.parse::<u64>().unwrap_or(0);
        }
    }
    let all: u64 = counts.values().map(|(good, bad)| good + bad).sum();
    let each: Vec<_> = counts
        .iter()
        .map(|(name, (good, bad))| format!("{name} {good}/{}", good + bad))
        .collect();
    format!("stress: {all} operations (done/tried): {}", each.join(", "))
}
