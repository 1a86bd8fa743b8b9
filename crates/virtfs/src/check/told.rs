//! Findings on standard output, a line each; how far the check is, on a terminal.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use virtfs_local::check::{Finding, Outcome, Severity};

use crate::client::shown::escaped;

/// The longest path that is shown whole, in bytes.
const PATH_SHOWN: usize = 4096;
/// How much of a longer one is shown at each end.
const END_SHOWN: usize = 512;
/// A check that takes less has no progress to show.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often it is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Told {
    out: BufWriter<StdoutLock<'static>>,
    /// Whether somebody may be reading as it is written.
    terminal: bool,
    error: io::Result<()>,
    /// The directory as it was typed, and a slash.
    base: Vec<u8>,
    quiet: bool,
    bar: ProgressBar,
    drawn: Option<Instant>,
}

impl Told {
    pub(super) fn new(dir: &Path, quiet: bool) -> Self {
        let mut base = dir.as_os_str().as_bytes().to_vec();
        if !base.ends_with(b"/") {
            base.push(b'/');
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self {
            out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            terminal: io::stdout().is_terminal(),
            error: Ok(()),
            base,
            quiet,
            bar,
            drawn: io::stderr().is_terminal().then(Instant::now),
        }
    }

    /// Tells of a finding. It breaks when nobody can be told.
    pub(super) fn finding(&mut self, finding: &Finding<'_>) -> ControlFlow<()> {
        if self.quiet && finding.severity == Severity::Note {
            return ControlFlow::Continue(());
        }
        let line = line(&self.base, finding);
        let (out, terminal) = (&mut self.out, self.terminal);
        self.error = self.bar.suspend(|| {
            out.write_all(line.as_bytes())?;
            match terminal {
                true => out.flush(),
                false => Ok(()),
            }
        });
        match self.error {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Shows how many entries were looked at, now and then.
    pub(super) fn progress(&mut self, entries: u64) {
        let Some(drawn) = self.drawn.filter(|_| entries.is_multiple_of(64)) else {
            return;
        };
        let hidden = self.bar.is_hidden();
        if drawn.elapsed() < if hidden { PATIENCE } else { INTERVAL } {
            return;
        }
        if hidden {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar
            .set_message(format!("{} entries", HumanCount(entries)));
        self.bar.tick();
        self.drawn = Some(Instant::now());
    }

    /// Tells what it came to. Whoever reads it may have seen enough: that is no error.
    pub(super) fn end(mut self, outcome: &Outcome) -> io::Result<()> {
        self.bar.finish_and_clear();
        let written = self.error.and_then(|()| {
            if !self.quiet {
                self.out.write_all(summary(outcome).as_bytes())?;
            }
            self.out.flush()
        });
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // What is left in the buffer is not to be tried again.
                let _ = self.out.into_parts();
                Ok(())
            }
            written => written,
        }
    }
}

fn line(base: &[u8], finding: &Finding<'_>) -> String {
    let Finding {
        severity,
        what,
        mend,
        ..
    } = finding;
    let path = path(base, finding.path);
    let mend = match mend.is_empty() {
        true => String::new(),
        false => format!(" (to mend: {mend})"),
    };
    format!("{path}: {}: {what}{mend}\n", severity.name())
}

fn path(base: &[u8], below: &[u8]) -> String {
    if below.is_empty() {
        let root = base.strip_suffix(b"/").filter(|root| !root.is_empty());
        return escaped(root.unwrap_or(base)).into_owned();
    }
    let base = escaped(base);
    let middle = below.len().saturating_sub(2 * END_SHOWN);
    let ends = below.get(..END_SHOWN).zip(below.get(END_SHOWN + middle..));
    match ends {
        Some((start, end)) if below.len() > PATH_SHOWN => {
            let (start, end) = (escaped(start), escaped(end));
            format!("{base}{start}…[{middle} bytes]…{end}")
        }
        _ => format!("{base}{}", escaped(below)),
    }
}

fn summary(outcome: &Outcome) -> String {
    let count = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let entries = match outcome.entries {
        1 => "1 entry".into(),
        entries => format!("{entries} entries"),
    };
    let mut summary = format!(
        "{}{entries}: {}, {}, {}",
        if outcome.ended {
            "interrupted after "
        } else {
            ""
        },
        count(outcome.errors, "error"),
        count(outcome.warnings, "warning"),
        count(outcome.notes, "note"),
    );
    if outcome.unchecked > 0 {
        summary += &format!(", {} not checked", outcome.unchecked);
    }
    summary += match (outcome.mapped_xattr, outcome.mapped_file) {
        (false, false) => "; no metadata of a mapped model",
        (true, false) => "; mapped-xattr",
        (false, true) => "; mapped-file",
        (true, true) => "; mapped-xattr and mapped-file",
    };
    summary + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &[u8], mend: &str) -> String {
        let severity = Severity::Warning;
        let what = "it is odd";
        let finding = Finding {
            path,
            severity,
            what,
            mend,
        };
        line(b"/srv/", &finding)
    }

    #[test]
    fn a_finding_is_one_line_whatever_its_name() {
        let expected = "/srv/a\\n\\x1b[2J: warning: it is odd (to mend: make it even)\n";
        assert_eq!(shown(b"a\n\x1b[2J", "make it even"), expected);
        assert_eq!(shown(b"", ""), "/srv: warning: it is odd\n");
        assert_eq!(path(b"/", b""), "/");
        assert_eq!(path(b"/", b"a"), "/a");
    }

    #[test]
    fn the_middle_of_a_long_path_is_left_out() {
        let long = shown(&[b'x'; 200_000], "");
        assert!(
            long.len() < 2000 && long.contains("…[198976 bytes]…"),
            "{long}"
        );
    }
}
