//! Reads and writes, and what they tell the server while they run.

mod common;

use std::cell::Cell;
use std::os::fd::BorrowedFd;

use common::{Export, RDWR, READ, Reply, Request, WRITE};
use virtfs_vfs::{Call, Cx, Errno, FileSystem, IoFlags, OpenFlags, ReplyBody, RequestBody, User};

#[test]
fn a_read_is_short_only_at_the_end() {
    let export = Export::new();
    let (_, open) = export.create("f");
    let content: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
    assert_eq!(export.write(&open, 0, &content).unwrap(), content.len());
    assert_eq!(export.read(&open, 0, 100_000).unwrap(), content);
    assert_eq!(export.read(&open, 99_990, 100).unwrap(), content[99_990..]);
    assert_eq!(export.read(&open, 100_000, 100).unwrap(), b"");
    assert_eq!(export.read(&open, 1 << 40, 100).unwrap(), b"");
    assert_eq!(export.read(&open, 0, 0).unwrap(), b"");
    assert_eq!(export.read(&open, u64::MAX, 1), Err(Errno::EINVAL));
    assert_eq!(export.write(&open, 5, b"").unwrap(), 0);
}

#[test]
fn an_append_goes_to_the_true_end() {
    let export = Export::new();
    export.host_write("f", "one,");
    let node = export.walk("f");
    let open = export.open(&node, WRITE | OpenFlags::APPEND);
    export.write(&open, 0, b"two,").unwrap();
    let other = export.open(&node, WRITE);
    export.write(&other, 8, b"three,").unwrap();
    export.write(&open, 2, b"four").unwrap();
    assert_eq!(export.host_read("f"), "one,two,three,four");
}

#[test]
fn files_are_open_for_what_was_asked_only() {
    let export = Export::new();
    export.host_write("f", "x");
    let node = export.walk("f");
    let (read, write) = (export.open(&node, READ), export.open(&node, WRITE));
    assert_eq!(export.write(&read, 0, b"y"), Err(Errno::EBADF));
    assert_eq!(export.read(&write, 0, 1), Err(Errno::EBADF));
}

/// A server that counts, and may have flushed the request.
#[derive(Default)]
struct Server {
    told: Cell<usize>,
    flushed: bool,
}

impl Call for Server {
    fn interrupted(&self) -> bool {
        self.flushed
    }

    fn about_to_block(&self) {
        self.told.set(self.told.get() + 1);
    }
}

/// A body whose calls answer what the test wants.
struct Script<'s> {
    inner: Reply,
    answers: Vec<Result<usize, Errno>>,
    server: &'s Server,
    /// For each call: whether it was one that must not sleep, and how often the server was told.
    calls: Vec<(bool, usize)>,
}

impl<'s> Script<'s> {
    fn new(server: &'s Server, answers: &[Result<usize, Errno>]) -> Self {
        let answers = answers.iter().rev().copied().collect();
        Self {
            inner: Reply::new(10),
            answers,
            server,
            calls: Vec::new(),
        }
    }

    fn run(&mut self, export: &Export) -> Result<(), Errno> {
        let cx = Cx::new(User::NOBODY, self.server);
        let (_, open) = export.create("f");
        let result = export.fs.read(&cx, &open, 0, self);
        assert!(self.answers.is_empty());
        result
    }
}

impl ReplyBody for Script<'_> {
    fn room(&self) -> usize {
        self.inner.room()
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        self.inner.put(bytes)
    }

    fn read_from(&mut self, _: BorrowedFd<'_>, _: u64, flags: IoFlags) -> Result<usize, Errno> {
        let nowait = flags.contains(IoFlags::NOWAIT);
        self.calls.push((nowait, self.server.told.get()));
        let answer = self.answers.pop().expect("no more calls");
        answer.map(|count| self.inner.put(&vec![b'x'; count]))
    }
}

#[test]
fn what_is_cached_is_read_by_one_call_that_cannot_sleep() {
    let server = Server::default();
    let mut script = Script::new(&server, &[Ok(10)]);
    script.run(&Export::new()).unwrap();
    assert_eq!(script.calls, [(true, 0)]);
}

