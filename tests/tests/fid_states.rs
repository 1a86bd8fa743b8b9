//! What every message answers in every state of a fid: an errno where it makes no sense, never
//! silence and never a panic.

use virtfs_proto::{Tmessage, kind};
use virtfs_tests::errno::*;
use virtfs_tests::{Raw, Served, requests_on};
use virtfs_vfs::synth::{Counter, File, Synth};

/// The states that a fid can be in.
const STATES: &[&str] = &[
    "unknown",
    "dir",
    "file",
    "link",
    "fifo",
    "open dir",
    "open file",
    "open for writing",
    "open, unlinked",
    "xattr to read",
    "xattr to write",
    "xattr written",
];

/// Brings fid 5 into a state; `false` if this file system has no such thing.
fn bring(client: &mut Raw, state: &str) -> bool {
    let path = match state {
        "unknown" => return true,
        "link" => "link",
        "fifo" => "fifo",
        "dir" | "open dir" => "dir",
        "open, unlinked" => "gone",
        _ => "file",
    };
    if client.walk(0, 5, &[path]).is_err() {
        return false;
    }
    let done = match state {
        "open dir" | "open file" => client.lopen(5, 0).map(drop),
        "open for writing" => client.lopen(5, 1).map(drop),
        "open, unlinked" => client
            .lopen(5, 2)
            .and_then(|_| client.unlinkat(0, "gone", 0)),
        "xattr to read" => {
            client.clunk(5).unwrap();
            let fid = client.walk(0, 6, &[path]).map(|_| 6).unwrap();
            let read = client.xattrwalk(fid, 5, "user.a").map(drop);
            client.clunk(6).unwrap();
            read
        }
        "xattr to write" => client.xattrcreate(5, "user.b", 3, 0),
        "xattr written" => {
            let made = client.xattrcreate(5, "user.b", 3, 0);
            made.and_then(|()| client.write(5, 0, b"abc")).map(drop)
        }
        _ => Ok(()),
    };
    done.is_ok()
}

fn matrix(served: &Served, prepare: impl Fn(&mut Raw)) {
    let count = requests_on(0, 0, 0).len();
    for state in STATES {
        for at in 0..count {
            let mut client = served.session();
            prepare(&mut client);
            if !bring(&mut client, state) {
                continue;
            }
            client.walk(0, 8, &["dir"]).unwrap();
            let message = requests_on(5, 8, 9)[at];
            let reply = client.call(message);
            let expected = [message.kind() + 1, kind::RLERROR];
            assert!(
                expected.contains(&reply.kind),
                "{message:?} in state {state}"
            );
            if let Some(errno) = reply.ecode() {
                assert!(
                    (1..=133).contains(&errno),
                    "{message:?} in state {state}: {errno}"
                );
                assert_ne!(errno, EIO, "{message:?} in state {state}");
                if *state == "unknown" {
                    assert_eq!(errno, unknown(&message), "{message:?}");
                }
            } else if *state == "unknown" {
                let makes = matches!(message, Tmessage::Walk(_) | Tmessage::Attach(_));
                assert!(makes, "{message:?} of an unknown fid");
            }
            if let Some(errno) = in_wrong_state(&message, state) {
                assert_eq!(reply.ecode(), Some(errno), "{message:?} in state {state}");
            }
            let gone = matches!(message, Tmessage::Clunk(_) | Tmessage::Remove(_));
            if gone {
                let after = client.getattr(5).unwrap_err();
                assert_eq!(after, ENOENT, "after {message:?} in state {state}");
            }
            assert!(
                client.getattr(0).is_ok(),
                "after {message:?} in state {state}"
            );
        }
    }
}

/// The errno for an unknown fid: not uniform, and clients know it.
fn unknown(message: &Tmessage<'_>) -> u32 {
    match message {
        Tmessage::Setattr(_)
        | Tmessage::Read(_)
        | Tmessage::Readdir(_)
        | Tmessage::Write(_)
        | Tmessage::Symlink(_)
        | Tmessage::Remove(_)
        | Tmessage::Unlinkat(_)
        | Tmessage::Xattrcreate(_) => EINVAL,
        _ => ENOENT,
    }
}

