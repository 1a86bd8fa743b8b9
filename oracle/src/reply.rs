//! What came back, decoded.

use virtfs_proto::{Dialect, DirEntries, Qid, Rmessage, head_len};

use crate::errno;
use crate::peer::Answer;

/// What came of a request on one side.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// It succeeded: the reply and its payload.
    Done(Rmessage<'a>, &'a [u8]),
    /// It failed with this errno.
    Failed(u32),
    /// No reply: a broken device, or the end of the session.
    Broken,
    /// Bytes that are no reply.
    Garbage,
}

impl<'a> Reply<'a> {
    /// What an answer says.
    pub(crate) fn new(answer: &'a Answer) -> Self {
        let frame = match answer {
            Answer::Frame(frame) => frame,
            Answer::Broken => return Self::Broken,
        };
        let (Some(size), Some(&kind)) = (frame.first_chunk::<4>(), frame.get(4)) else {
            return Self::Garbage;
        };
        if u32::from_le_bytes(*size) as usize != frame.len() {
            return Self::Garbage;
        }
        let head = head_len(kind, frame.len() as u32) as usize;
        match Rmessage::decode(Dialect::L, &frame[..head]) {
            Ok((_, Rmessage::Lerror(error))) => Self::Failed(error.ecode),
            Ok((_, message)) => Self::Done(message, &frame[head..]),
            Err(_) => Self::Garbage,
        }
    }

    /// Whether it succeeded.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(..))
    }

    /// In one word: `OK`, the errno's name, `BROKEN` or `GARBAGE`.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Done(..) => "OK".to_owned(),
            Self::Failed(ecode) => errno::name(*ecode),
            Self::Broken => "BROKEN".to_owned(),
            Self::Garbage => "GARBAGE".to_owned(),
        }
    }

    /// The cookies of the entries that it lists.
    pub(crate) fn cookies(&self) -> Vec<u64> {
        match self {
            Self::Done(Rmessage::Readdir(_), payload) => DirEntries::new(payload)
                .map_while(Result::ok)
                .map(|entry| entry.offset)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The one qid that the reply to a creation has.
    pub(crate) fn qid(&self) -> Option<Qid> {
        let Self::Done(message, _) = self else {
            return None;
        };
        match message {
            Rmessage::Attach(m) => Some(m.qid),
            Rmessage::Lopen(m) => Some(m.qid),
            Rmessage::Lcreate(m) => Some(m.qid),
            Rmessage::Symlink(m) => Some(m.qid),
            Rmessage::Mknod(m) => Some(m.qid),
            Rmessage::Mkdir(m) => Some(m.qid),
            Rmessage::Getattr(m) => Some(m.qid),
            Rmessage::Walk(m) => m.qids.iter().last(),
            _ => None,
        }
    }
}
