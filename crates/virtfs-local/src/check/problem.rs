//! Something wrong, before it is known where; and who counts and tells it.

use std::borrow::Cow;
use std::ops::ControlFlow;

use rustix::io::Errno;

use super::{Finding, Outcome, Severity, Watch};

/// How many bytes of a hostile name or line are shown.
const SHOWN: usize = 40;

/// Something wrong with the file at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) mend: Cow<'static, str>,
}

impl Problem {
    pub(super) fn error(what: impl Into<String>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Error, what, mend)
    }

    pub(super) fn warning(what: impl Into<String>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Warning, what, mend)
    }

    pub(super) fn note(what: impl Into<String>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Note, what, mend)
    }

    /// That a call failed.
    pub(super) fn unchecked(what: &str, error: Errno) -> Self {
        let reason = std::io::Error::from(error).to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        let mend = match error {
            Errno::ACCESS | Errno::PERM => "check as the user who serves it, or as root",
            _ => "",
        };
        Self::new(Severity::Unchecked, format!("{what}: {reason}"), mend)
    }

    pub(super) fn new(
        severity: Severity,
        what: impl Into<String>,
        mend: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            severity,
            what: what.into(),
            mend: mend.into(),
        }
    }
}

/// The beginning of whatever bytes, to be told.
pub(super) fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if start.len() < bytes.len() { "…" } else { "" };
    format!("'{}{more}'", start.escape_ascii())
}

/// Counts, and tells the watcher.
pub(super) struct Teller<'w> {
    watch: &'w mut dyn Watch,
    pub(super) outcome: Outcome,
}

impl<'w> Teller<'w> {
    pub(super) fn new(watch: &'w mut dyn Watch) -> Self {
        Self {
            watch,
            outcome: Outcome::default(),
        }
    }

    /// Tells of one more entry; whether to go on.
    pub(super) fn entry(&mut self) -> bool {
        if !self.outcome.ended {
            let told = self.watch.looking(self.outcome.entries);
            self.follow(told);
            self.outcome.entries += 1;
        }
        !self.outcome.ended
    }

    /// Whether the watcher has not ended it.
    pub(super) fn goes_on(&self) -> bool {
        !self.outcome.ended
    }

    pub(super) fn tell(&mut self, path: &[u8], problem: &Problem) {
        if self.outcome.ended {
            return;
        }
        let outcome = &mut self.outcome;
        *match problem.severity {
            Severity::Note => &mut outcome.notes,
            Severity::Warning => &mut outcome.warnings,
            Severity::Error => &mut outcome.errors,
            Severity::Unchecked => &mut outcome.unchecked,
        } += 1;
        let told = self.watch.found(&Finding {
            path,
            severity: problem.severity,
            what: &problem.what,
            mend: &problem.mend,
        });
        self.follow(told);
    }

    fn follow(&mut self, told: ControlFlow<()>) {
        self.outcome.ended |= told.is_break();
    }
}
