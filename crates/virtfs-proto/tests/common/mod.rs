//! Messages made from arbitrary bytes: the strategies of the property tests are built on this.
#![allow(dead_code, unused_imports)] // each test binary uses its own part

mod sample;
mod source;

use virtfs_proto::{Dialect, Rmessage, Tmessage};

pub(crate) use sample::{dir_entry, rmessage, stat, tmessage};
pub(crate) use source::Source;

/// The head of the message of this type, its fields made from bytes.
pub(crate) fn head(type_byte: u8, dialect: Dialect, tag: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let source = || Source::new(dialect, bytes);
    let mut buf = vec![0; 4096];
    let len = match tmessage(type_byte, &mut source()) {
        Some(message) => message.encode(dialect, tag, &mut buf),
        None => rmessage(type_byte, &mut source())?.encode(dialect, tag, &mut buf),
    }
    .expect("every made message fits");
    buf.truncate(len);
    Some(buf)
}

/// One head of every message in every dialect, with strings and lists that are not empty.
pub(crate) fn heads() -> Vec<(Dialect, Vec<u8>)> {
    let bytes: Vec<u8> = (0..600u32).map(|i| (i * 7 % 5 + i % 3 + 2) as u8).collect();
    let all = Dialect::ALL.into_iter();
    all.flat_map(|dialect| {
        let head = |type_byte| Some((dialect, head(type_byte, dialect, 0x0102, &bytes)?));
        (0..=u8::MAX).filter_map(head).collect::<Vec<_>>()
    })
    .collect()
}

/// Decodes as both request and reply, and what decodes must encode to the same bytes again.
/// Returns whether it decoded.
pub(crate) fn decodes_and_encodes_back(dialect: Dialect, head: &[u8], buf: &mut [u8]) -> bool {
    let (len, count_at) = if let Ok((tag, message)) = Tmessage::decode(dialect, head) {
        assert!(
            Rmessage::decode(dialect, head).is_err(),
            "both request and reply: {head:?}"
        );
        let len = message
            .encode(dialect, tag, buf)
            .expect("a decoded request encodes");
        (len, matches!(message, Tmessage::Wstat(_)).then_some(11))
    } else if let Ok((tag, message)) = Rmessage::decode(dialect, head) {
        let len = message
            .encode(dialect, tag, buf)
            .expect("a decoded reply encodes");
        (len, matches!(message, Rmessage::Stat(_)).then_some(7))
    } else {
        return false;
    };
    let back = &mut buf[..len];
    // The one thing that is not kept: see `Wire for Stat`.
    if let Some(at) = count_at
        && head[at..at + 2] == [0, 0]
    {
        back[at..at + 2].fill(0);
    }
    assert_eq!(back, head, "{dialect:?}");
    true
}
