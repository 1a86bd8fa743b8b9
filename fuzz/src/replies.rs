//! What must hold of a server's replies, whatever it was asked.

use std::collections::HashMap;

use virtfs_proto::{Dialect, Header, Rmessage, head_len, kind};

use crate::frames::frames;

/// Checks what a session was sent and what it answered. Panics if a reply is cut off, too long,
/// cannot be decoded, or answers nothing that was asked.
pub(crate) fn check(requests: &[u8], replies: &[u8], msize: u32) {
    let mut asked: HashMap<u16, Vec<u8>> = HashMap::new();
    for frame in frames(requests) {
        if let Some(kind) = frame.kind() {
            asked.entry(frame.tag()).or_default().push(kind);
        }
    }
    let mut dialect = Dialect::L;
    for frame in frames(replies) {
        let Some(kind) = frame.kind() else {
            panic!("what is no frame was answered: {:02x?}", frame.bytes);
        };
        let size = frame.bytes.len() as u32;
        assert!(size <= msize, "a reply of {size} bytes");
        let tag = frame.tag();
        let asked = asked.entry(tag).or_default();
        let fits = |request: &u8| {
            request.wrapping_add(1) == kind || matches!(kind, kind::RLERROR | kind::RERROR)
        };
        let Some(at) = asked.iter().position(fits) else {
            panic!(
                "nobody asked for type {kind}, tag {tag}: {:02x?}",
                frame.bytes
            );
        };
        asked.remove(at);
        let head = frame.bytes.get(..head_len(kind, size) as usize);
        let head = head.unwrap_or_default();
        assert!(Header::decode(head).is_ok());
        match Rmessage::decode(dialect, head) {
            Ok((_, Rmessage::Version(version))) => {
                dialect = Dialect::from_version(version.version).unwrap_or(dialect);
            }
            Ok(_) => {}
            Err(error) => panic!("a reply of type {kind}: {error}: {:02x?}", frame.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use virtfs_proto::NOTAG;

    use super::*;
    use crate::frames::frame;

    const MSIZE: u32 = 100;

    fn is_finding(requests: &[u8], replies: &[u8]) -> bool {
        catch_unwind(|| check(requests, replies, MSIZE)).is_err()
    }

    #[test]
    fn replies_must_be_whole_wanted_and_of_their_form() {
        let version = [&8192u32.to_le_bytes()[..], &[8, 0], b"9P2000.L"].concat();
        let requests = [
            frame(kind::TVERSION, NOTAG, &version),
            frame(kind::TCLUNK, 1, &[0; 4]),
            frame(kind::TCLUNK, 1, &[0; 4]),
            frame(kind::TREAD, 2, &[0; 16]),
        ]
        .concat();
        let begun = frame(kind::RVERSION, NOTAG, &version);
        let clunked = frame(kind::RCLUNK, 1, &[]);
        let refused = frame(kind::RLERROR, 1, &[2, 0, 0, 0]);
        let good = [begun.clone(), clunked.clone(), refused.clone()].concat();
        assert!(!is_finding(&requests, &good));
        for bad in [
            clunked[..6].to_vec(),
            refused.repeat(3),
            frame(kind::RCLUNK, 3, &[]),
            frame(kind::RCLUNK, 2, &[]),
            frame(kind::RCLUNK, 1, &[0]),
            frame(kind::RREAD, 2, &[5, 0, 0, 0]),
            frame(
                kind::RREAD,
                2,
                &[[93, 0, 0, 0].to_vec(), vec![0; 93]].concat(),
            ),
        ] {
            assert!(
                is_finding(&requests, &[begun.clone(), bad.clone()].concat()),
                "{bad:?}"
            );
        }
    }
}
