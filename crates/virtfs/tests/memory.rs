//! Clients that try to make the server hold everything: it stays under a memory limit, answers
//! errnos, and serves others on. On the real program.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use virtfs_proto::{Tread, Twrite};
use virtfs_tests::{Frames, Raw};

/// What the process may have of writable private memory: the budgets of the clients below, and
/// room for the program itself.
const LIMIT_MIB: u64 = 512;

const ROOT: u32 = 1;
const FILE: u32 = 2;
const MSIZE: u32 = 1 << 20;
/// Fids are numbered from here.
const MANY: u32 = 1000;

#[test]
fn clients_that_hold_all_they_can_stay_within_a_memory_limit() {
    let export = tempfile::tempdir().unwrap();
    std::fs::write(export.path().join("file"), vec![7; MSIZE as usize]).unwrap();
    let sockets = tempfile::tempdir().unwrap();
    let socket = sockets.path().join("9p");
    let server = Server::start(export.path(), &socket);
    let connect = || Raw::socket(UnixStream::connect(&socket).unwrap());
    let session = || {
        let mut client = connect();
        client.version(MSIZE, "9P2000.L").unwrap();
        client.attach(ROOT, "").unwrap();
        client.walk(ROOT, FILE, &["file"]).unwrap();
        client
    };
    let mut witness = session();

    // Many fids cost little each.
    let before = server.resident_kib();
    let mut fids = session();
    let count = 100_000;
    for fid in 0..count {
        fids.walk(ROOT, MANY + fid, &["file"]).unwrap();
    }
    let each = (server.resident_kib() - before) * 1024 / u64::from(count);
    println!("{each} bytes for each fid");
    assert!(each <= 300, "{each} bytes for each fid");

    // Extended attributes end at their budget, whatever their size.
    let mut xattrs = session();
    for size in [65536, 0] {
        let refused = (MANY..).take(1 << 17).find(|fid| {
            xattrs.walk(FILE, *fid, &[]).unwrap();
            match xattrs.xattrcreate(*fid, "user.x", size, 0) {
                Ok(()) if size > 0 => {
                    xattrs.write(*fid, 0, &vec![1; size as usize]).unwrap();
                    false
                }
                Ok(()) => false,
                Err(errno) => {
                    assert_eq!(errno, 28, "ENOSPC");
                    true
                }
            }
        });
        assert!(refused.is_some(), "attributes of {size} bytes have no end");
        xattrs = session();
    }

    // Requests for much, whose answers nobody takes.
    let mut deaf: Vec<Raw> = (0..4).map(|_| session()).collect();
    for client in &mut deaf {
        client.lopen(FILE, 0).unwrap();
        let mut frames = Frames::new();
        for tag in 0..4096 {
            frames.add(
                tag,
                Tread {
                    fid: FILE,
                    offset: 0,
                    count: MSIZE,
                },
            );
        }
        // The server stops to receive when enough is in flight.
        let _ = client.try_send(frames.bytes(), Duration::from_secs(1));
    }

    // Frames that are announced and never sent, on as many connections as there may be.
    let mut announced = Vec::new();
    for _ in 0..100 {
        let mut client = connect();
        client.version(MSIZE, "9P2000.L").unwrap();
        let mut frames = Frames::new();
        frames.add_with(
            0,
            Twrite {
                fid: FILE,
                offset: 0,
                count: MSIZE - 23,
            },
            &vec![0; MSIZE as usize - 23],
        );
        client.send_bytes(&frames.bytes()[..100]);
        announced.push(client);
    }

    witness.getattr(FILE).unwrap();
    witness.lopen(FILE, 2).unwrap();
    assert_eq!(witness.read(FILE, 0, 4096).unwrap(), [7; 4096]);
    assert_eq!(witness.write(FILE, 0, b"still here").unwrap(), 10);
    println!("{} KiB resident at the end", server.resident_kib());
}

struct Server(Child);

impl Server {
    fn start(export: &Path, socket: &Path) -> Self {
        let child = Command::new("prlimit")
            .arg(format!("--data={}", LIMIT_MIB << 20))
            .arg(env!("CARGO_BIN_EXE_virtfs"))
            .args(["serve", "--log-level", "error", "--shared-dir"])
            .arg(export)
            .arg("--listen")
            .arg(format!("unix:{}", socket.display()))
            .stdout(Stdio::null())
            .spawn()
            .expect("prlimit (util-linux) is installed");
        let server = Self(child);
        let began = Instant::now();
        while UnixStream::connect(socket).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "the server does not come up"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn resident_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", virtfs_tests::worker(self.0.id()));
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do about it then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
