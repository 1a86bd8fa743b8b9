//! Writes where the host has no room or fails, that are to reach the disk, or that leave holes.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use virtfs_client::{Client, Options, Stream};
use virtfs_mount::{Mount, MountOptions};
use virtfs_proto::{SetattrMask, Tfsync};
use virtfs_server::FdStream;
use virtfs_tests::errno::{EINVAL, EIO, ENOSPC};
use virtfs_tests::{Raw, Served, SetAttr};
use virtfs_vfs::synth::{File, Synth};
use virtfs_vfs::{
    Attr, Cx, DirEntry, Errno, FileKind, FileSystem, Name, Node, Open, OpenFlags, Opened, Qid,
    Qids, ReplyBody, StatFs, StatWant,
};

const EFBIG: u32 = 27;
const EDQUOT: u32 = 122;
const O_RDWR: u32 = 0o2;
const O_APPEND: u32 = 0o2000;
const O_DSYNC: u32 = 0o10000;
const O_SYNC: u32 = 0o4_010_000;

/// A file system in memory with this much room, until it is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        mount("tmpfs", dir.path(), "tmpfs", flags, options.as_c_str()).expect("root may mount");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// Makes and opens a file as this fid.
fn create(client: &mut Raw, fid: u32, name: &str) {
    client.walk(0, fid, &[]).unwrap();
    client.lcreate(fid, name, O_RDWR, 0o644).unwrap();
}

#[test]
fn a_full_file_system_is_told_by_the_write_and_by_whatever_makes_something() {
    let full = Tmpfs::new("size=256k,nr_inodes=40");
    let served = Served::local(full.path());
    let mut client = served.session();
    create(&mut client, 1, "large");
    let mut written = 0;
    let refused = loop {
        match client.write(1, written, &[7; 50_000]) {
            Ok(count) => written += u64::from(count),
            Err(error) => break error,
        }
        assert!(written <= 256 << 10, "{written}");
    };
    assert_eq!(refused, ENOSPC);
    // What fitted of the last write was told as a short one, so that nothing is lost between.
    assert_eq!(client.getattr(1).unwrap().size, written);
    assert_eq!(client.fsync(1), Ok(()));
    assert_eq!(client.read(1, written - 1, 10).unwrap(), [7]);
    let made = (0..40).find_map(|n| client.mkdir(0, &n.to_string(), 0o755).err());
    assert_eq!(made, Some(ENOSPC));
    client.walk(0, 2, &[]).unwrap();
    assert_eq!(client.lcreate(2, "one more", O_RDWR, 0o644), Err(ENOSPC));
    assert_eq!(client.symlink(0, "link", "target").err(), Some(ENOSPC));
    // With room it goes on, through the same fids.
    let size = SetattrMask::SIZE;
    let cut = SetAttr {
        valid: size,
        ..SetAttr::default()
    };
    client.setattr(1, cut).unwrap();
    client.unlinkat(0, "0", 0x200).unwrap();
    assert_eq!(client.write(1, 0, &[8; 50_000]), Ok(50_000));
    assert!(client.lcreate(2, "one more", O_RDWR, 0o644).is_ok());
}

