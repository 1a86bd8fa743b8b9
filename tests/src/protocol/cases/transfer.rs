//! Transfers longer than a message.

use virtfs_client::{Fid, LopenFlags as O, Options};

use super::{ANY, content, create, pattern, read};
use crate::protocol::site::options;
use crate::protocol::{Has, Site, sample};

cases! {
    ANY =>
        a_long_read_is_put_together
        a_long_chunk_is_put_together
        a_long_read_ends_with_the_file;
    Has::WRITE =>
        a_long_write_is_taken_apart
        a_long_append_stays_in_order
        what_is_around_the_length_of_a_message_arrives
        long_transfers_of_many_share_a_connection;
}

/// Connections with messages of this length and so many requests in flight.
fn connections(site: &Site) -> impl Iterator<Item = (Fid, usize)> {
    [(4096, 1), (4096, 8), (65_536, 4), (1 << 18, 2)]
        .into_iter()
        .map(|(msize, depth)| {
            let options = Options {
                msize,
                depth,
                ..options()
            };
            (site.with(&options), msize as usize)
        })
}

fn a_long_read_is_put_together(site: &Site) {
    site.numbers();
    let all = pattern(sample::NUMBERS);
    for (root, msize) in connections(site) {
        let numbers = root.walk(&["numbers"]).unwrap();
        let file = numbers.open(O::RDONLY).unwrap();
        for offset in [0, 1, msize - 1] {
            let end = all.len().min(offset + 3 * msize + 1);
            let bytes = read(&file, offset as u64, 3 * msize + 1);
            assert!(bytes == all[offset.min(end)..end], "{msize} at {offset}");
        }
    }
}

fn a_long_chunk_is_put_together(site: &Site) {
    site.numbers();
    let all = pattern(sample::NUMBERS);
    for (root, msize) in connections(site) {
        let file = root.walk(&["numbers"]).unwrap().open(O::RDONLY).unwrap();
        for count in [1, msize - 25, 3 * msize + 1] {
            let expected = &all[5..all.len().min(5 + count)];
            let chunk = file.read_chunk(count as u32, 5).unwrap();
            assert_eq!(chunk.len(), expected.len());
            assert!(chunk.parts().concat() == expected, "{msize}, {count}");
            assert!(chunk.into_vec() == expected, "{msize}, {count}");
        }
    }
}

fn a_long_read_ends_with_the_file(site: &Site) {
    site.numbers();
    let all = pattern(sample::NUMBERS);
    for (root, _) in connections(site) {
        let file = root.walk(&["numbers"]).unwrap().open(O::RDONLY).unwrap();
        // So much more than there is that whole messages come back empty.
        assert!(read(&file, 100, 2 * sample::NUMBERS) == all[100..]);
        let size = all.len() as u64;
        assert_eq!(read(&file, size, 300_000), b"");
        assert_eq!(
            &*file.read_chunk(300_000, size - 2).unwrap(),
            &all[all.len() - 2..]
        );
    }
}

fn a_long_write_is_taken_apart(site: &Site) {
    for (root, msize) in connections(site) {
        let bytes = pattern(3 * msize + 1);
        let file = create(&root, b"f");
        assert_eq!(file.write_at(&bytes, 7).unwrap(), bytes.len());
        assert_eq!(file.attributes().unwrap().size, bytes.len() as u64 + 7);
        let mut expected = vec![0; 7];
        expected.extend(&bytes);
        assert!(content(&site.root().walk(&["f"]).unwrap()) == expected);
        root.walk(&["f"]).unwrap().remove().unwrap();
    }
}

fn a_long_append_stays_in_order(site: &Site) {
    for (root, msize) in connections(site) {
        let file = root.create(b"f", O::RDWR | O::APPEND, 0o644, 0).unwrap();
        let bytes = pattern(3 * msize + 1);
        assert_eq!(file.write_at(&bytes, 0).unwrap(), bytes.len());
        file.write_all_at(b"more", 0).unwrap();
        let expected = [&bytes[..], b"more"].concat();
        assert!(content(&root.walk(&["f"]).unwrap()) == expected, "{msize}");
        root.walk(&["f"]).unwrap().remove().unwrap();
    }
}

fn what_is_around_the_length_of_a_message_arrives(site: &Site) {
    const MSIZE: usize = 4096;
    let root = site.with_msize(MSIZE as u32);
    let all = pattern(2 * MSIZE);
    let file = create(&root, b"f");
    for length in (MSIZE - 30..MSIZE + 3).chain(2 * MSIZE - 60..2 * MSIZE) {
        assert_eq!(file.write_at(&all[..length], 0).unwrap(), length);
        assert_eq!(file.attributes().unwrap().size, length as u64);
        assert!(read(&file, 0, length) == all[..length], "{length}");
        assert!(read(&file, 0, length + 1) == all[..length], "{length}");
    }
}

fn long_transfers_of_many_share_a_connection(site: &Site) {
    const LENGTH: usize = 100_000;
    let root = site.with_msize(8192);
    std::thread::scope(|scope| {
        for number in 0..6_u8 {
            let root = &root;
            scope.spawn(move || {
                let bytes: Vec<u8> = pattern(LENGTH).iter().map(|b| b ^ number).collect();
                let file = create(root, &[b'a' + number]);
                for _ in 0..3 {
                    file.write_all_at(&bytes, 0).unwrap();
                    assert!(read(&file, 0, LENGTH + 1) == bytes);
                }
            });
        }
    });
}
