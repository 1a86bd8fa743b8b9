//! A directory for everybody, and clients of each user.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use virtfs_proto::{NOFID, NONUNAME, Rmessage, Tattach};
use virtfs_tests::Raw;

/// The user and group that root becomes.
pub(crate) const NOBODY: u32 = 65534;
/// A user whom every Debian has, of a group of the same number.
pub(crate) const DAEMON: u32 = 1;
/// A number that is nobody's.
pub(crate) const UNKNOWN: u32 = 4242;

/// `export/`, where everybody may make files, a copy of the program, and a place for a socket.
pub(crate) struct Site {
    dir: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test needs root: without it nothing would be tested"
        );
        let site = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(site.export()).unwrap();
        open(site.dir.path(), 0o777);
        open(&site.export(), 0o777);
        // The program may lie where others cannot go. Another process copies it: a child of another
        // test could hold what we have open for writing, and such a file cannot be run.
        let mut copy = Command::new("cp");
        let copied = copy
            .arg(env!("CARGO_BIN_EXE_virtfs"))
            .arg(site.program())
            .status();
        assert!(copied.unwrap().success());
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn export(&self) -> PathBuf {
        self.path("export")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.path("virtfs")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("9p")
    }

    /// What `virtfs serve` needs to serve it to users.
    pub(crate) fn flags(&self) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let listen = format!("unix:{}", text(self.socket()));
        let (dir, access) = (text(self.export()), "user".into());
        let flags = [
            "serve".into(),
            "--shared-dir".into(),
            dir,
            "--listen".into(),
            listen,
            "--access".into(),
            access,
        ];
        flags.into()
    }

    /// `virtfs serve` of it to users, to be completed.
    pub(crate) fn serve(&self) -> Command {
        let mut command = Command::new(self.program());
        command.args(self.flags()).stdin(Stdio::null());
        command
    }

    /// A connection on which nobody has attached.
    pub(crate) fn client(&self) -> Raw {
        let mut client = Raw::socket(UnixStream::connect(self.socket()).unwrap());
        client.start();
        client
    }

    /// User and group of a file in the export.
    pub(crate) fn owner(&self, name: &str) -> (u32, u32) {
        let meta = self.export().join(name).symlink_metadata().unwrap();
        (meta.uid(), meta.gid())
    }
}

/// Lets everybody in.
pub(crate) fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Attaches a fid by number, or by name.
pub(crate) fn attach(client: &mut Raw, fid: u32, uname: &str, uid: Option<u32>) -> Result<(), u32> {
    let message = Tattach {
        fid,
        afid: NOFID,
        uname: uname.as_bytes(),
        aname: b"",
        n_uname: uid.unwrap_or(NONUNAME),
    };
    match client.call(message).result()? {
        Rmessage::Attach(_) => Ok(()),
        other => panic!("Tattach was answered {other:?}"),
    }
}
