//! `O_DIRECT`, as a client asks for it: what is aligned does not pass the page cache of the host.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Advice, fadvise, fsync};
use virtfs_tests::{Raw, Served};

const O_RDWR: u32 = 0o2;
const O_APPEND: u32 = 0o2000;
const O_DIRECT: u32 = 0o40_000;
const BLOCK: usize = 4096;

/// How many bytes of a file are in the page cache.
fn cached(path: &Path) -> usize {
    let output = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .arg(path)
        .output()
        .expect("fincore (util-linux) is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap()
}

fn content() -> Vec<u8> {
    (0..16 * BLOCK)
        .map(|at| (at / 5 + at / BLOCK) as u8)
        .collect()
}

/// A file on the disk that is not in the page cache, in a directory that is served.
struct Cold {
    dir: tempfile::TempDir,
    client: Raw,
    _served: Served,
}

impl Cold {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f"), content()).unwrap();
        let file = fs::File::open(dir.path().join("f")).unwrap();
        fsync(&file).unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        let served = Served::local(dir.path());
        let mut client = served.session();
        client.walk(0, 1, &["f"]).unwrap();
        let cold = Self {
            dir,
            client,
            _served: served,
        };
        assert_eq!(cold.cached(), 0, "this wants a disk");
        cold
    }

    fn cached(&self) -> usize {
        cached(&self.dir.path().join("f"))
    }

    fn all(&mut self) -> Vec<u8> {
        let blocks = (0..content().len() as u64).step_by(BLOCK);
        let read = blocks.map(|at| self.client.read(1, at, BLOCK as u32).unwrap());
        read.collect::<Vec<_>>().concat()
    }
}

#[test]
fn a_file_read_with_o_direct_stays_out_of_the_page_cache() {
    let mut cold = Cold::new();
    cold.client.lopen(1, O_DIRECT).unwrap();
    assert!(cold.all() == content());
    assert_eq!(cold.cached(), 0);
    // What is not aligned comes all the same.
    let odd = cold.client.read(1, 4097, 100).unwrap();
    assert_eq!(odd, content()[4097..4197]);
}

#[test]
fn a_file_read_without_is_cached() {
    let mut cold = Cold::new();
    cold.client.lopen(1, 0).unwrap();
    assert!(cold.all() == content());
    assert_eq!(cold.cached(), content().len());
}

#[test]
fn a_file_made_with_o_direct_is_written_past_the_page_cache() {
    let mut cold = Cold::new();
    let client = &mut cold.client;
    client.walk(0, 2, &[]).unwrap();
    client.lcreate(2, "new", O_RDWR | O_DIRECT, 0o644).unwrap();
    assert_eq!(
        client.write(2, 0, &content()[..4 * BLOCK]),
        Ok(4 * BLOCK as u32)
    );
    let path = cold.dir.path().join("new");
    assert_eq!(cached(&path), 0);
    // Not aligned: by the page cache, and coherent with the rest.
    assert_eq!(cold.client.write(2, 10, b"odd"), Ok(3));
    let block = cold.client.read(2, 0, BLOCK as u32).unwrap();
    assert_eq!(block[10..13], *b"odd");
    assert_eq!(block[13..], content()[13..BLOCK]);
    assert_eq!(cold.client.fsync(2), Ok(()));
}

#[test]
fn an_append_with_o_direct_goes_to_the_true_end() {
    let mut cold = Cold::new();
    cold.client.lopen(1, O_RDWR | O_APPEND | O_DIRECT).unwrap();
    let block = vec![b'x'; BLOCK];
    assert_eq!(cold.client.write(1, 0, &block), Ok(BLOCK as u32));
    assert_eq!(cold.client.write(1, 0, b"end"), Ok(3));
    let all = fs::read(cold.dir.path().join("f")).unwrap();
    assert!(all == [content(), block, b"end".to_vec()].concat());
}
