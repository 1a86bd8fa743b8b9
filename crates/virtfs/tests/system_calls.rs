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
const ROOT: u32 = 1;
const FILE: u32 = 2;
const NEW: u32 = 3;

#[test]
fn a_request_on_a_warm_tree_costs_few_system_calls() {
    let export = tempfile::tempdir().unwrap();
    std::fs::create_dir(export.path().join("dir")).unwrap();
    std::fs::write(export.path().join("dir/file"), vec![7; 8192]).unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("9p");
    let (server, stream) = Server::start(export.path(), &socket);
    let mut client = Raw::socket(stream);
    client.start();
    client.attach(ROOT, "").unwrap();
    client.walk(ROOT, FILE, &["dir", "file"]).unwrap();

    let mut count = |what: &str, run: &mut dyn FnMut(&mut Raw, u64)| {
        (0..20).for_each(|n| run(&mut client, n));
        let counted = server.count(|| (20..20 + TIMES).for_each(|n| run(&mut client, n)));
        println!("{what}: {counted:?}");
        Cost {
            what: what.to_owned(),
            counted,
        }
    };

    let cost = count("getattr", &mut |client, _| attributes(client, FILE));
    cost.at_most(1, 0, 1);

    let cost = count(
        "walk of one name to a file that no other fid has, clunk",
        &mut |client, _| {
            client.walk(ROOT, NEW, &["dir"]).unwrap();
            client.clunk(NEW).unwrap();
        },
    );
    // The directory is held by the file's fid: one call tells that it is still the same.
    cost.at_most(2, 0, 2);

    let other = export.path().join("other");
    std::fs::write(&other, b"other").unwrap();
    let cost = count(
        "walk of a name to a new file, getattr, clunk",
        &mut |client, _| {
            client.walk(ROOT, NEW, &["other"]).unwrap();
            attributes(client, NEW);
            client.clunk(NEW).unwrap();
        },
    );
    cost.at_most(2 + 1, 1, 3);

    let cost = count("walk of two names to a file, clunk", &mut |client, _| {
        client.walk(ROOT, NEW, &["dir", "file"]).unwrap();
        client.clunk(NEW).unwrap();
    });
    cost.at_most(4, 0, 2);

    let cost = count("clone, lopen, clunk", &mut |client, _| {
        client.walk(FILE, NEW, &[]).unwrap();
        client.lopen(NEW, O_RDWR).unwrap();
        client.clunk(NEW).unwrap();
    });
    cost.at_most(3, 1, 3);

    let cost = count("clone, lcreate, clunk", &mut |client, n| {
        client.walk(ROOT, NEW, &[]).unwrap();
        client
            .lcreate(NEW, &format!("new-{n}"), O_RDWR, 0o644)
            .unwrap();
        client.clunk(NEW).unwrap();
    });
    // The new file's fid holds two descriptors: one to know it by, one to read and write.
    cost.at_most(4, 2, 3);

    client.walk(FILE, NEW, &[]).unwrap();
    client.lopen(NEW, O_RDWR).unwrap();
    let mut count = |what: &str, run: &mut dyn FnMut(&mut Raw, u64)| {
        (0..20).for_each(|n| run(&mut client, n));
        let counted = server.count(|| (20..20 + TIMES).for_each(|n| run(&mut client, n)));
        println!("{what}: {counted:?}");
        Cost {
            what: what.to_owned(),
            counted,
        }
    };
    let cost = count("cached read", &mut |client, _| {
        drop(client.read(NEW, 0, 4096).unwrap())
    });
    cost.at_most(1, 0, 1);
    let cost = count("write", &mut |client, _| {
        client.write(NEW, 4096, &[8; 4096]).unwrap();
    });
    cost.at_most(1, 0, 1);
}

/// Asks for the basic attributes.
fn attributes(client: &mut Raw, fid: u32) {
    let request_mask = GetattrMask::BASIC;
    client
        .call(Tgetattr { fid, request_mask })
        .result()
        .unwrap();
}

/// What a kind of operation was counted at.
struct Cost {
    what: String,
    counted: HashMap<String, u64>,
}

impl Cost {
    /// For each operation at most so many calls on files, so many closes beside them, and so many
    /// requests with one receive and one send each; nothing between threads.
    #[track_caller]
    fn at_most(&self, files: u64, closes: u64, requests: u64) {
        let count = |name: &str| self.counted.get(name).copied().unwrap_or(0);
        let others = MESSAGES.iter().chain(MEMORY).chain(THREADS).chain(DEBUG);
        let on_files: u64 =
            self.counted.values().sum::<u64>() - others.map(|name| count(name)).sum::<u64>();
        for (kind, is, most) in [
            ("calls on files", on_files, files * TIMES),
            ("closes", count("close"), closes * TIMES),
            ("receives", count("read"), requests * TIMES),
            ("sends", count("sendmsg"), requests * TIMES),
            ("futex calls", count("futex"), SENTINEL),
            ("eventfd calls", count("eventfd2"), 0),
        ] {
            // One call may have been under way when the count began or ended.
            assert!(
                is <= most + 1,
                "{}: {is} {kind} for {TIMES} operations, at most {most} are promised: {:?}",
                self.what,
                self.counted
            );
        }
        assert!(
            count("read") + 1 >= TIMES,
            "the requests were not counted: {:?}",
            self.counted
        );
    }
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

    /// Counts the system calls of the server, by name, while `work` is done.
    fn count(&self, work: impl FnOnce()) -> HashMap<String, u64> {
        let pid = self.0.id().to_string();
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
