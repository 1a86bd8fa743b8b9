//! How many system calls a request costs, on a warm tree, one request at a time: counted by
//! `strace -c` on the real program. The figures are promises; a change that breaks one must say
//! so. Needs strace (`./test packages` installs it) and the right to trace.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use virtfs_proto::{GetattrMask, Tgetattr};
use virtfs_tests::Raw;

/// Requests of each kind that are counted.
const TIMES: u64 = 400;

/// Calls between threads that may fall into the count: the sentinel is woken after a pause, and
/// has another thread read on when a request takes long, as a create does under strace. A hand-over
/// for each request would cost two and more for each.
const SENTINEL: u64 = TIMES;

/// What is counted by itself.
const MESSAGES: &[&str] = &["read", "sendmsg", "close", "futex", "eventfd2"];

/// The allocator's calls.
const MEMORY: &[&str] = &["brk", "madvise", "mmap", "mprotect", "munmap"];

/// The sentinel's sleep, and how a thread begins and ends.
const THREADS: &[&str] = &[
    "capget",
    "capset",
    "clock_nanosleep",
    "clone3",
    "exit",
    "getrandom",
    "gettid",
    "prctl",
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "sched_getaffinity",
    "set_robust_list",
    "sigaltstack",
    "umask",
    "unshare",
];

/// A look that debug builds of std take at a descriptor before they close it.
const DEBUG: &[&str] = if cfg!(debug_assertions) {
    &["fcntl"]
} else {
    &[]
};

const O_RDWR: u32 = 0o2;
/// How often a count is taken before it is believed that a promise is broken.
const TRIES: usize = 8;

const ROOT: u32 = 1;
const FILE: u32 = 2;
const NEW: u32 = 3;
const OPEN: u32 = 4;

#[test]
fn a_request_on_a_warm_tree_costs_few_system_calls() {
    let export = tempfile::tempdir().unwrap();
    std::fs::create_dir(export.path().join("dir")).unwrap();
    std::fs::write(export.path().join("dir/file"), vec![7; 8192]).unwrap();
    std::fs::write(export.path().join("other"), b"other").unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let (server, stream) = Server::start(export.path(), &sockets.path().join("9p"));
    let mut client = Raw::socket(stream);
    client.start();
    client.attach(ROOT, "").unwrap();
    client.walk(ROOT, FILE, &["dir", "file"]).unwrap();

    let mut promise = |what, promised, run: Operation<'_>| {
        server.check(&mut client, what, promised, run);
    };
    promise("getattr", Promised::new(1, 0, 1), &mut |client, _| {
        attributes(client, FILE)
    });
    // The directory is held by the file's fid: one call tells that it is still the same.
    promise(
        "walk of a known name, clunk",
        Promised::new(1, 0, 2),
        &mut |client, _| {
            client.walk(ROOT, NEW, &["dir"]).unwrap();
            client.clunk(NEW).unwrap();
        },
    );
    promise(
        "walk of a new name, getattr, clunk",
        Promised::new(3, 1, 3),
        &mut |client, _| {
            client.walk(ROOT, NEW, &["other"]).unwrap();
            attributes(client, NEW);
            client.clunk(NEW).unwrap();
        },
    );
    promise(
        "walk of two known names, clunk",
        Promised::new(2, 0, 2),
        &mut |client, _| {
            client.walk(ROOT, NEW, &["dir", "file"]).unwrap();
            client.clunk(NEW).unwrap();
        },
    );
    promise(
        "clone, lopen, clunk",
        Promised::new(3, 1, 3),
        &mut |client, _| {
            client.walk(FILE, NEW, &[]).unwrap();
            client.lopen(NEW, O_RDWR).unwrap();
            client.clunk(NEW).unwrap();
        },
    );
    // The new file's fid holds two descriptors: one to know it by, one to read and write.
    promise(
        "clone, lcreate, clunk",
        Promised::new(4, 2, 3),
        &mut |client, n| {
            client.walk(ROOT, NEW, &[]).unwrap();
            client
                .lcreate(NEW, &format!("new-{n}"), O_RDWR, 0o644)
                .unwrap();
            client.clunk(NEW).unwrap();
        },
    );
    let open = &mut |client: &mut Raw, n| {
        if n == 0 {
            client.walk(FILE, OPEN, &[]).unwrap();
            client.lopen(OPEN, O_RDWR).unwrap();
        }
    };
    promise("cached read", Promised::new(1, 0, 1), &mut |client, n| {
        open(client, n);
        assert_eq!(client.read(OPEN, 0, 4096).unwrap().len(), 4096);
    });
    promise("write", Promised::new(1, 0, 1), &mut |client, _| {
        client.write(OPEN, 4096, &[8; 4096]).unwrap();
    });
}

