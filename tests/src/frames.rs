//! Requests as bytes.

use virtfs_proto::{Dialect, Tmessage};

/// A request as one frame.
pub fn frame<'a>(tag: u16, message: impl Into<Tmessage<'a>>) -> Vec<u8> {
    frame_with(tag, message, &[])
}

/// A request and its payload as one frame.
pub fn frame_with<'a>(tag: u16, message: impl Into<Tmessage<'a>>, payload: &[u8]) -> Vec<u8> {
    let message = message.into();
    let mut bytes = vec![0; 256];
    let length = message
        .encode(Dialect::L, tag, &mut bytes)
        .unwrap_or_else(|_| {
            bytes.resize(1 << 18, 0);
            let encoded = message.encode(Dialect::L, tag, &mut bytes);
            encoded.expect("what a test sends can be encoded")
        });
    bytes.truncate(length);
    bytes.extend_from_slice(payload);
    bytes
}

/// Several requests that are sent by one write.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub fn add<'a>(&mut self, tag: u16, message: impl Into<Tmessage<'a>>) -> &mut Self {
        self.bytes.extend(frame(tag, message));
        self
    }

    /// One more, with a payload.
    pub fn add_with<'a>(
        &mut self,
        tag: u16,
        message: impl Into<Tmessage<'a>>,
        payload: &[u8],
    ) -> &mut Self {
        self.bytes.extend(frame_with(tag, message, payload));
        self
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