#[test]
fn errors_of_the_host_reach_the_write_that_meets_them() {
    let errors = [EIO, EDQUOT, ENOSPC];
    let tree = errors.iter().fold(Synth::new(), |tree, error| {
        let error = Errno::from_raw(*error as i32);
        let file = File::new(0o666).read(move |_, _, _| Err(error));
        let file = file.write(move |_, _, _| Err(error)).length(|| 10);
        tree.file(error.raw().to_string(), file)
    });
    let inner = Served::synth(tree);
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    inner.server.serve(FdStream::socket(theirs)).unwrap();
    let client = Client::over(Stream::socket(ours), &Options::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mounted = Mount::start(client, dir.path(), &MountOptions::default());
    let mounted = mounted.expect("root, and /dev/fuse");
    let outer = Served::local(dir.path());
    let mut client = outer.session();
    for (fid, error) in (1..).zip(errors) {
        client.walk(0, fid, &[&error.to_string()]).unwrap();
        client.lopen(fid, O_RDWR).unwrap();
        assert_eq!(client.write(fid, 0, b"x"), Err(error));
        assert_eq!(client.read(fid, 0, 10), Err(error));
        assert_eq!(client.clunk(fid), Ok(()));
    }
    drop((client, outer, mounted));
}

#[test]
fn an_append_goes_to_the_true_end_whoever_wrote_there() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::local(dir.path());
    let mut client = served.session();
    create(&mut client, 1, "log");
    for fid in [2, 3] {
        client.walk(0, fid, &["log"]).unwrap();
        client.lopen(fid, O_RDWR | O_APPEND).unwrap();
    }
    assert_eq!(client.write(1, 0, b"one "), Ok(4));
    assert_eq!(client.write(2, 0, b"two "), Ok(4));
    assert_eq!(client.write(3, 1 << 40, b"three "), Ok(6));
    assert_eq!(client.write(2, 2, b"four"), Ok(4));
    assert_eq!(client.write(1, 0, b"ONE"), Ok(3));
    assert_eq!(client.read(2, 4, 100).unwrap(), b"two three four");
    let log = fs::read(dir.path().join("log")).unwrap();
    assert_eq!(log, b"ONE two three four");
}

/// The flags of the descriptor of this process that stands for a file.
fn flags_of(path: &Path) -> u32 {
    let numbers = fs::read_dir("/proc/self/fd").unwrap();
    let mut numbers = numbers.map(|entry| entry.unwrap().file_name());
    let flags = |name: &std::ffi::OsString| {
        let info = fs::read_to_string(Path::new("/proc/self/fdinfo").join(name)).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        const O_PATH: u32 = 0o10_000_000;
        let is = fs::read_link(Path::new("/proc/self/fd").join(name)).is_ok_and(|at| at == path);
        (is && flags & O_PATH == 0).then_some(flags)
    };
    numbers.find_map(|name| flags(&name)).expect("it is open")
}

#[test]
fn what_is_opened_for_writes_that_reach_the_disk_is_opened_so_on_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let served = Served::local(&root);
    let mut client = served.session();
    for (flags, expected) in [(0, 0), (O_DSYNC, O_DSYNC), (O_SYNC, O_SYNC)] {
        let made = format!("made{flags}");
        client.walk(0, 1, &[]).unwrap();
        client.lcreate(1, &made, O_RDWR | flags, 0o644).unwrap();
        assert_eq!(flags_of(&root.join(&made)) & O_SYNC, expected);
        client.clunk(1).unwrap();
        client.walk(0, 1, &[&made]).unwrap();
        client.lopen(1, O_RDWR | flags).unwrap();
        assert_eq!(flags_of(&root.join(&made)) & O_SYNC, expected);
        assert_eq!(client.write(1, 0, b"there"), Ok(5));
        client.clunk(1).unwrap();
    }
}

/// One file, whose syncs are remembered.
struct Synced(Arc<Mutex<Vec<bool>>>);

const QID: Qid = Qid {
    kind: Some(FileKind::Regular),
    version: 1,
    path: 1,
};

impl FileSystem for Synced {
    fn attach(&self, _: &Cx<'_>) -> Result<(Node, Qid), Errno> {
        Ok((Node::new(Arc::new(())), QID))
    }