/// What is done again and again; it is told how often it was before.
type Operation<'a> = &'a mut dyn FnMut(&mut Raw, u64);

/// What an operation may cost: so many calls on files, so many closes beside them, and so many
/// requests with one receive and one send each; nothing between threads.
#[derive(Clone, Copy)]
struct Promised {
    files: u64,
    closes: u64,
    requests: u64,
}

impl Promised {
    fn new(files: u64, closes: u64, requests: u64) -> Self {
        Self {
            files,
            closes,
            requests,
        }
    }

    /// Holds it against what was counted for [`TIMES`] operations.
    fn check(self, counted: &HashMap<String, u64>) -> Result<(), String> {
        let count = |name: &str| counted.get(name).copied().unwrap_or(0);
        let others = MESSAGES.iter().chain(MEMORY).chain(THREADS).chain(DEBUG);
        let on_files: u64 =
            counted.values().sum::<u64>() - others.map(|name| count(name)).sum::<u64>();
        for (kind, is, most) in [
            ("calls on files", on_files, self.files * TIMES),
            ("closes", count("close"), self.closes * TIMES),
            ("receives", count("read"), self.requests * TIMES),
            ("sends", count("sendmsg"), self.requests * TIMES),
            ("futex calls", count("futex"), SENTINEL),
            ("eventfd calls", count("eventfd2"), 0),
        ] {
            // One call may have been under way when the count began or ended.
            if is > most + 1 {
                return Err(format!(
                    "{is} {kind} for {TIMES} operations, {most} are promised"
                ));
            }
        }
        if count("read") + 1 < TIMES {
            return Err("the requests were not counted".into());
        }
        Ok(())
    }
}

/// Asks for the basic attributes.
fn attributes(client: &mut Raw, fid: u32) {
    let request_mask = GetattrMask::BASIC;
    client
        .call(Tgetattr { fid, request_mask })
        .result()
        .unwrap();
}

struct Server(Child);

impl Server {
    /// Starts it, and connects to it once: a second session would be counted too.
    fn start(export: &Path, socket: &Path) -> (Self, UnixStream) {
        let child = Command::new(env!("CARGO_BIN_EXE_virtfs"))
            .args(["serve", "--shared-dir"])
            .arg(export)
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self(child);
        let began = Instant::now();
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                return (server, stream);
            }
            let waited = began.elapsed();
            assert!(
                waited < Duration::from_secs(10),
                "the server does not come up"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Checks what an operation costs. On a busy machine a count is taken again: what others do
    /// to it comes and goes, what the server does itself stays.
    fn check(&self, client: &mut Raw, what: &str, promised: Promised, run: Operation<'_>) {
        let mut numbers = 0..;
        let mut some = |times| {
            numbers
                .by_ref()
                .take(times as usize)
                .for_each(|n| run(client, n))
        };
        some(20);
        let mut outcome = Ok(());
        for _ in 0..TRIES {
            let counted = self.count(|| some(TIMES));
            outcome = promised
                .check(&counted)
                .map_err(|broken| format!("{broken}: {counted:?}"));
            if outcome.is_ok() {
                println!("{what}: {counted:?}");
                return;
            }
        }
        panic!("{what}: {}", outcome.unwrap_err());
    }

    /// Counts the system calls of the server, by name, while `work` is done.
    fn count(&self, work: impl FnOnce()) -> HashMap<String, u64> {
        let pid = virtfs_tests::worker(self.0.id()).to_string();
        let mut strace = Command::new("strace")
            .args(["-f", "-c", "-U", "calls,name", "-p", &pid])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is installed");
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
            .unwrap()
            .count();
        let mut lines = BufReader::new(strace.stderr.take().unwrap()).lines();
        let mut attached = 0;
        while attached < threads {
            let line = lines
                .next()
                .expect("strace attaches to every thread")
                .unwrap();
            assert!(!line.contains("Could not attach"), "{line}");
            // "Process 12 attached", or "Process 12 attached with 3 threads".
            if let Some((_, with)) = line.split_once(" attached") {
                let number = with.trim_start_matches(" with ").split(' ').next();
                attached += number.and_then(|n| n.parse().ok()).unwrap_or(1);
            }
        }
        work();
        let interrupt = Command::new("kill")
            .args(["-INT", &strace.id().to_string()])
            .status();
        assert!(interrupt.unwrap().success());
        let table: Vec<String> = lines.map(Result::unwrap).collect();
        strace.wait().unwrap();
        let entry = |line: &String| {
            let (calls, name) = line.trim().split_once(' ')?;
            Some((name.trim().to_owned(), calls.parse().ok()?)).filter(|(name, _)| name != "total")
        };
        table.iter().filter_map(entry).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do about it then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
