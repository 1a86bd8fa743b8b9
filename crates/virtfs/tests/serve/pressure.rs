//! Many more fids and open files than there may be descriptors, in one session, while the host
//! renames, moves and removes files, nothing is in the kernel's caches, and the server is shut in.
//!
//! `VIRTFS_PRESSURE` is how many times as much is done: 20 are 20,000 files, 100,000 fids and 1,000
//! open files.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use virtfs_proto::{GetattrMask, Names, Rmessage, Tgetattr, Twalk};
use virtfs_tests::errno::ESTALE;
use virtfs_tests::{Frames, Raw, Reply};

use crate::running::{Running, serve, unix, unix_client};

const FILES: u32 = 1000;
const FIDS: u32 = 5000;
const OPEN: u32 = 50;
/// Files of one directory.
const IN_DIR: u32 = 100;
/// What a fid may take of memory, and its share of the file that five of them know.
const BYTES_EACH: u64 = 300;
/// Requests that are sent at once.
const BATCH: usize = 100;

const FIRST_DIR: u32 = 100;
const FIRST_OPEN: u32 = 100_000;
const FIRST: u32 = 1_000_000;
const SPARE: u32 = 2;

/// What becomes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Stays,
    RenamedByClient,
    RenamedByHost,
    /// To another directory.
    MovedByHost,
    RemovedByHost,
}

fn fate(file: u32) -> Fate {
    match file % 10 {
        1 | 2 => Fate::RenamedByClient,
        3 | 4 => Fate::RenamedByHost,
        5 | 6 => Fate::MovedByHost,
        7 => Fate::RemovedByHost,
        _ => Fate::Stays,
    }
}

/// Whether the host moves the directory of a file.
fn is_in_a_moved_dir(file: u32) -> bool {
    (file / IN_DIR) % 4 == 1
}

fn is_touched_by_host(file: u32) -> bool {
    let by_host = [Fate::RenamedByHost, Fate::MovedByHost, Fate::RemovedByHost];
    by_host.contains(&fate(file)) || is_in_a_moved_dir(file)
}

fn dir_name(dir: u32) -> String {
    format!("d{dir}")
}

struct Pressure {
    export: tempfile::TempDir,
    _sockets: tempfile::TempDir,
    server: Running,
    client: Raw,
    files: u32,
    fids: u32,
    open: u32,
    readonly: bool,
    /// One at a time empties the kernel's caches: what another test's server has just searched for
    /// would be forgotten before it is opened, and be lost until that may search again.
    _alone: fs::File,
}

