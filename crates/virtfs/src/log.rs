//! What the program tells on standard error while it runs.

use std::io;

use tracing::level_filters::LevelFilter;

/// Starts telling what is at least as important as `level`.
pub(crate) fn start(level: impl Into<LevelFilter>) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .init();
}
