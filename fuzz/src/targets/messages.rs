//! The head of a message, behind a byte that tells the dialect: decoding never panics, and what
//! decodes encodes to the same bytes.

use std::fmt::Debug;

use virtfs_proto::{Dialect, DirEntries, Header, Names, Rmessage, Stat, Stats, Tmessage, head_len};
use virtfs_tests::Rng;

use super::Target;
use super::samples::REQUESTS;
use crate::mutate;

pub(super) const TARGET: Target = Target {
    name: "messages",
    run,
    mutate,
};

fn run(input: &[u8]) {
    let Some((first, head)) = input.split_first() else {
        return;
    };
    let dialect = Dialect::ALL[usize::from(*first) % 3];
    let mut rest = head;
    for entry in DirEntries::new(head).map_while(Result::ok) {
        let mut back = vec![0; entry.encoded_len()];
        assert_eq!(entry.encode(&mut back), Ok(back.len()));
        rest = rest
            .strip_prefix(back.as_slice())
            .expect("it was read from there");
    }
    assert!(Stats::new(dialect, head).count() <= head.len());
    if let Ok(header) = Header::decode(head) {
        assert_eq!(header.encode(), head[..7]);
        assert!(head_len(header.kind, header.size) <= header.size);
    }
    let request = Tmessage::decode(dialect, head);
    let reply = Rmessage::decode(dialect, head);
    assert!(request.is_err() || reply.is_err(), "both request and reply");
    if let Ok(stat) = Stat::decode(dialect, head) {
        let mut back = vec![0; head.len()];
        assert_eq!(stat.encode(dialect, &mut back), Ok(head.len()));
        assert_eq!(Stat::decode(dialect, &back), Ok(stat));
    }
    let mut back = vec![0; head.len() + 64];
    // A reply's room may be any.
    let small = head.len().saturating_sub(1);
    // The inner count of a stat is made anew where it was 0: see `Wire for Stat`.
    let (length, count_at) = match (request, reply) {
        (Ok((tag, message)), _) => {
            if let Tmessage::Walk(walk) = message {
                let names: Vec<&[u8]> = walk.names.iter().collect();
                assert_eq!(names.len(), walk.names.len());
                assert_eq!(Names::from_slice(&names), walk.names);
            }
            told(&message, message.name());
            let refused = message.encode(dialect, tag, &mut back[..small]);
            let _ = refused.expect_err("it has no room").to_string();
            let count_at = matches!(message, Tmessage::Wstat(_)).then_some(11);
            (message.encode(dialect, tag, &mut back), count_at)
        }
        (_, Ok((tag, message))) => {
            told(&message, message.name());
            let refused = message.encode(dialect, tag, &mut back[..small]);
            let _ = refused.expect_err("it has no room").to_string();
            let count_at = matches!(message, Rmessage::Stat(_)).then_some(7);
            (message.encode(dialect, tag, &mut back), count_at)
        }
        (Err(error), Err(other)) => {
            told(&error, "");
            let _ = (error.to_string(), other.to_string());
            return;
        }
    };
    back.truncate(length.expect("what was decoded can be encoded"));
    if let Some(at) = count_at
        && head[at..at + 2] == [0, 0]
    {
        back[at..at + 2].fill(0);
    }
    assert_eq!(back, head, "{dialect:?}");
}

/// As a log shows it.
fn told(message: &dyn Debug, name: &str) {
    assert!(format!("{message:?}").len() > name.len() || name.is_empty());
}

fn mutate(input: &mut Vec<u8>, random: &mut Rng, limit: usize) {
    if input.len() < 8 || random.below(64) == 0 {
        let sample = &REQUESTS[random.index(REQUESTS.len())];
        *input = [&[random.below(3) as u8], sample.as_slice()].concat();
    }
    let mut head = input.split_off(1);
    if random.below(8) == 0 {
        input[0] = random.below(3) as u8;
    }
    if random.below(16) == 0
        && let Some(kind) = head.get_mut(4)
    {
        *kind = random.below(128) as u8;
    }
    for _ in 0..random.below(4) {
        mutate::bytes(&mut head, random);
    }
    if random.below(8) != 0 && head.len() >= 7 && head_len(head[4], u32::MAX) == u32::MAX {
        mutate::put_size(&mut head);
    }
    input.extend(head);
    input.truncate(limit);
}
