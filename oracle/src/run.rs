//! Many schedules on one pair of servers, and a report of what was found.

use std::fmt::Write as _;
use std::time::Instant;

use crate::compare::Difference;
use crate::differences::Differences;
use crate::failure::Result;
use crate::generator::Generator;
use crate::model::Model;
use crate::pair::{End, Pair, Played, Programs, Start};
use crate::request::Request;
use crate::rng::Rng;
use crate::{shrink, witnesses};

/// How long a run is, and where it begins.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// From it all schedules follow.
    pub seed: u64,
    /// The least number of requests to compare.
    pub requests: u64,
    /// How many kinds of unlisted differences to find before the run ends.
    pub findings: usize,
}

/// Enough requests for an entry of the list that is never met to be wrong.
const LONG_ENOUGH: u64 = 10_000;
/// The most requests of a schedule.
const SCHEDULE: u64 = 150;

/// What a run has found.
#[derive(Debug, Default)]
pub struct Report {
    /// For the person who reads it.
    pub text: String,
    /// Whether the servers answer the same, but for what is listed.
    pub good: bool,
}

/// Plays schedules on both servers until enough requests were compared.
///
/// # Errors
///
/// If a server cannot be started or does not answer any more.
pub fn run(programs: &Programs, model: Model, plan: Plan, list: &str) -> Result<Report> {
    let differences = Differences::parse(list)?;
    let mut pair = Pair::start(programs, model)?;
    let began = Instant::now();
    let (mut requests, mut schedules, mut apart) = (0, 0, 0);
    let mut findings: Vec<Finding> = Vec::new();
    let witnesses = witnesses::all();
    while requests < plan.requests && findings.len() < plan.findings {
        let (start, origin, played) = match witnesses.get(schedules as usize) {
            Some((start, witness)) => {
                let origin = format!("witness {schedules}");
                let mut rest = witness.iter().cloned();
                (
                    *start,
                    origin,
                    pair.play(*start, &differences, |_| rest.next())?,
                )
            }
            None => {
                let number = schedules - witnesses.len() as u64;
                let seed = Rng::new(plan.seed.wrapping_add(number)).next();
                let origin = format!("seed {}, schedule {number}", plan.seed);
                (
                    start(seed),
                    origin,
                    play(&mut pair, &differences, model, seed)?,
                )
            }
        };
        requests += played.requests.len() as u64;
        schedules += 1;
        match played.end {
            End::Same => {}
            End::Apart => apart += 1,
            End::Differs(found) => {
                if !findings.iter().any(|finding| finding.is_like(&found[0])) {
                    let kind = found[0].clone();
                    let (requests, found) =
                        shrink::shrink(&mut pair, start, found, &differences, played.requests)?;
                    findings.push(Finding {
                        origin,
                        start,
                        kind,
                        found,
                        requests,
                    });
                }
            }
        }
    }
    let mut text = String::new();
    for finding in &findings {
        finding.tell(model, &mut text);
    }
    let mut good = findings.is_empty();
    if good {
        for (line, met, witness) in differences.met(model) {
            if met == 0 && (witness || requests >= LONG_ENOUGH) {
                good = false;
                let _ = writeln!(text, "listed, and not met once: {line}");
            }
        }
    }
    for (line, met, _) in differences.met(model) {
        let short: String = line.chars().take(110).collect();
        let _ = writeln!(text, "{met:>7}  {short}");
    }
    let _ = writeln!(
        text,
        "{}: seed {}: {requests} requests in {schedules} schedules ({apart} of them ended at a \
         listed difference), {:.1} s: {}",
        model.name(),
        plan.seed,
        began.elapsed().as_secs_f64(),
        if good { "ok" } else { "FAILED" },
    );
    Ok(Report { text, good })
}

fn play(pair: &mut Pair, differences: &Differences, model: Model, seed: u64) -> Result<Played> {
    let mut generator = Generator::new(seed, model);
    let mut left = 20 + seed % SCHEDULE;
    pair.play(start(seed), differences, |tracker| {
        left = left.checked_sub(1)?;
        Some(generator.next(tracker))
    })
}

/// How the schedule of this seed begins.
fn start(seed: u64) -> Start {
    Start {
        furnished: seed & 1 == 0,
        uid: [0, 1000, 2000][(seed >> 1) as usize % 3],
    }
}

/// A difference that is not listed, and the requests that lead to it.
struct Finding {
    /// Which schedule it was.
    origin: String,
    start: Start,
    /// What was found first.
    kind: Difference,
    found: Vec<Difference>,
    requests: Vec<Request>,
}

impl Finding {
    /// Whether a difference is one more of this kind.
    fn is_like(&self, other: &Difference) -> bool {
        self.kind.is_like(other)
    }

    fn tell(&self, model: Model, text: &mut String) {
        let Start { furnished, uid } = self.start;
        let (name, origin) = (model.name(), &self.origin);
        let place = if furnished { "furnished" } else { "empty" };
        let _ = writeln!(
            text,
            "== {name}, {origin}: {place} directory, n_uname {uid}, fid 0 attached"
        );
        for request in &self.requests {
            let _ = writeln!(text, "   {request:?}");
        }
        for found in &self.found {
            let Difference {
                message,
                field,
                qemu,
                virtfs,
                at,
            } = found;
            let _ = writeln!(
                text,
                " ! {message} {field} {at}: QEMU {qemu}, virtfs {virtfs}"
            );
        }
    }
}
