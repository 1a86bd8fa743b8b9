//! Replies.

use virtfs_proto::{Dialect, HEADER_LEN, Header, Rmessage, head_len, kind};

/// A reply that came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// Its type byte.
    #[track_caller]
    pub(crate) fn kind(&self) -> u8 {
        self.header().kind
    }

    /// The tag that it answers.
    #[track_caller]
    pub(crate) fn tag(&self) -> u16 {
        self.header().tag
    }

    /// The errno of an `Rlerror`.
    #[track_caller]
    pub(crate) fn ecode(&self) -> Option<u32> {
        match self.message() {
            Rmessage::Lerror(error) => Some(error.ecode),
            _ => None,
        }
    }

    /// The payload of an `Rread`.
    #[track_caller]
    pub(crate) fn payload(&self) -> &[u8] {
        assert_eq!(self.kind(), kind::RREAD, "{:?}", self.message());
        &self.bytes[11..]
    }

    #[track_caller]
    pub(crate) fn message(&self) -> Rmessage<'_> {
        let head = head_len(self.header().kind, self.bytes.len() as u32) as usize;
        let decoded = Rmessage::decode(Dialect::L, &self.bytes[..head]);
        decoded.expect("a reply is well made").1
    }

    #[track_caller]
    fn header(&self) -> Header {
        let header = self.bytes.get(..HEADER_LEN).expect("a reply has a header");
        let header = Header::decode(header).expect("a header can be decoded");
        assert_eq!(
            header.size as usize,
            self.bytes.len(),
            "used.len is its size"
        );
        header
    }
}
