//! What came out of a run, read from the guest's console.

use std::fmt::Write as _;

/// The mark of the lines on the console that are meant for the harness.
const MARK: &str = "virtfs-guest: ";

/// The result of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemResult {
    /// The item's name.
    pub name: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Time that it took in the guest, in seconds.
    pub seconds: f64,
}

/// What one boot gave.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The results in order of their ends.
    pub items: Vec<ItemResult>,
    /// Names of the items that were asked for.
    pub wanted: Vec<String>,
    /// All that the guest and the launcher printed.
    pub console: String,
    /// All that the server printed.
    pub server_log: String,
    /// The server's status after SIGTERM (128 + signal if one ended it), if it was still there.
    pub server_status: Option<i32>,
    /// What the server still held when the guest was gone, if that was more than before.
    pub left_over: Option<String>,
    /// Whether the whole run was killed because its time was over.
    pub timed_out: bool,
    /// Whether the guest's kernel ran its programs no longer.
    pub stood_still: bool,
    pub(crate) must_end_cleanly: bool,
}

impl Output {
    /// Takes in one line of the console; gives the result if the line is one.
    pub(crate) fn take_line(&mut self, line: &str) -> Option<&ItemResult> {
        self.console.push_str(line);
        self.console.push('\n');
        let line = line.trim_end();
        // A message of the kernel may stand before the mark on the same line.
        let line = &line[line.find(MARK)? + MARK.len()..];
        if let Some(status) = line.strip_prefix("server status ") {
            self.server_status = status.parse().ok();
            return None;
        }
        if let Some(what) = line.strip_prefix("left over: ") {
            self.left_over = Some(what.to_owned());
            return None;
        }
        self.items.push(parse_result(line)?);
        self.items.last()
    }

    /// Takes in the results of another boot, for the items that had none.
    pub(crate) fn continue_with(&mut self, again: Self) {
        self.items.extend(again.items);
        self.console.push_str(&again.console);
        self.server_log = again.server_log;
        self.server_status = again.server_status;
        self.left_over = again.left_over;
        self.timed_out = again.timed_out;
        self.stood_still = again.stood_still;
    }

    /// Everything that is not as it should be, with the log that tells why; `None` if all is well.
    pub fn complaint(&self) -> Option<String> {
        let mut text = String::new();
        for item in self.items.iter().filter(|item| item.failure.is_some()) {
            let failure = item.failure.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "FAIL {} ({failure})\n{}",
                item.name,
                self.log_of(&item.name)
            );
        }
        let missing: Vec<_> = self
            .wanted
            .iter()
            .filter(|name| !self.has(name))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let why = if self.timed_out {
                "out of time"
            } else if self.stood_still {
                "the guest's kernel stood still, several times"
            } else {
                "the guest ended early"
            };
            let tail = last_lines(&self.console, 150);
            let _ = writeln!(text, "no result ({why}): {}\n{tail}", missing.join(" "));
        }
        if let Some(what) = self.left_over.as_ref().filter(|_| self.must_end_cleanly) {
            let _ = writeln!(text, "left over in the server: {what}");
        }
        if self.must_end_cleanly && self.server_status != Some(0) {
            let _ = writeln!(
                text,
                "SIGTERM did not end the server with 0: {:?}",
                self.server_status
            );
        }
        if text.is_empty() {
            return None;
        }
        let _ = writeln!(
            text,
            "the server's log ends:\n{}",
            last_lines(&self.server_log, 40)
        );
        Some(text)
    }

    /// Panics with the complaint if there is one.
    #[track_caller]
    pub fn check(&self) {
        if let Some(complaint) = self.complaint() {
            panic!("{complaint}");
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.name == name)
    }

    /// What the console showed between the item's begin and its result.
    fn log_of(&self, name: &str) -> &str {
        let begin = format!("{MARK}begin {name}");
        let Some(start) = self.console.find(&begin) else {
            return "";
        };
        let log = &self.console[start + begin.len()..];
        let end = log
            .find(&format!("{MARK}FAIL {name} "))
            .unwrap_or(log.len());
        log[..end].trim()
    }
}

