//! Standard output.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use super::shown::escaped;
use crate::failure::{Doing, Failure};

/// Standard output, buffered; escapes names if it is a terminal.
pub(super) struct Output {
    to: BufWriter<StdoutLock<'static>>,
    terminal: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            to: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            terminal: io::stdout().is_terminal(),
        }
    }

    /// A name from the server, as it may be written.
    pub(super) fn name<'n>(&self, name: &'n [u8]) -> Cow<'n, [u8]> {
        match self.terminal {
            true => match escaped(name) {
                Cow::Borrowed(text) => text.as_bytes().into(),
                Cow::Owned(text) => text.into_bytes().into(),
            },
            false => name.into(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Standard output without a buffer, for large pieces of files.
pub(super) fn unbuffered() -> io::Result<File> {
    Ok(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?.into())
}

/// The end of a command whose only failures are those of standard output. Whoever reads it may
/// have seen enough: that is none.
pub(super) fn written(done: io::Result<()>) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.doing(|| "cannot write to standard output"),
    }
}