impl Pressure {
    /// With a server of this user, or of root, and these flags.
    fn start(user: Option<u32>, flags: &[&str]) -> Self {
        let alone = fs::File::open(env!("CARGO_BIN_EXE_virtfs")).unwrap();
        flock(&alone, FlockOperation::LockExclusive).unwrap();
        let times = std::env::var("VIRTFS_PRESSURE").ok();
        let times = times.and_then(|times| times.parse().ok()).unwrap_or(1);
        let (export, sockets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = FILES * times;
        for dir in 0..files / IN_DIR {
            fs::create_dir(export.path().join(dir_name(dir))).unwrap();
            for file in dir * IN_DIR..(dir + 1) * IN_DIR {
                fs::write(path_of(export.path(), file), file.to_string()).unwrap();
            }
        }
        fs::create_dir(export.path().join("elsewhere")).unwrap();
        let path = sockets.path().join("9p");
        let mut command = serve(export.path());
        command.args(["--rlimit-nofile", "256", "--sandbox", "landlock"]);
        if !flags.contains(&"--inode-file-handles") {
            command.args(["--inode-file-handles", "prefer"]);
        }
        command.args(["--listen", &unix(&path)]).args(flags);
        if let Some(user) = user {
            give_all(export.path(), user);
            give_all(sockets.path(), user);
            command.uid(user).gid(user);
        }
        let server = Running::start(&mut command);
        server.line("listening on ");
        Self {
            client: unix_client(&path),
            export,
            _sockets: sockets,
            server,
            files,
            fids: FIDS * times,
            open: OPEN * times,
            readonly: flags.contains(&"--readonly"),
            _alone: alone,
        }
    }

    /// Walks to all files, several times to each.
    fn walk(&mut self) {
        for dir in 0..self.files / IN_DIR {
            self.client
                .walk(1, FIRST_DIR + dir, &[&dir_name(dir)])
                .unwrap();
        }
        let before = self.resident();
        for fids in all(self.fids).chunks(BATCH) {
            let mut frames = Frames::new();
            for (tag, fid) in fids.iter().enumerate() {
                let file = fid % self.files;
                let name = file.to_string();
                let names = [name.as_bytes()];
                let walk = Twalk {
                    fid: FIRST_DIR + file / IN_DIR,
                    newfid: FIRST + fid,
                    names: Names::from_slice(&names),
                };
                frames.add(tag as u16, walk);
            }
            for reply in self.exchange(&frames, fids.len()) {
                assert_eq!(reply.ecode(), None);
            }
        }
        let each = (self.resident() - before) * 1024 / u64::from(self.fids);
        println!(
            "{each} bytes for each of {} fids of {} files",
            self.fids, self.files
        );
        // Of fewer, what the allocator keeps in store is most.
        let many = self.files >= 10 * FILES;
        assert!(!many || each <= BYTES_EACH, "{each} bytes for each fid");
        for at in 0..self.open {
            let file = at * (self.files / self.open);
            self.client
                .walk(FIRST + file, FIRST_OPEN + at, &[])
                .unwrap();
            self.client.lopen(FIRST_OPEN + at, 0).unwrap();
        }
    }

    /// What the host and the client do to files; nothing of it is in the kernel's caches afterwards.
    fn shuffle(&mut self) {
        let root = self.export.path();
        for file in 0..self.files {
            let (path, dir) = (path_of(root, file), file / IN_DIR);
            match fate(file) {
                Fate::Stays => {}
                Fate::RenamedByClient if self.readonly => {}
                Fate::RenamedByClient => {
                    let (name, new) = (file.to_string(), format!("c{file}"));
                    let dir = FIRST_DIR + dir;
                    self.client.renameat((dir, &name), (dir, &new)).unwrap();
                }
                Fate::RenamedByHost => {
                    fs::rename(&path, path.with_file_name(format!("h{file}"))).unwrap();
                }
                Fate::MovedByHost => {
                    fs::rename(&path, root.join("elsewhere").join(file.to_string())).unwrap();
                }
                Fate::RemovedByHost => fs::remove_file(&path).unwrap(),
            }
        }
        for dir in (0..self.files / IN_DIR).filter(|dir| is_in_a_moved_dir(dir * IN_DIR)) {
            let to = root.join("elsewhere").join(dir_name(dir));
            fs::rename(root.join(dir_name(dir)), to).unwrap();
        }
        rustix::fs::sync();
        // Dentries and inodes. Where that is not permitted, they stay.
        let _ = fs::write("/proc/sys/vm/drop_caches", "2");
    }

    /// Every fid stands for its own file, or for none where that is allowed.
    fn check(&mut self, lost: impl Fn(u32) -> bool) {
        let mut stale = 0;
        for fids in all(self.fids).chunks(BATCH) {
            let mut frames = Frames::new();
            for (tag, fid) in fids.iter().enumerate() {
                let request_mask = GetattrMask::BASIC;
                let fid = FIRST + fid;
                frames.add(tag as u16, Tgetattr { fid, request_mask });
            }
            for (reply, fid) in self.exchange(&frames, fids.len()).iter().zip(fids) {
                let file = fid % self.files;
                match reply.result() {
                    Ok(Rmessage::Getattr(attr)) => {
                        assert_eq!(attr.size, file.to_string().len() as u64);
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => {
                        assert_eq!(error, ESTALE, "{file}: {:?}", fate(file));
                        assert!(lost(file), "{file} is lost: {:?}", fate(file));
                        stale += 1;
                    }
                }
            }
        }
        for file in 0..self.files {
            self.client.walk(FIRST + file, SPARE, &[]).unwrap();
            let read = self.client.lopen(SPARE, 0);
            match read.and_then(|_| self.client.read(SPARE, 0, 100)) {
                Ok(content) => assert_eq!(content, file.to_string().as_bytes()),
                Err(error) => assert!(
                    error == ESTALE && lost(file),
                    "{file} {:?}: {error}",
                    fate(file)
                ),
            }
            self.client.clunk(SPARE).unwrap();
        }
        for at in 0..self.open {
            let file = at * (self.files / self.open);
            match self.client.read(FIRST_OPEN + at, 0, 100) {
                Ok(content) => assert_eq!(content, file.to_string().as_bytes()),
                Err(error) => assert!(error == ESTALE && lost(file), "{file}, open: {error}"),
            }
        }
        println!("{stale} of {} fids are stale", self.fids);
    }

    fn exchange(&mut self, frames: &Frames, replies: usize) -> Vec<Reply> {
        self.client.send_frames(frames);
        self.client.receive_many(replies)
    }

    /// KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.worker()));
        let status = status.unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

fn all(fids: u32) -> Vec<u32> {
    (0..fids).collect()
}

fn path_of(root: &Path, file: u32) -> PathBuf {
    root.join(dir_name(file / IN_DIR)).join(file.to_string())
}

fn give_all(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_all(&entry.unwrap().path(), user);
        }
    }
}

#[test]
fn with_few_descriptors_every_fid_of_roots_server_reaches_its_own_file() {
    let mut pressure = Pressure::start(None, &["--inode-file-handles", "prefer"]);
    pressure.walk();
    pressure.shuffle();
    pressure.check(|file| fate(file) == Fate::RemovedByHost);
}

#[test]
fn with_few_descriptors_an_ordinary_users_server_loses_only_what_the_host_moved() {
    let mut pressure = Pressure::start(Some(12_345), &[]);
    pressure.walk();
    pressure.shuffle();
    pressure.check(is_touched_by_host);
}

#[test]
fn with_few_descriptors_a_readonly_export_loses_no_more() {
    let mut pressure = Pressure::start(None, &["--readonly", "--inode-file-handles", "mandatory"]);
    pressure.walk();
    pressure.shuffle();
    pressure.check(|file| fate(file) == Fate::RemovedByHost);
}

#[test]
fn without_file_handles_roots_server_loses_what_an_ordinary_users_does() {
    let mut pressure = Pressure::start(None, &["--inode-file-handles", "never"]);
    pressure.walk();
    pressure.shuffle();
    pressure.check(is_touched_by_host);
}

#[test]
fn where_file_handles_are_mandatory_and_cannot_be_opened_the_server_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    give_all(dir.path(), 12_345);
    let mut command = serve(dir.path());
    command.args([
        "--inode-file-handles",
        "mandatory",
        "--listen",
        "tcp:127.0.0.1:0",
    ]);
    let (status, said) = Running::start(command.uid(12_345).gid(12_345)).failure();
    assert_eq!(status, Some(1));
    assert!(said.contains("CAP_DAC_READ_SEARCH"), "{said}");
}
