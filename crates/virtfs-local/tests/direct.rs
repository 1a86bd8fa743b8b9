//! Files that clients open with `O_DIRECT`: what is aligned does not pass the page cache, and
//! everything else is as without.

mod common;

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::Command;

use common::{Export, READ, Reply, Request, WRITE};
use rustix::fs::{Advice, fadvise, fsync};
use virtfs_local::Options;
use virtfs_vfs::{
    Cx, Detached, Errno, FileSystem, IoFlags, Open, OpenFlags, ReplyBody, RequestBody, User,
};

const BLOCK: usize = 4096;
const SIZE: usize = 256 * BLOCK;

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

/// Makes a file on the disk that is not in the page cache.
fn cold(export: &Export, name: &str, content: &[u8]) {
    fs::write(export.host(name), content).unwrap();
    let file = fs::File::open(export.host(name)).unwrap();
    fsync(&file).unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    drop(file);
    assert_eq!(cached(&export.host(name)), 0, "this wants a disk");
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at / 7 + at / BLOCK) as u8).collect()
}

/// A reply in memory that is aligned to `skew` bytes and no better.
struct Skewed {
    memory: Vec<u8>,
    from: usize,
    filled: usize,
    room: usize,
}

impl Skewed {
    fn new(room: usize, skew: usize) -> Self {
        let memory = vec![0; room + BLOCK + skew];
        let from = memory.as_ptr().align_offset(BLOCK) + skew;
        Self {
            memory,
            from,
            filled: 0,
            room,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.from..self.from + self.filled]
    }
}

impl ReplyBody for Skewed {
    fn room(&self) -> usize {
        self.room - self.filled
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let at = self.from + self.filled;
        self.memory[at..at + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        count
    }

    fn read_from(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        flags: IoFlags,
    ) -> Result<usize, Errno> {
        if flags.contains(IoFlags::NOWAIT) {
            return Err(Errno::EOPNOTSUPP);
        }
        let (from, to) = (self.from + self.filled, self.from + self.room);
        let count = rustix::io::pread(file, &mut self.memory[from..to], offset)
            .map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        self.filled += count;
        Ok(count)
    }
}

/// A payload in memory that is not aligned.
struct Odd {
    memory: Vec<u8>,
    from: usize,
}

impl Odd {
    fn new(content: &[u8]) -> Self {
        let mut memory = vec![0; content.len() + BLOCK + 1];
        let from = memory.as_ptr().align_offset(BLOCK) + 1;
        memory[from..from + content.len()].copy_from_slice(content);
        memory.truncate(from + content.len());
        Self { memory, from }
    }
}

impl RequestBody for Odd {
    fn remaining(&self) -> usize {
        self.memory.len() - self.from
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.remaining());
        into[..count].copy_from_slice(&self.memory[self.from..self.from + count]);
        self.from += count;
        count
    }

    fn write_to(&mut self, file: BorrowedFd<'_>, at: u64, flags: IoFlags) -> Result<usize, Errno> {
        let count = Request(&self.memory[self.from..]).write_to(file, at, flags)?;
        self.from += count;
        Ok(count)
    }
}

fn read(export: &Export, open: &Open, offset: u64, reply: &mut dyn ReplyBody) {
    let cx = Cx::new(User::NOBODY, &Detached);
    export.fs.read(&cx, open, offset, reply).unwrap();
}

#[test]
fn what_is_read_directly_stays_out_of_the_page_cache() {
    let export = Export::new();
    let content = content();
    // In an aligned buffer, and in others.
    for skew in [0, 1, 11, 512] {
        cold(&export, "f", &content);
        let open = export.open(&export.walk("f"), READ | OpenFlags::DIRECT);
        let mut reply = Skewed::new(SIZE, skew);
        read(&export, &open, 0, &mut reply);
        assert!(reply.bytes() == content, "{skew}");
        assert_eq!(cached(&export.host("f")), 0, "{skew}");
    }
    let open = export.open(&export.walk("f"), READ);
    read(&export, &open, 0, &mut Skewed::new(SIZE, 0));
    assert_eq!(cached(&export.host("f")), SIZE);
}

#[test]
fn what_is_not_aligned_is_read_all_the_same() {
    let export = Export::new();
    let content = &content()[..SIZE - 1000];
    cold(&export, "f", content);
    let open = export.open(&export.walk("f"), READ | OpenFlags::DIRECT);
    for (offset, length) in [
        (0, SIZE),
        (1, BLOCK),
        (BLOCK, 100),
        (511, 1),
        (SIZE - BLOCK, BLOCK),
        (SIZE - BLOCK, 2 * BLOCK),
        (SIZE - 1000, BLOCK),
        (SIZE, BLOCK),
        (4 * SIZE, BLOCK),
    ] {
        let mut reply = Reply::new(length);
        read(&export, &open, offset as u64, &mut reply);
        let from = offset.min(content.len());
        let to = (offset + length).min(content.len());
        assert!(reply.bytes == content[from..to], "{offset} {length}");
    }
}

