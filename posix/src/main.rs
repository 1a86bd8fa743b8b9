//! POSIX and stress suites on `virtfs mount` of `virtfs serve`, the copying commands, and other
//! people's 9P programs. `posix/run` prepares what this needs and runs it in namespaces of its own.

#![forbid(unsafe_code)]

mod copies;
mod failure;
mod fsx;
mod interop;
mod locks;
mod model;
mod pjdfstest;
mod place;
mod rng;
mod running;
mod stress;
mod tree;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use failure::{At, Failure, Result, fail};

/// What all parts are told.
pub(crate) struct Run {
    /// Nothing shortened.
    pub(crate) long: bool,
    pub(crate) place: Where,
    /// The program under test.
    pub(crate) virtfs: PathBuf,
    /// Where `pjdfstest` and `fsx` are.
    pub(crate) tools: PathBuf,
    /// Options added to every mount.
    pub(crate) options: String,
    /// This crate's folder: configurations and lists.
    pub(crate) folder: PathBuf,
    /// An empty folder of the part.
    pub(crate) dir: PathBuf,
    pub(crate) seed: u64,
}

impl Run {
    /// The options of every mount and those that a part needs, which win.
    pub(crate) fn options_with(&self, more: &str) -> String {
        [self.options.as_str(), more]
            .join(",")
            .trim_matches(',')
            .to_owned()
    }
}

/// What the suites run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Mount,
    /// A folder of the host: are the suites right?
    Host,
}

type Part = (&'static str, fn(&Run) -> Result);

const PARTS: [Part; 6] = [
    ("pjdfstest", pjdfstest::run),
    ("fsx", fsx::run),
    ("stress", stress::run),
    ("copies", copies::run),
    ("locks", locks::run),
    ("interop", interop::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["stress-worker", ref rest @ ..] => stress::worker(rest),
        ["lock-waiter", ref rest @ ..] => locks::waiter(rest),
        _ => suites(&words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn suites(words: &[&str]) -> Result {
    let place = if words.contains(&"host") {
        Where::Host
    } else {
        Where::Mount
    };
    let names: Vec<_> = words
        .iter()
        .filter(|w| **w != "--long" && **w != "host")
        .collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| !PARTS.iter().any(|part| part.0 == ***name))
    {
        return fail(format!("{unknown}: no such part"));
    }
    let mut failed = Vec::new();
    for (name, part) in PARTS {
        if !names.is_empty() && !names.contains(&&name) {
            continue;
        }
        let run = Run {
            long: words.contains(&"--long"),
            place,
            virtfs: variable("VIRTFS_BIN")?.into(),
            tools: variable("VIRTFS_POSIX_TOOLS")?.into(),
            options: env::var("VIRTFS_POSIX_OPTIONS").unwrap_or_default(),
            folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            dir: env::temp_dir().join(name),
            seed: seed()?,
        };
        std::fs::create_dir(&run.dir).at(run.dir.display())?;
        let began = Instant::now();
        let result = part(&run);
        let took = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("posix: {name}: ok, {took:.0} s"),
            Err(failure) => {
                println!(
                    "posix: {name}: FAILED, {took:.0} s (seed {})\n{failure}",
                    run.seed
                );
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        fail(format!("posix: failed: {}", failed.join(" ")))
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| Failure::new(format!("{name} is not set; use posix/run")))
}

/// `VIRTFS_POSIX_SEED`, else another one each time.
fn seed() -> Result<u64> {
    if let Ok(seed) = env::var("VIRTFS_POSIX_SEED") {
        return seed.parse().at("VIRTFS_POSIX_SEED");
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(now.at("clock")?.as_nanos() as u64 % 1_000_000_007)
}
