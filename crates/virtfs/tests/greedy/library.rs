//! A server with the limits of the tests, in a process of its own under a limit of memory.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use virtfs_local::{LocalFs, Options};
use virtfs_server::{Export, FdStream, Server};
use virtfs_tests::{PATIENCE, Raw};

use crate::limits::{limits, most_data, most_in_use};

/// Tells the process of a server what to serve.
const SERVE: &str = "VIRTFS_GREEDY_SERVE";

/// How big the file is that clients read.
pub(crate) const FILE: usize = 1 << 20;

/// A server, and the directory it serves: `file`, and `dir` with 100 files.
pub(crate) struct Ground {
    dir: TempDir,
    server: Child,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("export");
        std::fs::create_dir_all(export.join("dir")).unwrap();
        std::fs::write(export.join("file"), vec![7; FILE]).unwrap();
        for number in 0..100 {
            std::fs::write(export.join(format!("dir/{number:0>60}")), "").unwrap();
        }
        let server = Command::new("prlimit")
            .arg(format!("--data={}", most_data()))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "library::a_role_of_its_own"])
            .env(SERVE, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("prlimit (util-linux) is installed");
        let ground = Self { dir, server };
        let began = Instant::now();
        while UnixStream::connect(ground.socket()).is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not come up");
            sleep(Duration::from_millis(5));
        }
        ground
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// A connection on which nothing was said yet.
    pub(crate) fn connect(&self) -> Raw {
        Raw::socket(UnixStream::connect(self.socket()).unwrap())
    }

    /// A session with all of msize: fid 1 is the root, 2 the file, 3 the directory.
    pub(crate) fn session(&self) -> Raw {
        let mut client = self.connect();
        client.version(limits().msize, "9P2000.L").unwrap();
        client.attach(1, "").unwrap();
        client.walk(1, 2, &["file"]).unwrap();
        client.walk(1, 3, &["dir"]).unwrap();
        client
    }

    /// What an ordinary client does goes, all of it, and the server has not taken too much.
    pub(crate) fn others_go_on(&self, client: &mut Raw, beside: &str) {
        let began = Instant::now();
        for round in 0..20_u8 {
            let name = format!("of {beside} {round}");
            client.walk(1, 10, &["dir"]).unwrap();
            client.lopen(10, 0).unwrap();
            assert_eq!(client.readdir_all(10, 4096).unwrap().len(), 102);
            client.clunk(10).unwrap();
            client.walk(1, 10, &[]).unwrap();
            client.lcreate(10, &name, 2, 0o644).unwrap();
            assert_eq!(client.write(10, 0, &[round; 5000]), Ok(5000));
            assert_eq!(client.read(10, 0, 5000).unwrap(), [round; 5000]);
            let lock = crate::kinds::lock(0, 1);
            client.lock(10, lock).unwrap();
            client.clunk(10).unwrap();
            client.walk(1, 10, &[&name]).unwrap();
            client.walk(10, 11, &[]).unwrap();
            client
                .xattrcreate(11, "user.mark", 5000, 0)
                .unwrap_or_else(|errno| {
                    panic!("an attribute beside {beside}: {errno}");
                });
            client.clunk(11).unwrap_err();
            client.remove(10).unwrap();
        }
        let (took, memory) = (began.elapsed(), self.memory());
        println!("beside {beside}: {took:?}, {} KiB at most", memory >> 10);
        assert!(memory <= most_in_use(), "beside {beside}: {memory} bytes");
    }

    /// The most that the process ever had in use, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.server.id());
        let status = std::fs::read_to_string(status).expect("the server is there");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let line = line.expect("the server lives");
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// Waits until there are but so many sessions: each has a descriptor of a socket.
    pub(crate) fn wait_until_sessions_end(&self, left: usize) {
        let until = Instant::now() + PATIENCE;
        let sockets = || {
            let fds = std::fs::read_dir(format!("/proc/{}/fd", self.server.id())).unwrap();
            let link = |fd: std::fs::DirEntry| std::fs::read_link(fd.path()).ok();
            let links = fds.filter_map(|fd| link(fd.ok()?));
            links
                .filter(|link| link.to_string_lossy().starts_with("socket:"))
                .count()
        };
        // The listener is one more.
        while sockets() > left + 1 {
            assert!(Instant::now() < until, "{} sockets", sockets());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // It may have ended by itself; the test has failed then.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The process of the server.
#[test]
fn a_role_of_its_own() {
    let Some(dir) = std::env::var_os(SERVE) else {
        return;
    };
    let dir = Path::new(&dir);
    let options = Options {
        model: virtfs_local::SecurityModel::None,
        ..Options::default()
    };
    let fs = LocalFs::open(dir.join("export"), options).unwrap();
    let server = Server::builder()
        .export(Export::new("root", Arc::new(fs)))
        .limits(limits())
        .build()
        .unwrap();
    for client in UnixListener::bind(dir.join("socket")).unwrap().incoming() {
        let _ = server.serve(FdStream::socket(client.unwrap()));
    }
}
