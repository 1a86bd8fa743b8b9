//! What the program tells on standard error while it runs.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What this process's lines begin with; none for the first process.
static LABEL: OnceLock<String> = OnceLock::new();

/// Starts telling what is at least as important as `level`.
pub(crate) fn start(level: impl Into<LevelFilter>) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        // A line that cannot be written is nobody's fault; telling of it would fail as well, and panic.
        .log_internal_errors(false)
        .event_format(Line)
        .init();
}

/// From now on the lines of this process say whom they are about.
pub(crate) fn label(text: String) {
    // The second time it is the same.
    let _ = LABEL.set(text);
}

/// Time, level, label, message. It is written by one call, so lines of several processes stay whole.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut line)?;
        write!(line, " {:>5} ", event.metadata().level())?;
        if let Some(label) = LABEL.get() {
            write!(line, "{label}: ")?;
        }
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}
