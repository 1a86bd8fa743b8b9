//! The classic suite (shell scripts and one C program): a built checkout that somebody has.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::results::{Outcome, Results};
use crate::failure::{At, Result, fail};
use crate::place::Place;
use crate::running::Running;

/// Scripts at once: they mostly sleep.
const JOBS: usize = 8;
const LIMIT: Duration = Duration::from_secs(600);

/// What stands in for df(1), which the scripts ask for the type of the file system: they leave
/// checks out where they do not know it. The mount shall do all that ext4 does.
const DF: &str = "#!/bin/sh\necho Filesystem Type\necho /dev/none ext4 1 1 1 1% /\n";

/// Runs every script of the checkout, each in an empty directory of the place. `bin` is a folder
/// for programs.
pub(crate) fn run(checkout: &Path, place: &Place, bin: &Path) -> Result<Results> {
    if !checkout.join("pjdfstest").exists() {
        return fail(format!("{}: not built", checkout.display()));
    }
    let df = bin.join("df");
    fs::create_dir_all(bin).at(bin.display())?;
    fs::write(&df, DF).at(df.display())?;
    fs::set_permissions(&df, fs::Permissions::from_mode(0o755)).at(df.display())?;
    let search = format!("{}:{}", bin.display(), env::var("PATH").unwrap_or_default());
    let scripts = scripts(&checkout.join("tests"))?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Ok(Results::default()));
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(script, place.path(), &search);
                    let mut results = results.lock().expect("no thread panics");
                    match (&mut *results, outcome) {
                        (Ok(results), Ok(more)) => results.extend(more),
                        (results @ Ok(_), Err(failure)) => *results = Err(failure),
                        (Err(_), _) => break,
                    }
                }
            });
        }
    });
    results.into_inner().expect("no thread panics")
}

/// `DIRECTORY/NUMBER.t` below `tests`.
fn scripts(tests: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in fs::read_dir(tests).at(tests.display())? {
        let directory = directory?.path();
        if directory.is_dir() {
            for file in fs::read_dir(&directory).at(directory.display())? {
                found.push(file?.path());
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "t"));
    found.sort();
    if found.is_empty() {
        return fail(format!("{}: no scripts", tests.display()));
    }
    Ok(found)
}

fn one(script: &Path, at: &Path, search: &str) -> Result<Results> {
    let tail = script.components().count() - 2;
    let name: PathBuf = script.components().skip(tail).collect();
    let name = name.display().to_string();
    let directory = at.join(name.replace('/', "-"));
    fs::create_dir(&directory).at(directory.display())?;
    let mut command = Command::new("sh");
    let mut running = Running::start(
        command
            .arg(script)
            .current_dir(&directory)
            .env("PATH", search),
    )?;
    if running.wait(LIMIT)?.is_none() {
        return fail(format!("{name} hangs:\n{}", running.log()));
    }
    parse(&name, &running.finished())
}

/// TAP: `1..N`, then `ok N` or `not ok N - why`; a script that plans nothing for this system says
/// so (`1..0 # SKIP`). `# TODO` marks what the suite itself does not expect to pass.
fn parse(name: &str, report: &str) -> Result<Results> {
    let mut results = Results::default();
    let mut plan = None;
    for line in report.lines() {
        if let Some(count) = line.strip_prefix("1..") {
            let count = count.split_whitespace().next().unwrap_or_default();
            plan = count.parse::<usize>().ok();
        }
        let (rest, passed) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => continue,
        };
        let (number, why) = rest.split_once(' ').unwrap_or((rest, ""));
        let outcome = match passed {
            _ if why.contains("# TODO") => Outcome::Skipped(why.to_owned()),
            true => Outcome::Passed,
            false => Outcome::Failed(why.to_owned()),
        };
        results
            .0
            .insert(format!("classic:{name}:{number}"), outcome);
    }
    if plan != Some(results.0.len()) {
        return fail(format!(
            "{name}: {} checks of {plan:?}\n{report}",
            results.0.len()
        ));
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tap_is_read_check_by_check() {
        let report = "1..3\nok 1\nnot ok 2 - tried 'x', got EPERM\nnot ok 3 # TODO later\n";
        let results = parse("chmod/00.t", report).unwrap().0;
        assert_eq!(results["classic:chmod/00.t:1"], Outcome::Passed);
        let why = "- tried 'x', got EPERM".to_owned();
        assert_eq!(results["classic:chmod/00.t:2"], Outcome::Failed(why));
        assert!(matches!(
            results["classic:chmod/00.t:3"],
            Outcome::Skipped(_)
        ));
    }

    #[test]
    fn a_script_that_ends_early_is_refused() {
        assert!(parse("chmod/00.t", "1..2\nok 1\n").is_err());
        assert!(parse("chmod/00.t", "").is_err());
        assert!(parse("chflags/00.t", "1..0 # SKIP no chflags\n").is_ok());
    }
}
