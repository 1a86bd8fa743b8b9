//! What can be chosen about a connection.

use std::time::Duration;

/// What can be chosen about a connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// The longest message in bytes that is proposed to the server (1 MiB).
    pub msize: u32,
    /// How long each wait for replies may take; `None`: for ever.
    pub timeout: Option<Duration>,
    /// How long connecting may take, and again how long `Tversion` (10 s).
    pub connect_timeout: Option<Duration>,
    /// How many requests of one large read or write are in flight at a time (4).
    pub depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            msize: 1 << 20,
            timeout: None,
            connect_timeout: Some(Duration::from_secs(10)),
            depth: 4,
        }
    }
}
