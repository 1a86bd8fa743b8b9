//! The crate `pjdfstest`: how it is run, and its report.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::results::{Outcome, Results};
use crate::Run;
use crate::failure::{At, Result, fail};
use crate::place::Place;
use crate::running::Running;

const LIMIT: Duration = Duration::from_secs(900);

/// Runs all cases. Those that remount read-only have a process of their own: the others leave
/// files open, which keeps a file system from becoming read-only.
pub(crate) fn run(run: &Run, place: &Place, other: &Path) -> Result<Results> {
    let mut results = Results::default();
    // A mount.fuse beside mount(8) would start the program anew for a remount.
    let bin = run.dir.join("bin");
    fs::create_dir_all(&bin).at(bin.display())?;
    let mount = bin.join("mount");
    fs::write(&mount, "#!/bin/sh\nPATH=${PATH#*:} exec mount -i \"$@\"\n").at(mount.display())?;
    fs::set_permissions(&mount, fs::Permissions::from_mode(0o755)).at(mount.display())?;
    let search = format!("{}:{}", bin.display(), env::var("PATH").unwrap_or_default());
    for (remount, pattern) in [(false, None), (true, Some("erofs"))] {
        let config = run.dir.join("pjdfstest.toml");
        let text = fs::read_to_string(run.folder.join("pjdfstest.toml")).at("pjdfstest.toml")?;
        let text = text.replace("@REMOUNT@", &remount.to_string());
        fs::write(&config, text).at(config.display())?;
        let mut running = Running::start(
            Command::new(run.tools.join("pjdfstest"))
                .env_remove("RUST_BACKTRACE")
                .env("PATH", &search)
                .arg("-c")
                .arg(config)
                .arg("-p")
                .arg(place.path())
                .arg("-s")
                .arg(other)
                .args(pattern),
        )?;
        let Some(status) = running.wait(LIMIT)? else {
            return fail(format!(
                "pjdfstest: hangs\n{}\n{}",
                running.log(),
                place.log()
            ));
        };
        let report = running.finished();
        let more = parse(&report).at(format!(
            "{status}
{}",
            place.log()
        ))?;
        results.extend(more);
    }
    Ok(results)
}

/// `CASE … ok|FAILED|skipped`, each followed by indented lines that say why, then a summary whose
/// total must be the number of cases.
fn parse(report: &str) -> Result<Results> {
    let mut cases: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut last = None;
    let mut total = None;
    for line in report.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if line.starts_with(char::is_whitespace) {
            let why = last.as_ref().and_then(|case| cases.get_mut(case));
            if let Some(Outcome::Failed(why) | Outcome::Skipped(why)) = why {
                why.push_str(line.trim());
                why.push(' ');
            }
        } else if line.starts_with("Summary: ") {
            let end = line.strip_suffix(" total").unwrap_or(line);
            total = end.split(' ').next_back().and_then(|n| n.parse().ok());
        } else if let [case, how] = words[..] {
            let outcome = match how {
                "ok" => Outcome::Passed,
                "FAILED" => Outcome::Failed(String::new()),
                "skipped" => Outcome::Skipped(String::new()),
                _ => continue,
            };
            cases.insert(case.to_owned(), outcome);
            last = Some(case.to_owned());
        }
    }
    if total != Some(cases.len()) {
        return fail(format!(
            "pjdfstest: {} cases of {total:?} in\n{report}",
            cases.len()
        ));
    }
    Ok(Results(cases))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
chmod::eloop    ok
open::erofs     skipped
\tnot allowed
link::some      FAILED
\tleft: 1
\tright: 2

Summary: 1 failed, 1 skipped, 1 passed, 0 expected failures, 3 total
";

    #[test]
    fn a_report_is_read_case_by_case() {
        let results = parse(REPORT).unwrap().0;
        assert_eq!(results["chmod::eloop"], Outcome::Passed);
        let (skipped, failed) = ("not allowed ".to_owned(), "left: 1 right: 2 ".to_owned());
        assert_eq!(results["open::erofs"], Outcome::Skipped(skipped));
        assert_eq!(results["link::some"], Outcome::Failed(failed));
    }

    #[test]
    fn a_report_that_lacks_a_case_or_its_end_is_refused() {
        assert!(parse(&REPORT.replacen("chmod::eloop    ok\n", "", 1)).is_err());
        assert!(parse(&REPORT.replacen("Summary", "Sum", 1)).is_err());
    }
}
