//! What is encoded decodes to the same, and broken bytes are refused, for every message in every
//! dialect.

mod common;

use common::{Source, decodes_and_encodes_back, dir_entry, heads, rmessage, stat, tmessage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use virtfs_proto::*;

/// Room for any message that the strategies make.
const ROOM: usize = 4096;

fn dialect() -> impl Strategy<Value = Dialect> {
    select(&Dialect::ALL)
}

fn fields() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn every_request_survives_the_wire(dialect in dialect(), tag: u16, bytes in fields()) {
        let mut buf = [0; ROOM];
        for type_byte in 0..=u8::MAX {
            let mut source = Source::new(dialect, &bytes);
            let Some(message) = tmessage(type_byte, &mut source) else { continue };
            let len = message.encode(dialect, tag, &mut buf).unwrap();
            prop_assert_eq!(Tmessage::decode(dialect, &buf[..len]), Ok((tag, message)));
            let header = Header::decode(&buf).unwrap();
            prop_assert_eq!(header.kind, type_byte);
            prop_assert_eq!(head_len(type_byte, header.size) as usize, len);
            prop_assert_eq!(header.size as usize, len + message.payload_len() as usize);
            prop_assert!(message.encode(dialect, tag, &mut buf[..len - 1]).is_err());
        }
    }

    #[test]
    fn every_reply_survives_the_wire(dialect in dialect(), tag: u16, bytes in fields()) {
        let mut buf = [0; ROOM];
        for type_byte in 0..=u8::MAX {
            let mut source = Source::new(dialect, &bytes);
            let Some(message) = rmessage(type_byte, &mut source) else { continue };
            let len = message.encode(dialect, tag, &mut buf).unwrap();
            prop_assert_eq!(Rmessage::decode(dialect, &buf[..len]), Ok((tag, message)));
            let header = Header::decode(&buf).unwrap();
            prop_assert_eq!(header.kind, type_byte);
            prop_assert_eq!(head_len(type_byte, header.size) as usize, len);
            prop_assert_eq!(header.size as usize, len + message.payload_len() as usize);
            prop_assert!(message.encode(dialect, tag, &mut buf[..len - 1]).is_err());
        }
    }

    #[test]
    fn directory_entries_survive_the_payload(rows in vec(fields(), 0..8)) {
        let mut buf = [0; ROOM];
        let (mut entries, mut len) = (Vec::new(), 0);
        for row in &rows {
            let entry = dir_entry(&mut Source::new(Dialect::L, row));
            prop_assert!(entry.encode(&mut buf[len..len + entry.encoded_len() - 1]).is_err());
            let written = entry.encode(&mut buf[len..]).unwrap();
            prop_assert_eq!(written, entry.encoded_len());
            len += written;
            entries.push(Ok(entry));
        }
        prop_assert_eq!(DirEntries::new(&buf[..len]).collect::<Vec<_>>(), entries);
    }

    #[test]
    fn stats_survive_the_payload(dialect in dialect(), rows in vec(fields(), 0..8)) {
        let mut buf = [0; ROOM];
        let (mut stats, mut len) = (Vec::new(), 0);
        for row in &rows {
            let stat = stat(&mut Source::new(dialect, row));
            prop_assert!(stat.encode(dialect, &mut buf[len..len + stat.encoded_len(dialect) - 1]).is_err());
            let written = stat.encode(dialect, &mut buf[len..]).unwrap();
            prop_assert_eq!(written, stat.encoded_len(dialect));
            prop_assert_eq!(Stat::decode(dialect, &buf[len..len + written]), Ok(stat));
            len += written;
            stats.push(Ok(stat));
        }
        prop_assert_eq!(Stats::new(dialect, &buf[..len]).collect::<Vec<_>>(), stats);
    }

    #[test]
    fn arbitrary_bytes_are_decoded_faithfully_or_refused(
        dialect in dialect(), type_byte: u8, tag: [u8; 2], body in vec(any::<u8>(), 0..200),
    ) {
        let mut head = Vec::from((body.len() as u32 + 7).to_le_bytes());
        head.push(type_byte);
        head.extend(tag);
        head.extend(&body);
        decodes_and_encodes_back(dialect, &head, &mut [0; ROOM]);
        // Iterators over payloads end, whatever is in them.
        prop_assert!(DirEntries::new(&body).count() <= body.len());
        prop_assert!(Stats::new(dialect, &body).count() <= body.len());
    }
}

#[test]
fn every_message_has_its_number_and_name() {
    for (dialect, head) in heads() {
        let (kind, name) = match Tmessage::decode(dialect, &head) {
            Ok((_, message)) => (message.kind(), message.name()),
            Err(_) => {
                let (_, message) = Rmessage::decode(dialect, &head).unwrap();
                (message.kind(), message.name())
            }
        };
        assert_eq!(kind, head[4]);
        assert_eq!(name_of(kind), Some(name));
    }
    let (named, sampled) = ((0..=u8::MAX).filter_map(name_of).count(), heads().len() / 3);
    assert_eq!(named, sampled, "a message is missing from tests/common");
}

#[test]
fn every_truncation_is_refused() {
    for (dialect, head) in heads() {
        for len in 0..head.len() {
            // Cut short behind the header's back, and with a size that agrees.
            let mut cut = head[..len].to_vec();
            assert!(Tmessage::decode(dialect, &cut).is_err(), "{cut:?}");
            assert!(Rmessage::decode(dialect, &cut).is_err(), "{cut:?}");
            if len >= HEADER_LEN {
                cut[..4].copy_from_slice(&(len as u32).to_le_bytes());
                assert!(Tmessage::decode(dialect, &cut).is_err(), "{cut:?}");
                assert!(Rmessage::decode(dialect, &cut).is_err(), "{cut:?}");
            }
        }
    }
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    for (dialect, mut head) in heads() {
        head.push(0);
        assert!(Tmessage::decode(dialect, &head).is_err(), "{head:?}");
        assert!(Rmessage::decode(dialect, &head).is_err(), "{head:?}");
        // With a size that agrees; where there is a payload the byte belongs to that.
        if head_len(head[4], u32::MAX) == u32::MAX {
            let size = head.len() as u32;
            head[..4].copy_from_slice(&size.to_le_bytes());
            assert!(Tmessage::decode(dialect, &head).is_err(), "{head:?}");
            assert!(Rmessage::decode(dialect, &head).is_err(), "{head:?}");
        }
    }
}

#[test]
fn every_change_of_a_byte_is_decoded_faithfully_or_refused() {
    let mut buf = [0; ROOM];
    for (dialect, head) in heads() {
        let mut changed = head.clone();
        for at in 0..head.len() {
            for byte in 0..=u8::MAX {
                changed[at] = byte;
                let decoded = decodes_and_encodes_back(dialect, &changed, &mut buf);
                assert!(decoded || byte != head[at]);
            }
            changed[at] = head[at];
        }
    }
}