#[test]
fn the_server_is_told_before_a_read_sleeps_and_the_reply_is_filled() {
    let server = Server::default();
    let answers = [Ok(4), Err(Errno::EAGAIN), Ok(3), Ok(3)];
    let mut script = Script::new(&server, &answers);
    script.run(&Export::new()).unwrap();
    let nowait: Vec<_> = script.calls.iter().map(|(nowait, _)| *nowait).collect();
    assert_eq!(nowait, [true, true, false, false]);
    assert_eq!((script.calls[1].1, script.calls[2].1), (0, 1));
    assert_eq!(script.inner.bytes.len(), 10);
}

#[test]
fn a_device_that_cannot_tell_is_remembered() {
    let export = Export::new();
    let server = Server::default();
    let mut script = Script::new(&server, &[Err(Errno::EOPNOTSUPP), Ok(10)]);
    script.run(&export).unwrap();
    let mut script = Script::new(&server, &[Ok(10)]);
    script.run(&export).unwrap();
    assert_eq!(script.calls, [(false, 2)]);
}

#[test]
fn a_signal_ends_only_a_flushed_read() {
    let server = Server::default();
    let mut script = Script::new(&server, &[Err(Errno::EINTR), Ok(10)]);
    script.run(&Export::new()).unwrap();
    let flushed = Server {
        flushed: true,
        ..Server::default()
    };
    let mut script = Script::new(&flushed, &[Err(Errno::EINTR)]);
    assert_eq!(script.run(&Export::new()), Err(Errno::EINTR));
    // What came before stays.
    let mut script = Script::new(&flushed, &[Ok(4), Err(Errno::EINTR)]);
    script.run(&Export::new()).unwrap();
    assert_eq!(script.inner.bytes.len(), 4);
    let mut script = Script::new(&server, &[Ok(4), Err(Errno::EIO)]);
    script.run(&Export::new()).unwrap();
    let mut script = Script::new(&server, &[Err(Errno::EIO)]);
    assert_eq!(script.run(&Export::new()), Err(Errno::EIO));
}

/// Takes a few bytes at a time, then fails.
struct Trickle<'a>(Request<'a>, usize);

impl RequestBody for Trickle<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        self.0.take(into)
    }

    fn write_to(&mut self, file: BorrowedFd<'_>, at: u64, flags: IoFlags) -> Result<usize, Errno> {
        if self.1 == 0 {
            return Err(Errno::ENOSPC);
        }
        self.1 -= 1;
        let (now, later) = self.0.0.split_at(self.0.0.len().min(3));
        self.0 = Request(now);
        let count = self.0.write_to(file, at, flags)?;
        assert_eq!(count, now.len());
        self.0 = Request(later);
        Ok(count)
    }
}

#[test]
fn a_write_goes_on_until_all_went_or_an_error_came() {
    let export = Export::new();
    let (_, open) = export.create("f");
    let mut body = Trickle(Request(b"0123456789"), usize::MAX);
    let all = export.fs.write(&common::cx(), &open, 2, &mut body);
    assert_eq!(all, Ok(10));
    assert_eq!(export.host_read("f"), "\0\x000123456789");
    let mut body = Trickle(Request(b"abcdefghij"), 2);
    let some = export.fs.write(&common::cx(), &open, 2, &mut body);
    assert_eq!(some, Ok(6));
    let mut body = Trickle(Request(b"abc"), 0);
    let none = export.fs.write(&common::cx(), &open, 2, &mut body);
    assert_eq!(none, Err(Errno::ENOSPC));
    let data = export
        .read(&export.open(&export.walk("f"), RDWR), 2, 8)
        .unwrap();
    assert_eq!(data, b"abcdef67");
}

#[test]
fn nodes_and_files_of_another_file_system_are_refused() {
    let (one, two) = (Export::new(), Export::new());
    let (node, open) = one.create("f");
    assert_eq!(two.try_stat(&node), Err(Errno::EXDEV));
    assert_eq!(two.read(&open, 0, 1), Err(Errno::EBADF));
    let linked = two
        .fs
        .link(&common::cx(), &node, &two.root, common::name("l"));
    assert_eq!(linked, Err(Errno::EXDEV));
}

#[test]
fn an_offset_that_no_file_has_is_refused_even_for_no_bytes() {
    let export = Export::new();
    let (_, open) = export.create("f");
    for offset in [1 << 63, u64::MAX] {
        for data in [&b""[..], b"x"] {
            assert_eq!(export.write(&open, offset, data), Err(Errno::EINVAL));
            let read = export.read(&open, offset, data.len());
            assert_eq!(read, Err(Errno::EINVAL));
        }
    }
    assert_eq!(export.write(&open, 0, b""), Ok(0));
}
