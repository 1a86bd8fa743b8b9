//! Users that need no entry in the host's databases, and a server that knows them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Once};

use rustix::fs::{Gid, Mode, Uid};
use rustix::thread::{
    capabilities, set_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use tempfile::TempDir;
use virtfs_local::{LocalFs, Options};
use virtfs_proto::{NOFID, NONUNAME, Rmessage, Tattach};
use virtfs_server::{Caller, Claim, Export, Users};
use virtfs_tests::{Raw, Served};
use virtfs_vfs::{Call, Credentials, Errno, User};

pub(crate) const ANN: u32 = 61_001;
pub(crate) const BOB: u32 = 61_002;
pub(crate) const CID: u32 = 61_003;
/// Whom root and nobody act as.
pub(crate) const NOBODY: u32 = 65_534;
/// The number by which root comes without being squashed.
pub(crate) const BOSS: u32 = 60_000;

/// Ann's and Bob's.
pub(crate) const TEAM: u32 = 62_001;
/// Bob's.
pub(crate) const CLUB: u32 = 62_002;
/// A group that none of them is in.
pub(crate) const OTHERS: u32 = 62_003;

pub(crate) fn credentials(uid: u32) -> Credentials {
    let groups: &[u32] = match uid {
        ANN => &[TEAM],
        BOB => &[TEAM, CLUB, BOB],
        _ => &[],
    };
    Credentials {
        uid,
        gid: uid,
        groups: groups.into(),
    }
}

/// Those above, and root as a squashed user.
struct Known;

impl Users for Known {
    fn find(&self, claim: &Claim<'_>, _: &dyn Call) -> Result<Caller, Errno> {
        let uid = match claim.uid {
            _ if claim.is_of_nobody() => NOBODY,
            Some(0) => NOBODY,
            Some(BOSS) => 0,
            Some(uid @ (ANN | BOB | CID | NOBODY)) => uid,
            _ => return Err(Errno::EACCES),
        };
        Ok(Caller {
            user: User {
                uid: claim.uid.unwrap_or(uid),
            },
            credentials: Some(Arc::new(credentials(uid))),
        })
    }
}

/// Ends the test, loudly, where it could only pass by not testing.
pub(crate) fn need_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: without it nothing would be tested"
    );
}

/// A directory that everybody may enter, and a umask that takes nothing from anybody.
pub(crate) fn open_dir() -> TempDir {
    static ONCE: Once = Once::new();
    need_root();
    ONCE.call_once(|| {
        rustix::process::umask(Mode::empty());
    });
    let dir = tempfile::tempdir().unwrap();
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), all).unwrap();
    dir
}

/// Serves a directory to all of them.
pub(crate) fn serve(dir: &Path, options: Options) -> Served {
    let fs = LocalFs::open(dir, options).unwrap();
    Served::exports(vec![
        Export::new("root", Arc::new(fs)).users(Arc::new(Known)),
    ])
}

/// The same, and a client of it.
pub(crate) fn served(dir: &Path, options: Options) -> (Served, Raw) {
    let server = serve(dir, options);
    let client = server.connect();
    (server, client)
}

/// Attaches a fid as a user; without a number, as nobody.
pub(crate) fn attach(client: &mut Raw, fid: u32, uid: Option<u32>) -> Result<(), u32> {
    let message = Tattach {
        fid,
        afid: NOFID,
        uname: match uid {
            Some(_) => b"",
            None => b"nobody",
        },
        aname: b"",
        n_uname: uid.unwrap_or(NONUNAME),
    };
    match client.call(message).result()? {
        Rmessage::Attach(_) => Ok(()),
        other => panic!("Tattach was answered {other:?}"),
    }
}

/// A session with a root for this user: fid 0.
pub(crate) fn session(served: &Served, uid: u32) -> Raw {
    let mut client = served.connect();
    client.start();
    attach(&mut client, 0, Some(uid)).unwrap();
    client
}

/// Runs with the rights of a user as the kernel gives them to a program, on a thread of its own.
pub(crate) fn as_user<T: Send>(uid: u32, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // The thread that started this one may have served, and lacks what that takes away.
            let mut sets = capabilities(None).unwrap();
            sets.effective = sets.permitted;
            set_capabilities(None, sets).unwrap();
            let user = credentials(uid);
            let groups: Vec<_> = user.groups.iter().map(|g| Gid::from_raw(*g)).collect();
            set_thread_groups(&groups).unwrap();
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            f()
        });
        thread.join().unwrap()
    })
}
