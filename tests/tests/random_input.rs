//! Random bytes, random messages and mutated sessions, from seeds: each is answered or ends its
//! session, and harms no other.

use virtfs_proto::{Rmessage, kind};
use virtfs_tests::errno::EIO;
use virtfs_tests::{Got, PATIENCE, Raw, Rng, Served, good_session};

/// A session beside the one that misbehaves.
fn still_works(bystander: &mut Raw) {
    bystander.walk(0, 1, &[]).unwrap();
    assert!(bystander.getattr(1).is_ok());
    bystander.clunk(1).unwrap();
}

/// Reads until the server has ended the session; every reply must be well made, and none may be
/// the errno of a panic.
fn reads_to_the_end(client: &mut Raw, what: &str) {
    loop {
        match client.receive_within(PATIENCE) {
            Got::Reply(reply) => {
                if !matches!(reply.message(), Rmessage::Version(_)) {
                    assert_ne!(reply.ecode(), Some(EIO), "{what}");
                }
            }
            Got::End => return,
            Got::Nothing => panic!("{what}: the session hangs"),
        }
    }
}

#[test]
fn random_bytes_harm_nobody() {
    let served = Served::memory();
    let mut bystander = served.session();
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut client = match seed % 2 {
            0 => served.connect(),
            _ => served.session(),
        };
        let length = rng.index(600);
        let _ = client.try_send(&rng.bytes(length), PATIENCE);
        client.finish();
        reads_to_the_end(&mut client, &format!("seed {seed}"));
        if seed % 20 == 0 {
            still_works(&mut bystander);
        }
    }
}

#[test]
fn random_messages_in_good_frames_are_all_answered() {
    let served = Served::memory();
    let mut client = served.session();
    let mut rng = Rng::new(77);
    for round in 0..3000 {
        let length = rng.index(80);
        let mut bytes = vec![0; 7];
        bytes.extend(rng.bytes(length));
        // Small numbers find fids.
        for at in [7, 11] {
            if let Some(number) = bytes.get_mut(at..at + 4) {
                number.copy_from_slice(&rng.below(6).to_le_bytes()[..4]);
            }
        }
        bytes[0] = bytes.len() as u8;
        bytes[4] = rng.below(128) as u8;
        if bytes[4] == kind::TVERSION {
            continue;
        }
        bytes[5] = 1;
        client.send_bytes(&bytes);
        let reply = client.receive();
        assert_eq!(reply.tag, 1);
        assert_ne!(reply.ecode(), Some(EIO), "round {round}: {bytes:?}");
    }
}

#[test]
fn mutations_of_a_good_session_harm_nobody() {
    let served = Served::memory();
    let mut bystander = served.session();
    let good = good_session();
    for seed in 0..3000 {
        let mut rng = Rng::new(seed);
        let mut bytes = good.bytes().to_vec();
        for _ in 0..1 + rng.index(4) {
            let at = rng.index(bytes.len());
            match rng.below(6) {
                0 => bytes[at] = rng.next_u64() as u8,
                1 => bytes[at] ^= 1 << rng.below(8),
                2 => bytes[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
                3 => {
                    bytes.remove(at);
                }
                4 => bytes.insert(at, rng.next_u64() as u8),
                _ => bytes.truncate(at.max(30)),
            }
        }
        let mut client = served.connect();
        let _ = client.try_send(&bytes, PATIENCE);
        client.finish();
        reads_to_the_end(&mut client, &format!("seed {seed}"));
        if seed % 100 == 0 {
            still_works(&mut bystander);
        }
    }
}
