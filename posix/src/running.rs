//! A program that runs beside a suite: what it says is kept, and it ends with the suite.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{At, Result, fail};

/// How long a killed process may take. One that waits for a broken mount is beyond it, and must
/// not keep us from ending the mount; it ends with the namespace.
const KILLED: Duration = Duration::from_secs(5);

/// A child process; killed when dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    said: Arc<Said>,
    listeners: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Running {
    /// Starts it with no input; both its outputs are kept.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .at(&name)?;
        let said = Arc::new(Said::default());
        let mut listeners = Vec::new();
        if let Some(out) = child.stdout.take() {
            listeners.push(listen(out, Arc::clone(&said)));
        }
        if let Some(err) = child.stderr.take() {
            listeners.push(listen(err, Arc::clone(&said)));
        }
        Ok(Self {
            name,
            child,
            said,
            listeners,
        })
    }

    /// Runs it to its end; fails with the end of what it said if that is not status 0 within `limit`. Gives
    /// what it said.
    pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<String> {
        let mut running = Self::start(command)?;
        match running.wait(limit)? {
            Some(status) => {
                let output = running.finished();
                if status.success() {
                    return Ok(output);
                }
                fail(format!("{}: {status}\n{}", running.name, running.log()))
            }
            None => fail(format!(
                "{}: still runs after {limit:?}\n{}",
                running.name,
                running.log()
            )),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `text`.
    pub(crate) fn wait_for(&mut self, text: &str, limit: Duration) -> Result {
        self.wait_until(&format!("say {text:?}"), limit, |log| {
            log.iter().any(|line| line.contains(text))
        })
    }

    /// Waits until it ends; `None` if it does not within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().at(&self.name)? {
                return Ok(Some(status));
            }
            if Instant::now() > end {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).at(format!("{signal:?} to {}", self.name))
    }

    /// Sends SIGTERM, on which it must end with status 0.
    pub(crate) fn end(mut self, limit: Duration) -> Result {
        self.signal(Signal::TERM)?;
        match self.wait(limit)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => fail(format!(
                "{}: {status} on SIGTERM\n{}",
                self.name,
                self.log()
            )),
            None => fail(format!(
                "{}: does not end on SIGTERM\n{}",
                self.name,
                self.log()
            )),
        }
    }

    /// The end of what it has said so far (100 lines).
    pub(crate) fn log(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(100)..].join("\n")
    }

    /// All that it said, after it has ended.
    pub(crate) fn finished(&mut self) -> String {
        for listener in self.listeners.drain(..) {
            let _ = listener.join();
        }
        self.lines().join("\n")
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.said
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        done: impl Fn(&[String]) -> bool,
    ) -> Result {
        let end = Instant::now() + limit;
        loop {
            let ended = self.child.try_wait().at(&self.name)?;
            let lines = self
                .said
                .lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if done(&lines) {
                return Ok(());
            }
            // An output is read by a thread of its own, so its last lines may come after the end.
            let (lines, _) = self
                .said
                .more
                .wait_timeout(lines, Duration::from_millis(50))
                .unwrap_or_else(PoisonError::into_inner);
            if done(&lines) {
                return Ok(());
            }
            if ended.is_some() || Instant::now() > end {
                let how = ended.map_or_else(|| "still runs".to_owned(), |s| s.to_string());
                return fail(format!(
                    "{}: did not {what} ({how})\n{}",
                    self.name,
                    lines.join("\n")
                ));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.wait(KILLED);
    }
}

fn listen(output: impl Read + Send + 'static, said: Arc<Said>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(|l| l.ok()) {
            let line = String::from_utf8_lossy(&line).into_owned();
            said.lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
            said.more.notify_all();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_says_on_either_output_is_awaited() {
        let mut running =
            Running::start(&mut shell("echo one; echo two >&2; exec sleep 60")).unwrap();
        running.wait_for("two", LIMIT).unwrap();
        running.wait_for("one", LIMIT).unwrap();
    }

    #[test]
    fn a_program_that_ends_without_the_line_is_a_failure() {
        let mut running = Running::start(&mut shell("echo why; exit 3")).unwrap();
        let failure = running.wait_for("ready", LIMIT).unwrap_err();
        assert!(failure.to_string().contains("why"), "{failure}");
    }

    #[test]
    fn a_status_other_than_0_is_a_failure_that_shows_the_output() {
        let failure = Running::run(&mut shell("echo why >&2; exit 3"), LIMIT).unwrap_err();
        assert!(failure.to_string().contains("exit status: 3"), "{failure}");
    }

    #[test]
    fn ending_asks_for_status_0_on_sigterm() {
        let ready = "echo ready; while :; do sleep 0.01; done";
        for (trap, good) in [("trap 'exit 0' TERM", true), ("trap 'exit 1' TERM", false)] {
            let mut running = Running::start(&mut shell(&format!("{trap}; {ready}"))).unwrap();
            running.wait_for("ready", LIMIT).unwrap();
            assert_eq!(running.end(LIMIT).is_ok(), good, "{trap}");
        }
    }
}
