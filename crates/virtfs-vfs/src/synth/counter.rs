//! A file that counts what is done to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::File;
use super::file::{discard, put_from};

/// Counts the reads and writes of the files made from it. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file of mode `0666` that takes every write whole, whatever its offset, and reads as the
    /// number of bytes written so far, in decimal, with a newline.
    pub fn file(&self) -> File {
        let (on_read, on_write, on_stat) = (self.clone(), self.clone(), self.clone());
        File::new(0o666)
            .read(move |_, offset, reply| {
                on_read.0.reads.fetch_add(1, Relaxed);
                put_from(on_read.text().as_bytes(), offset, reply);
                Ok(())
            })
            .write(move |_, _, body| {
                let taken = discard(body);
                on_write.0.writes.fetch_add(1, Relaxed);
                on_write.0.bytes.fetch_add(taken as u64, Relaxed);
                Ok(taken)
            })
            .length(move || on_stat.text().len() as u64)
    }

    /// How many reads there were.
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Relaxed)
    }

    /// How many writes there were.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Relaxed)
    }

    /// How many bytes were written.
    pub fn bytes_written(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    fn text(&self) -> String {
        format!("{}\n", self.bytes_written())
    }
}
