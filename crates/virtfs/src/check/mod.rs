//! `virtfs check`: what [`virtfs_local::check`] finds, told to a person.

mod told;

use std::ops::ControlFlow;
use std::path::Path;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use virtfs_local::check::{Check, Finding, Outcome, Watch};

use self::told::Told;
use crate::cli::{CheckArgs, MappedModel};
use crate::failure::{Failure, reason};
use crate::signals::Signals;

pub(crate) fn run(args: CheckArgs) -> Result<(), Failure> {
    let model = args.security_model;
    let check = Check {
        mapped_xattr: model != Some(MappedModel::MappedFile),
        mapped_file: model != Some(MappedModel::MappedXattr),
        one_device: args.one_file_system,
    };
    let signal = watch_signals()
        .map_err(|error| Failure::usage(format!("signals cannot be set up: {}", reason(&error))))?;
    let mut watcher = Watcher {
        told: Told::new(&args.dir, args.quiet),
        signal,
    };
    let outcome = check.run(&args.dir, &mut watcher);
    let outcome = outcome.map_err(|error| cannot(&args.dir, &error))?;
    let Watcher { told, signal } = watcher;
    let written = told.end(&outcome);
    if let number @ 1.. = signal.load(Ordering::Relaxed) {
        exit(128 + number);
    }
    written.map_err(|error| {
        Failure::usage(format!(
            "cannot write to standard output: {}",
            reason(&error)
        ))
    })?;
    status(&outcome)
}

fn cannot(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot check {}: {}", dir.display(), reason(error)))
}

fn status(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome { unchecked: 1.., .. } => Err(Failure::usage("not everything could be checked")),
        Outcome { errors: 1.., .. } | Outcome { warnings: 1.., .. } => Err(Failure::told()),
        _ => Ok(()),
    }
}

/// The number of the signal that has arrived, once one has. The second ends the process at once,
/// for a call to a file system may hang.
fn watch_signals() -> std::io::Result<Arc<AtomicI32>> {
    let signals = Signals::block()?;
    let arrived = Arc::new(AtomicI32::new(0));
    let shared = arrived.clone();
    let watch = move || {
        if let Ok(number) = signals.wait() {
            shared.store(number, Ordering::Relaxed);
        }
        if let Ok(number) = signals.wait() {
            exit(128 + number);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch)?;
    Ok(arrived)
}

struct Watcher {
    told: Told,
    signal: Arc<AtomicI32>,
}

impl Watch for Watcher {
    fn found(&mut self, finding: &Finding<'_>) -> ControlFlow<()> {
        self.told.finding(finding)
    }

    fn looking(&mut self, entries: u64) -> ControlFlow<()> {
        self.told.progress(entries);
        match self.signal.load(Ordering::Relaxed) {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}
