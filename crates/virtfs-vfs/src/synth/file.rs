//! A file made of callbacks.

use std::fmt;
use std::sync::Arc;

use crate::{Cx, Errno, FileKind, ReplyBody, RequestBody};

type ReadFn = dyn Fn(&Cx<'_>, u64, &mut dyn ReplyBody) -> Result<(), Errno> + Send + Sync;
type WriteFn = dyn Fn(&Cx<'_>, u64, &mut dyn RequestBody) -> Result<usize, Errno> + Send + Sync;
type LengthFn = dyn Fn() -> u64 + Send + Sync;

/// A file of a [`super::Synth`]: its mode, and what reading and writing it does.
///
/// A file without a read callback cannot be opened for reading, one without a write callback not
/// for writing (`EACCES`), whatever its mode says. Clones share their callbacks.
#[derive(Clone)]
pub struct File {
    mode: u32,
    read: Option<Arc<ReadFn>>,
    write: Option<Arc<WriteFn>>,
    length: Option<Arc<LengthFn>>,
}

impl File {
    /// A file of these permission bits that can be neither read nor written yet.
    pub fn new(mode: u32) -> Self {
        Self {
            mode: FileKind::Regular.mode_bits() | mode & 0o7777,
            read: None,
            write: None,
            length: None,
        }
    }

    /// A file of mode `0444` that holds these bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let length = bytes.len() as u64;
        Self::new(0o444)
            .read(move |_, offset, reply| {
                put_from(&bytes, offset, reply);
                Ok(())
            })
            .length(move || length)
    }

    /// A file of mode `0444` whose text is made anew for every read and every look at its length.
    pub fn text(make: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let make = Arc::new(make);
        let again = Arc::clone(&make);
        Self::new(0o444)
            .read(move |_, offset, reply| {
                put_from(make().as_bytes(), offset, reply);
                Ok(())
            })
            .length(move || again().len() as u64)
    }

    /// What a read does: put at most [`ReplyBody::room`] bytes from the offset on; none at the
    /// end. An error after some bytes were put ends the read with those.
    pub fn read(
        mut self,
        read: impl Fn(&Cx<'_>, u64, &mut dyn ReplyBody) -> Result<(), Errno> + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Arc::new(read));
        self
    }

    /// What a write does: take bytes of the body, and answer how many went.
    pub fn write(
        mut self,
        write: impl Fn(&Cx<'_>, u64, &mut dyn RequestBody) -> Result<usize, Errno>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.write = Some(Arc::new(write));
        self
    }

    /// What the length in bytes is said to be; 0 without it. Clients that cache read no further.
    pub fn length(mut self, length: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.length = Some(Arc::new(length));
        self
    }

    pub(super) fn mode(&self) -> u32 {
        self.mode
    }

    pub(super) fn size(&self) -> u64 {
        self.length.as_ref().map_or(0, |length| length())
    }

    pub(super) fn on_read(&self) -> Option<&ReadFn> {
        self.read.as_deref()
    }

    pub(super) fn on_write(&self) -> Option<&WriteFn> {
        self.write.as_deref()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("readable", &self.read.is_some())
            .field("writable", &self.write.is_some())
            .finish()
    }
}

/// Puts what `bytes` hold from `offset` on.
pub(super) fn put_from(bytes: &[u8], offset: u64, reply: &mut dyn ReplyBody) {
    let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
    reply.put(rest.unwrap_or_default());
}

/// Takes all that is left of a body and forgets it; returns how many bytes that was.
pub(super) fn discard(body: &mut dyn RequestBody) -> usize {
    let mut sink = [0; 4096];
    let mut total = 0;
    loop {
        match body.take(&mut sink) {
            0 => return total,
            taken => total += taken,
        }
    }
}
