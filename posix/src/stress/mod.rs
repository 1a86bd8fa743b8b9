//! Processes that change one tree together, at random, for a while; then the tree seen through the
//! mount must be the tree that the host has.

mod blocks;
mod operations;
mod record;
mod tolerated;
mod worker;

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::{At, Result, fail};
use crate::model::Model;
use crate::place::{Place, new_share};
use crate::running::Running;
use crate::tree::{Compared, same};
use crate::{Run, Where};

pub(crate) use worker::run as worker;

const WORKERS: u64 = 8;
/// What the last operations of the workers may take: longer than the worker's own limit for one.
const MORE: Duration = Duration::from_secs(120);

/// Runs the workers and compares, before and after everything cached is dropped.
pub(crate) fn run(run: &Run) -> Result {
    let seconds = if run.long { 600 } else { 15 };
    let share = new_share(&run.dir, "stress")?;
    let mut place = match run.place {
        Where::Host => Place::host(&share),
        Where::Mount => Place::mounted(
            &run.virtfs,
            Model::Passthrough,
            &share,
            &run.options_with("dev"),
        )?,
    };
    record::create(place.path())?;
    let said = work(run, &place, seconds)
        .or_else(|failure| fail(format!("{failure}\n{}", place.log())))?;
    record::check(place.share(), &said)?;

    let began = Instant::now();
    let entries = same(place.path(), place.share(), Compared::OneTree)?;
    place.remount()?;
    same(place.path(), place.share(), Compared::OneTree)
        .or_else(|failure| fail(format!("after mounting again: {failure}")))?;
    println!(
        "stress: {entries} entries equal the host's, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    place.end()
}

/// The output of every worker, if all ended well.
fn work(run: &Run, place: &Place, seconds: u64) -> Result<Vec<String>> {
    let program = env::current_exe().at("this program")?;
    let mut workers = Vec::new();
    for index in 0..WORKERS {
        workers.push(Running::start(
            Command::new(&program)
                .arg("stress-worker")
                .arg(place.path())
                .args([index, run.seed + index, seconds].map(|n| n.to_string())),
        )?);
    }
    let end = Instant::now() + Duration::from_secs(seconds) + MORE;
    let mut said = Vec::new();
    for (index, worker) in workers.iter_mut().enumerate() {
        match worker.wait(end.saturating_duration_since(Instant::now()))? {
            Some(status) if status.success() => said.push(worker.finished()),
            Some(status) => {
                return fail(format!("worker {index}: {status}\n{}", worker.finished()));
            }
            None => return fail(format!("worker {index} does not end\n{}", worker.log())),
        }
    }
    println!("{}", worker::sum(&said));
    Ok(said)
}
