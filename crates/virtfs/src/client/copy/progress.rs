//! How far a copy is, and the line on the terminal that tells it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressDrawTarget, ProgressStyle};

use super::super::report::Report;

/// A copy that takes less has no progress to show.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often it is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Entries that were met: files, links, directories.
    pub(crate) found: AtomicU64,
    /// Those of them that were copied.
    pub(crate) copied: AtomicU64,
    /// The bytes of the files met.
    pub(crate) bytes_found: AtomicU64,
    /// Those that were copied; holes count.
    pub(crate) bytes: AtomicU64,
    /// Directories whose entries have not all been met.
    pub(crate) listing: AtomicU64,
    /// What all comes to, entries and bytes, once somebody has looked ahead.
    pub(crate) total: AtomicU64,
    pub(crate) bytes_total: AtomicU64,
    over: AtomicBool,
}

impl Progress {
    /// Shows it on a terminal until [`Progress::end`].
    pub(crate) fn show(self: &Arc<Self>, report: &Arc<Report>) -> Option<JoinHandle<()>> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let (progress, report) = (self.clone(), report.clone());
        thread::Builder::new()
            .name("progress".into())
            .spawn(move || progress.draw(&report))
            .ok()
    }

    /// Nothing more is to be shown.
    pub(crate) fn end(&self, shown: Option<JoinHandle<()>>) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = shown {
            thread.thread().unpark();
            // It only draws: how it ended does not matter.
            let _ = thread.join();
        }
    }

    fn draw(&self, report: &Report) {
        let start = Instant::now();
        let bar = &report.bar;
        while !self.over.load(Ordering::Relaxed) {
            let passed = start.elapsed();
            if passed < PATIENCE {
                thread::park_timeout(PATIENCE - passed);
                continue;
            }
            if bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            self.update(report, passed);
            bar.tick();
            thread::park_timeout(INTERVAL);
        }
        bar.finish_and_clear();
    }

    fn update(&self, report: &Report, passed: Duration) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (copied, bytes) = (get(&self.copied), get(&self.bytes));
        let rate = (bytes as f64 / passed.as_secs_f64()) as u64;
        let (total, bytes_total) = match (get(&self.total), get(&self.listing)) {
            (0, 0) => (get(&self.found), get(&self.bytes_found)),
            (0, _) => (0, 0),
            (total, _) => (total, get(&self.bytes_total)),
        };
        let bar = &report.bar;
        let style = match bytes_total {
            0 => "{spinner} {msg}",
            _ => "[{wide_bar:.cyan}] {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        let of = |total: u64, shown: String| match total {
            0 => String::new(),
            _ => format!(" of {shown}"),
        };
        bar.set_message(format!(
            "{}{} files, {}{}, {}/s",
            HumanCount(copied),
            of(total, HumanCount(total).to_string()),
            HumanBytes(bytes),
            of(bytes_total, HumanBytes(bytes_total).to_string()),
            HumanBytes(rate),
        ));
        bar.set_length(bytes_total.max(1));
        bar.set_position(bytes.min(bytes_total.max(1)));
    }
}
