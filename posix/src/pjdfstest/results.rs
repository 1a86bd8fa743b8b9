//! The results of a suite by case, and what follows from two of them.

use std::collections::BTreeMap;

use super::exceptions::Exceptions;
use crate::failure::{Result, fail};

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// With what the suite said.
    Failed(String),
    Skipped(String),
}

/// Every case of a suite.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Results(pub(crate) BTreeMap<String, Outcome>);

impl Results {
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(crate) fn counts(&self) -> String {
        let count = |is: fn(&Outcome) -> bool| self.0.values().filter(|o| is(o)).count();
        format!(
            "{} cases passed, {} failed, {} skipped",
            count(|o| *o == Outcome::Passed),
            count(|o| matches!(o, Outcome::Failed(_))),
            count(|o| matches!(o, Outcome::Skipped(_)))
        )
    }

    /// Fails with the cases that failed.
    pub(crate) fn all_pass(&self) -> Result {
        let failed: Vec<_> = self
            .0
            .iter()
            .filter_map(|(case, outcome)| match outcome {
                Outcome::Failed(why) => Some(format!("{case}: {why}")),
                _ => None,
            })
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            fail(failed.join("\n"))
        }
    }
}

/// Fails if the mount differs from the host in what is not excepted, or in less than is excepted.
pub(crate) fn judge(host: &Results, mount: &Results, exceptions: &Exceptions) -> Result {
    let mut wrong = Vec::new();
    for (case, on_host) in &host.0 {
        let excepted = exceptions.has(case);
        match (on_host, mount.0.get(case)) {
            (_, None) => wrong.push(format!("{case}: has no result on the mount")),
            (Outcome::Failed(_), Some(Outcome::Failed(_))) if !excepted => {
                println!("{case}: fails on ext4 too");
            }
            (_, Some(Outcome::Failed(why))) if !excepted => wrong.push(format!("{case}: {why}")),
            (Outcome::Failed(_), Some(Outcome::Failed(_))) => {
                wrong.push(format!(
                    "{case}: listed as an exception, but fails on ext4 too"
                ));
            }
            (_, Some(Outcome::Failed(_))) => {}
            (_, Some(Outcome::Passed)) if excepted => {
                wrong.push(format!("{case}: listed as an exception, but passes"));
            }
            (Outcome::Skipped(_), _) | (_, Some(Outcome::Passed)) => {}
            (_, Some(Outcome::Skipped(_))) if excepted => {}
            (_, Some(Outcome::Skipped(why))) => {
                wrong.push(format!("{case}: skipped on the mount only: {why}"));
            }
        }
    }
    for case in mount.0.keys().filter(|case| !host.0.contains_key(*case)) {
        wrong.push(format!("{case}: has no result on ext4"));
    }
    wrong.extend(
        exceptions
            .unknown(host)
            .map(|case| format!("{case}: listed, but no case")),
    );
    if wrong.is_empty() {
        Ok(())
    } else {
        fail(format!("{} cases:\n{}", wrong.len(), wrong.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(cases: &[(&str, Outcome)]) -> Results {
        let own = |(case, outcome): &(&str, Outcome)| ((*case).to_owned(), outcome.clone());
        Results(cases.iter().map(own).collect())
    }

    fn failed() -> Outcome {
        Outcome::Failed("why".to_owned())
    }

    fn verdict(host: Outcome, mount: Outcome, listed: &str) -> bool {
        let exceptions = Exceptions::parse(listed).unwrap();
        judge(
            &results(&[("a", host)]),
            &results(&[("a", mount)]),
            &exceptions,
        )
        .is_ok()
    }

    #[test]
    fn a_failure_of_the_mount_alone_must_be_listed() {
        assert!(verdict(Outcome::Passed, Outcome::Passed, ""));
        assert!(!verdict(Outcome::Passed, failed(), ""));
        assert!(verdict(Outcome::Passed, failed(), "a reason"));
        assert!(verdict(failed(), failed(), ""));
    }

    #[test]
    fn a_listed_case_that_passes_or_is_no_case_fails() {
        assert!(!verdict(Outcome::Passed, Outcome::Passed, "a reason"));
        assert!(!verdict(failed(), failed(), "a reason"));
        assert!(!verdict(Outcome::Passed, Outcome::Passed, "b reason"));
    }

    #[test]
    fn a_case_without_a_result_fails() {
        let (one, none) = (results(&[("a", Outcome::Passed)]), Results::default());
        let exceptions = Exceptions::parse("").unwrap();
        assert!(judge(&one, &none, &exceptions).is_err());
        assert!(judge(&none, &one, &exceptions).is_err());
    }

    #[test]
    fn a_case_skipped_on_the_mount_alone_must_be_listed() {
        let skipped = || Outcome::Skipped("why".to_owned());
        assert!(!verdict(Outcome::Passed, skipped(), ""));
        assert!(verdict(Outcome::Passed, skipped(), "a reason"));
        assert!(verdict(skipped(), skipped(), ""));
    }
}
