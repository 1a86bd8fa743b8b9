//! Calls with the rights of a user. What each user may do is compared with the host's own word in the
//! suites over the protocol; here is what only the library sees.

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use common::{Export, WRITE, name, need_root};
use rustix::thread::{capabilities, set_capabilities};
use virtfs_vfs::{Credentials, Cx, Detached, Errno, FileSystem, User};

const ANN: u32 = 61_001;

fn ann() -> Arc<Credentials> {
    Arc::new(Credentials {
        uid: ANN,
        gid: ANN,
        groups: [5, 6].into(),
    })
}

fn cx(user: &Arc<Credentials>) -> Cx<'_> {
    Cx::new(User { uid: 7 }, &Detached).with_rights_of(Some(user))
}

/// The effective capabilities of this thread.
fn effective() -> rustix::thread::CapabilitySet {
    capabilities(None).unwrap().effective
}

#[test]
fn a_call_of_nobody_s_after_one_of_a_user_s_has_the_server_s_rights_again() {
    need_root();
    let export = Export::new();
    let user = ann();
    let before = effective();
    let create = |cx: &Cx<'_>, file| {
        let made = export
            .fs
            .create(cx, &export.root, name(file), WRITE, 0o600, u32::MAX);
        made.map(drop)
    };
    assert_eq!(create(&cx(&user), "users"), Err(Errno::EACCES));
    assert!(effective().is_empty());
    create(&common::cx(), "servers").unwrap();
    // CAP_FSETID is the thread's no more, as of every thread that serves.
    assert_eq!(effective() | before, before);
    assert!(!effective().is_empty());
    // A thread that one with a user's rights starts has the server's.
    assert_eq!(create(&cx(&user), "users"), Err(Errno::EACCES));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            export.fs.prepare_thread();
            create(&common::cx(), "by-another-thread")
        });
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_user_whom_the_server_cannot_act_as_is_refused_and_nothing_is_done() {
    need_root();
    let export = Export::new();
    let impossible = Arc::new(Credentials {
        // No number of a user.
        uid: u32::MAX,
        gid: 1,
        groups: Box::default(),
    });
    assert_eq!(
        export.fs.attach(&cx(&impossible)).map(drop),
        Err(Errno::EACCES)
    );
    export.fs.attach(&common::cx()).unwrap();
    export.fs.attach(&cx(&ann())).unwrap();
    assert_eq!(
        export.fs.attach(&cx(&impossible)).map(drop),
        Err(Errno::EACCES)
    );
    let root = export.fs.create(
        &common::cx(),
        &export.root,
        name("new"),
        WRITE,
        0o600,
        u32::MAX,
    );
    root.unwrap();
}

const CHILD: &str = "VIRTFS_TEST_RIGHTS_CHILD";

/// The debug build's read-back sees a thread that has more than its user.
#[test]
#[cfg(debug_assertions)]
fn a_thread_with_rights_that_are_not_its_user_s_ends_the_process() {
    need_root();
    let test = "a_thread_with_rights_that_are_not_its_user_s_ends_the_process";
    if std::env::var_os(CHILD).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child
            .env(CHILD, "1")
            .args([test, "--exact"])
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(6), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("rights that are not its own"), "{told}");
        return;
    }
    let export = Export::new();
    let user = ann();
    export.fs.attach(&cx(&user)).unwrap();
    let mut sets = capabilities(None).unwrap();
    sets.effective = sets.permitted;
    set_capabilities(None, sets).unwrap();
    let _ = export.fs.attach(&cx(&user));
}