    fn walk(&self, _: &Cx<'_>, start: &Node, _: &[Name<'_>], _: &mut Qids) -> Result<Node, Errno> {
        Ok(start.clone())
    }

    fn open(&self, _: &Cx<'_>, _: &Node, _: OpenFlags) -> Result<Opened, Errno> {
        Ok(Opened {
            open: Open::new(Arc::new(())),
            qid: QID,
            blksize: 4096,
        })
    }

    fn stat(&self, _: &Cx<'_>, _: &Node, _: Option<&Open>, _: StatWant) -> Result<Attr, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn read(&self, _: &Cx<'_>, _: &Open, _: u64, _: &mut dyn ReplyBody) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn list(
        &self,
        _: &Cx<'_>,
        _: &Open,
        _: u64,
        _: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn statfs(&self, _: &Cx<'_>, _: &Node) -> Result<StatFs, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn sync(&self, _: &Cx<'_>, _: &Open, data_only: bool) -> Result<(), Errno> {
        self.0.lock().unwrap().push(data_only);
        Ok(())
    }
}

#[test]
fn a_sync_is_of_the_data_alone_where_the_client_says_so() {
    let seen = Arc::<Mutex<Vec<bool>>>::default();
    let served = Served::fs(Synced(seen.clone()));
    let mut client = served.session();
    client.walk(0, 1, &[]).unwrap();
    client.lopen(1, O_RDWR).unwrap();
    for datasync in [0, 1, 7] {
        assert_eq!(client.call(Tfsync { fid: 1, datasync }).ecode(), None);
    }
    assert_eq!(*seen.lock().unwrap(), [false, true, true]);
}

#[test]
fn files_reach_as_far_as_offsets_do_and_holes_take_no_room() {
    const END: u64 = i64::MAX as u64;
    let room = Tmpfs::new("size=1m");
    let served = Served::local(room.path());
    let mut client = served.session();
    create(&mut client, 1, "sparse");
    let sized = |size| SetAttr {
        valid: SetattrMask::SIZE,
        size,
        ..SetAttr::default()
    };
    client.setattr(1, sized(END)).unwrap();
    assert_eq!(client.getattr(1).unwrap().size, END);
    for beyond in [END + 1, u64::MAX] {
        let refused = client.setattr(1, sized(beyond)).unwrap_err();
        assert!([EINVAL, EFBIG].contains(&refused), "{refused}");
    }
    assert_eq!(client.getattr(1).unwrap().size, END);
    assert_eq!(client.write(1, END - 1, b"z"), Ok(1));
    assert_eq!(client.read(1, END - 3, 3).unwrap(), b"\0\0z");
    assert_eq!(client.read(1, END, 0).unwrap(), b"");
    // Linux refuses what reaches beyond, even if it would be cut.
    let mut options = fs::File::options();
    let host = options
        .read(true)
        .write(true)
        .open(room.path().join("sparse"));
    let host = host.unwrap();
    for offset in [END - 1, END] {
        let error = |error: std::io::Error| error.raw_os_error().unwrap() as u32;
        let on_host = host.read_at(&mut [0; 100], offset).map_err(error);
        assert_eq!(client.read(1, offset, 100).map(|read| read.len()), on_host);
        let on_host = host.write_at(b"zz", offset).map_err(error);
        assert_eq!(
            client.write(1, offset, b"zz").map(|wrote| wrote as usize),
            on_host
        );
    }
    for offset in [END + 1, u64::MAX] {
        let refused = client.write(1, offset, b"z").unwrap_err();
        assert!([EINVAL, EFBIG].contains(&refused), "{refused}");
    }
    let on_host = fs::metadata(room.path().join("sparse")).unwrap();
    assert_eq!(on_host.size(), END);
    assert!(on_host.blocks() <= 64, "{} blocks", on_host.blocks());
    assert_eq!(client.getattr(1).unwrap().blocks, on_host.blocks());
    client.setattr(1, sized(1 << 20)).unwrap();
    client.write(1, 512 << 10, b"middle").unwrap();
    let blocks = client.getattr(1).unwrap().blocks;
    assert!(blocks <= 64, "{blocks} blocks");
    assert_eq!(client.read(1, (512 << 10) - 2, 8).unwrap(), b"\0\0middle");
}