#[test]
fn what_is_written_directly_stays_out_of_the_page_cache_and_is_there() {
    let export = Export::new();
    let content = content();
    let flags = WRITE | OpenFlags::DIRECT;
    let (_, open) = export.try_create(&export.root, "f", flags, 0o644).unwrap();
    let open = open.open;
    let cx = Cx::new(User::NOBODY, &Detached);
    let mut body = Odd::new(&content);
    assert_eq!(export.fs.write(&cx, &open, 0, &mut body), Ok(SIZE));
    let path = export.host("f");
    assert_eq!(cached(&path), 0);
    assert!(fs::read(&path).unwrap() == content);
}

#[test]
fn both_ways_see_what_the_other_wrote() {
    let export = Export::new();
    fs::write(export.host("f"), content()).unwrap();
    let direct = export.open(&export.walk("f"), READ | WRITE | OpenFlags::DIRECT);
    let usual = export.open(&export.walk("f"), READ | WRITE);
    for (round, at) in [(1_u8, 0), (2, BLOCK), (3, 5 * BLOCK)] {
        let block = vec![round; BLOCK];
        let (one, other) = match round % 2 {
            0 => (&direct, &usual),
            _ => (&usual, &direct),
        };
        assert_eq!(export.write(one, at as u64, &block), Ok(BLOCK));
        assert_eq!(export.read(other, at as u64, BLOCK).unwrap(), block);
        // An odd piece of a direct file goes by the page cache.
        assert_eq!(export.write(&direct, at as u64 + 3, b"odd"), Ok(3));
        assert_eq!(export.read(&usual, at as u64 + 3, 3).unwrap(), b"odd");
        let seen = export.read(&direct, at as u64, BLOCK).unwrap();
        assert_eq!(seen[..7], [round, round, round, b'o', b'd', b'd', round]);
    }
}

#[test]
fn an_append_goes_to_the_end_whatever_the_offset() {
    let export = Export::new();
    export.host_write("f", "begun ");
    let flags = WRITE | OpenFlags::APPEND | OpenFlags::DIRECT;
    let open = export.open(&export.walk("f"), flags);
    let block = vec![b'x'; BLOCK];
    assert_eq!(export.write(&open, 0, &block), Ok(BLOCK));
    let all = fs::read(export.host("f")).unwrap();
    assert!(all.starts_with(b"begun ") && all[6..] == block);
}

#[test]
fn where_there_is_no_such_flag_files_are_opened_without() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let export = virtfs_local::LocalFs::open(dir.path(), Options::default()).unwrap();
    fs::write(dir.path().join("f"), vec![7; BLOCK]).unwrap();
    let cx = Cx::new(User::NOBODY, &Detached);
    let (root, _) = export.attach(&cx).unwrap();
    let name = virtfs_vfs::Name::new(b"f").unwrap();
    let node = export
        .walk(&cx, &root, &[name], &mut virtfs_vfs::Qids::new())
        .unwrap();
    let flags = READ | WRITE | OpenFlags::DIRECT;
    let open = export.open(&cx, &node, flags).unwrap().open;
    let mut reply = Reply::new(BLOCK);
    export.read(&cx, &open, 0, &mut reply).unwrap();
    assert_eq!(reply.bytes, [7; BLOCK]);
    let mut body = Request(&[8; BLOCK]);
    assert_eq!(export.write(&cx, &open, 0, &mut body), Ok(BLOCK));
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), [8; BLOCK]);
}

#[test]
fn second_descriptors_count_and_are_parked_with_their_files() {
    const BUDGET: usize = 8;
    let export = Export::with(Options {
        max_files_open: BUDGET,
        ..Options::default()
    });
    fs::write(export.host("f"), content()).unwrap();
    let flags = READ | OpenFlags::DIRECT;
    let open = export.open(&export.walk("f"), flags);
    assert_eq!(export.fs.files_open(), 1);
    export.read(&open, 0, BLOCK).unwrap();
    assert_eq!(export.fs.files_open(), 2);
    let others: Vec<_> = (0..4 * BUDGET)
        .map(|n| {
            let name = format!("other-{n}");
            fs::write(export.host(&name), content()).unwrap();
            let open = export.open(&export.walk(&name), flags);
            export.read(&open, 0, BLOCK).unwrap();
            assert!(export.fs.files_open() <= BUDGET);
            open
        })
        .collect();
    assert_eq!(export.read(&open, 0, SIZE).unwrap(), content());
    drop((open, others));
    assert_eq!(export.fs.files_open(), 0);
}

#[test]
fn an_open_file_without_a_name_is_still_read_directly() {
    let export = Export::new();
    cold(&export, "f", &content());
    let open = export.open(&export.walk("f"), READ | OpenFlags::DIRECT);
    fs::hard_link(export.host("f"), export.host("other")).unwrap();
    fs::remove_file(export.host("f")).unwrap();
    export.read(&open, 0, SIZE).unwrap();
    assert_eq!(cached(&export.host("other")), 0);
}