/// Whether the line only says that the kernel runs its programs.
pub(crate) fn is_alive(line: &str) -> bool {
    line.trim_end().ends_with("virtfs-guest: alive")
}

/// `ok NAME START END` or `FAIL NAME START END WHY…`, times in seconds since boot.
fn parse_result(line: &str) -> Option<ItemResult> {
    let mut words = line.splitn(5, ' ');
    let ok = match words.next()? {
        "ok" => true,
        "FAIL" => false,
        _ => return None,
    };
    let name = words.next()?.to_owned();
    let start: f64 = words.next()?.parse().ok()?;
    let end: f64 = words.next()?.parse().ok()?;
    let why = words.next().unwrap_or("no reason given").to_owned();
    Some(ItemResult {
        name,
        failure: (!ok).then_some(why),
        seconds: end - start,
    })
}

pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Output {
        let wanted = vec!["a".to_owned(), "b".to_owned()];
        let mut output = Output {
            wanted,
            ..Output::default()
        };
        for line in lines {
            output.take_line(line);
        }
        output
    }

    #[test]
    fn a_run_with_every_result_ok_has_no_complaint() {
        let output = after(&[
            "virtfs-guest: ok a 1.50 2.75",
            "[    3.0] some noise virtfs-guest: ok b 2.75 3.00\r",
        ]);
        assert_eq!(output.complaint(), None);
        assert_eq!(output.items[0].seconds, 1.25);
    }

    #[test]
    fn a_failure_is_shown_with_its_own_log() {
        let output = after(&[
            "virtfs-guest: begin a",
            "why it failed",
            "virtfs-guest: FAIL a 1 2 status 1",
            "virtfs-guest: begin b",
            "virtfs-guest: ok b 2 3",
        ]);
        let complaint = output.complaint().unwrap();
        assert!(
            complaint.contains("FAIL a (status 1)\nwhy it failed\n"),
            "{complaint}"
        );
        assert!(!complaint.contains("begin b"));
    }

    #[test]
    fn a_missing_result_is_a_failure() {
        let output = after(&["virtfs-guest: ok a 1 2", "Kernel panic"]);
        let complaint = output.complaint().unwrap();
        assert!(
            complaint.contains("no result (the guest ended early): b"),
            "{complaint}"
        );
        assert!(complaint.contains("Kernel panic"));
    }

    #[test]
    fn a_server_that_does_not_end_with_0_is_a_failure() {
        let mut output = after(&["virtfs-guest: ok a 1 2", "virtfs-guest: ok b 1 2"]);
        output.must_end_cleanly = true;
        assert!(output.complaint().is_some());
        output.take_line("virtfs-guest: server status 0");
        assert_eq!(output.complaint(), None);
        output.take_line("virtfs-guest: server status 137");
        assert!(output.complaint().is_some());
    }

    #[test]
    fn what_a_guest_left_over_is_a_failure() {
        let mut output = after(&["virtfs-guest: ok a 1 2", "virtfs-guest: ok b 1 2"]);
        output.take_line("virtfs-guest: left over: 2 processes");
        output.take_line("virtfs-guest: server status 0");
        assert_eq!(output.complaint(), None, "a server of others");
        output.must_end_cleanly = true;
        assert!(output.complaint().unwrap().contains("2 processes"));
    }

    #[test]
    fn a_second_boot_gives_the_results_that_the_first_had_not() {
        let mut output = after(&["virtfs-guest: ok a 1 2"]);
        output.stood_still = true;
        assert!(output.complaint().unwrap().contains("stood still"));
        output.continue_with(after(&["virtfs-guest: ok b 1 2"]));
        assert_eq!(output.complaint(), None);
        output.continue_with(after(&["virtfs-guest: FAIL b 1 2 status 1"]));
        assert!(output.complaint().is_some());
    }

    #[test]
    fn a_sign_of_life_is_known_behind_a_message_of_the_kernel() {
        assert!(is_alive("virtfs-guest: alive\r"));
        assert!(is_alive("[    3.0] noise virtfs-guest: alive"));
        assert!(!is_alive("virtfs-guest: ok alive 1 2"));
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_result() {
        assert!(
            after(&["virtfs-guest: ok a 1", "virtfs-guest: ok"])
                .items
                .is_empty()
        );
    }
}