/// The errno that a state must answer, where it is settled.
fn in_wrong_state(message: &Tmessage<'_>, state: &str) -> Option<u32> {
    let open = state.starts_with("open");
    let xattr = state.starts_with("xattr");
    let walked = ["dir", "file", "link", "fifo"].contains(&state);
    match message {
        Tmessage::Lopen(_) | Tmessage::Lcreate(_) | Tmessage::Xattrcreate(_) if open || xattr => {
            Some(EINVAL)
        }
        Tmessage::Lopen(_) if state == "link" => Some(ELOOP),
        Tmessage::Lopen(_) if state == "fifo" => Some(ENXIO),
        Tmessage::Fsync(_) | Tmessage::Lock(_) | Tmessage::Getlock(_) if walked || xattr => {
            Some(EBADF)
        }
        Tmessage::Readdir(_) if open && state != "open dir" => Some(ENOTDIR),
        Tmessage::Read(_) if state == "open dir" => Some(EOPNOTSUPP),
        Tmessage::Read(_) if walked || state == "open for writing" => Some(EBADF),
        Tmessage::Write(_) if walked || state == "xattr to read" => Some(EBADF),
        Tmessage::Walk(m) if m.fid == m.newfid && open => Some(EINVAL),
        Tmessage::Walk(m) if m.newfid == 5 && m.fid != 5 && state != "unknown" => Some(EINVAL),
        Tmessage::Attach(_) if state != "unknown" => Some(EINVAL),
        Tmessage::Rename(_) if open || xattr => Some(EINVAL),
        _ => None,
    }
}

fn prepare(client: &mut Raw) {
    let _ = client.mkdir(0, "dir", 0o755);
    let _ = client.symlink(0, "link", "nowhere");
    let _ = client.mknod(0, "fifo", 0o010644);
    for name in ["file", "gone"] {
        client.walk(0, 1, &[]).unwrap();
        if client.lcreate(1, name, 0o1, 0o644).is_ok() {
            let _ = client.write(1, 0, b"content");
        }
        client.clunk(1).unwrap();
    }
    client.walk(0, 1, &["file"]).unwrap();
    if client.xattrcreate(1, "user.a", 5, 0).is_ok() {
        client.write(1, 0, b"value").unwrap();
    }
    let _ = client.clunk(1);
}

#[test]
fn every_message_in_every_state_is_answered_in_memory() {
    matrix(&Served::memory(), prepare);
}

#[test]
fn every_message_in_every_state_is_answered_on_the_host() {
    let dir = tempfile::tempdir().unwrap();
    matrix(&Served::local(dir.path()), prepare);
}

#[test]
fn every_message_in_every_state_is_answered_by_synth() {
    let synth = Synth::new()
        .dir("dir")
        .file("file", Counter::new().file())
        .file("dir/in", File::bytes("x"));
    matrix(&Served::synth(synth), |_| {});
}

#[test]
fn nothing_is_moved_through_a_fid_that_is_not_open_for_it_nor_a_count_of_zero() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let mut client = served.session();
        client.put_file(0, 1, "f", b"0123456789");
        // Access mode 3 asks for both permissions and gives neither.
        for (flags, reads, writes) in [
            (0, true, false),
            (1, false, true),
            (2, true, true),
            (3, false, false),
        ] {
            for new in [false, true] {
                if new {
                    client.walk(0, 1, &[]).unwrap();
                    client.lcreate(1, "new", flags, 0o644).unwrap();
                } else {
                    client.walk(0, 1, &["f"]).unwrap();
                    client.lopen(1, flags).unwrap();
                }
                for count in [0, 1] {
                    let read = client.read(1, 0, count).map(drop);
                    assert_eq!(read.is_ok(), reads, "read {count} of {flags}");
                    let written = client.write(1, 0, &b"x"[..count as usize]).map(drop);
                    assert_eq!(written.is_ok(), writes, "write {count} of {flags}");
                    for refused in [read, written] {
                        assert!(matches!(refused, Ok(()) | Err(EBADF)), "{refused:?}");
                    }
                }
                assert!(client.getattr(1).is_ok());
                assert_eq!(client.fsync(1), Ok(()));
                client.clunk(1).unwrap();
            }
            client.unlinkat(0, "new", 0).unwrap();
        }
    }
}

#[test]
fn access_mode_3_is_an_open_for_writing_where_that_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "x").unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    for (served, name, errno) in [
        (Served::local(dir.path()), "d", EISDIR),
        (Served::local_readonly(dir.path()), "f", EROFS),
    ] {
        let mut client = served.session();
        client.walk(0, 1, &[name]).unwrap();
        assert_eq!(client.lopen(1, 3).unwrap_err(), errno);
    }
}
