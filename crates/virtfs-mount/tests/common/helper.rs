//! Other processes: the test's own program, started again.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a helper writes before its words, so that they stand out from the test harness's.
const MARK: &str = "@@";

/// A process that does what it is told, line by line.
pub struct Helper {
    pub child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts the test `entry` of this program as a helper, on a file.
    pub fn start(entry: &str, file: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", entry, "--nocapture", "--test-threads=1"])
            .env("HELPER_FILE", file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// Tells it something.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input.as_ref().unwrap(), "{line}").unwrap();
    }

    /// Has nothing more to tell it: it ends by itself.
    pub fn finish(&mut self) {
        self.input = None;
    }

    /// What it says next; `None` if it has ended.
    pub fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Tells it something and hears what it says.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear().expect("the helper answers")
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the helper: the file it was started on. `None` in the test itself.
pub fn file() -> Option<String> {
    env::var("HELPER_FILE").ok()
}

/// In the helper: says something.
pub fn say(what: &str) {
    println!("{MARK}{what}");
}
