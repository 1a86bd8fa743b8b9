//! What an ordinary user serves under each model, and what the start says of it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use virtfs_client::{UnlinkFlags, XattrFlags};

use crate::ordinary::Ordinary;
use crate::running::Running;
use crate::work::{
    CHARACTER_DEVICE, DIRECTORY, EOPNOTSUPP, EPERM, FIFO, REGULAR, SOCKET, SYMLINK, acl, chmod,
    create, give, mknod, refused, seen, stat,
};

/// Starts a server of this model; what the start says it lacks.
fn start(place: &Ordinary, model: &str) -> (Running, String) {
    let server = Running::start(place.serve().args(["--security-model", model]));
    let said = server.line(&format!("{model} without privileges"));
    server.line("listening on ");
    (server, said)
}

#[test]
fn the_mapped_models_give_an_ordinary_user_all_of_it() {
    for model in ["mapped-xattr", "mapped-file"] {
        let place = Ordinary::new();
        let (_server, said) = start(&place, model);
        assert!(said.contains("owners, modes, device nodes"), "{said}");
        assert!(!said.contains("CAP_"), "{said}");
        all_of_it(&place);
    }
}

fn all_of_it(place: &Ordinary) {
    let root = place.attach(5);
    let file = create(&root, "file", 0o640, 6).unwrap();
    file.write_all_at(b"hello", 0).unwrap();
    file.clunk().unwrap();
    root.mkdir(b"dir", 0o750, 6).unwrap();
    root.symlink(b"link", b"file", 6).unwrap();
    for (name, kind) in [
        ("fifo", FIFO),
        ("socket", SOCKET),
        ("null", CHARACTER_DEVICE),
    ] {
        mknod(&root, name, kind | 0o604, 6).unwrap();
    }
    for (name, mode) in [
        ("file", REGULAR | 0o640),
        ("dir", DIRECTORY | 0o750),
        ("link", SYMLINK | 0o777),
        ("fifo", FIFO | 0o604),
        ("socket", SOCKET | 0o604),
        ("null", CHARACTER_DEVICE | 0o604),
    ] {
        assert_eq!(seen(&root, name), (5, 6, mode), "{name}");
    }
    assert_eq!(stat(&root, "null").rdev, 0x103);
    assert_eq!(root.walk(&["link"]).unwrap().readlink().unwrap(), b"file");

    give(&root, "file", Some(7), Some(8)).unwrap();
    chmod(&root, "file", REGULAR | 0o4711).unwrap();
    root.link(b"linked", &root.walk(&["file"]).unwrap())
        .unwrap();
    let dir = root.walk(&["dir"]).unwrap();
    root.rename_at(b"file", &dir, b"moved").unwrap();
    give(&root, "dir", Some(0), Some(0)).unwrap();
    for (at, name) in [(&root, "linked"), (&dir, "moved")] {
        assert_eq!(seen(at, name), (7, 8, REGULAR | 0o4711), "{name}");
    }
    root.unlink_at(b"null", UnlinkFlags::empty()).unwrap();

    // Another session sees the same, and the host nothing but files of that user.
    let again = place.attach(9);
    assert_eq!(seen(&again, "dir"), (0, 0, DIRECTORY | 0o750));
    let mut names: Vec<_> = std::fs::read_dir(&place.served)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != ".virtfs_metadata")
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            assert!(meta.is_dir() || meta.is_file());
            assert_eq!((meta.uid(), meta.gid()), (place.user, place.user));
            assert_eq!(meta.mode() & 0o077, 0, "{entry:?}");
            entry.file_name().into_string().unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(names, ["dir", "fifo", "link", "linked", "socket"]);
    assert_eq!(
        std::fs::read(place.served.join("dir/moved")).unwrap(),
        b"hello"
    );
}

#[test]
fn under_none_all_is_that_users() {
    let place = Ordinary::new();
    let (_server, said) = start(&place, "none");
    for part in [
        "no CAP_CHOWN",
        "make device nodes (",
        "owned by that user",
        "mapped-xattr",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Whoever the client is.
    let root = place.attach(5);
    create(&root, "file", 0o640, 6).unwrap();
    root.mkdir(b"dir", 0o750, 6).unwrap();
    root.symlink(b"link", b"file", 6).unwrap();
    mknod(&root, "fifo", FIFO | 0o604, 6).unwrap();
    let own = place.user;
    assert_eq!(seen(&root, "file"), (own, own, REGULAR | 0o640));
    assert_eq!(seen(&root, "dir"), (own, own, DIRECTORY | 0o750));
    assert_eq!(seen(&root, "link"), (own, own, SYMLINK | 0o777));
    let fifo = std::fs::symlink_metadata(place.served.join("fifo")).unwrap();
    assert!(fifo.file_type().is_fifo());
    chmod(&root, "file", 0o600).unwrap();
    assert_eq!(seen(&root, "file").2, REGULAR | 0o600);

    assert_eq!(refused(give(&root, "file", Some(own + 1), None)), EPERM);
    assert_eq!(
        refused(mknod(&root, "null", CHARACTER_DEVICE | 0o600, 6)),
        EPERM
    );
    let file = root.walk(&["file"]).unwrap();
    let name = b"system.posix_acl_access";
    let set = file.set_xattr(name, &acl(1, 2), XattrFlags::empty());
    assert_eq!(refused(set), EOPNOTSUPP);
    assert_eq!(std::fs::read_dir(&place.served).unwrap().count(), 4);
}

#[test]
fn passthrough_has_what_that_user_may_do() {
    let place = Ordinary::new();
    let (_server, said) = start(&place, "passthrough");
    for part in [
        &*format!("others than user {} (no CAP_CHOWN)", place.user),
        "no CAP_FOWNER",
        "no CAP_DAC_OVERRIDE",
        "make device nodes (",
        "mapped-xattr",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let own = place.user;
    let root = place.attach(own);
    create(&root, "file", 0o640, own).unwrap();
    root.mkdir(b"dir", 0o750, own).unwrap();
    root.symlink(b"link", b"file", own).unwrap();
    mknod(&root, "fifo", FIFO | 0o604, own).unwrap();
    assert_eq!(seen(&root, "file"), (own, own, REGULAR | 0o640));
    chmod(&root, "file", 0o755).unwrap();
    assert_eq!(seen(&root, "file").2, REGULAR | 0o755);

    // Nothing of what is refused stays behind.
    let null = mknod(&root, "null", CHARACTER_DEVICE | 0o600, own);
    assert_eq!(refused(null), EPERM);
    assert_eq!(refused(create(&root, "theirs", 0o600, own + 1)), EPERM);
    assert_eq!(refused(give(&root, "file", Some(own + 1), None)), EPERM);
    let another = place.attach(own + 1);
    assert_eq!(refused(create(&another, "theirs", 0o600, own)), EPERM);
    assert_eq!(refused(another.mkdir(b"theirs", 0o700, own)), EPERM);
    assert_eq!(std::fs::read_dir(&place.served).unwrap().count(), 4);
}

#[test]
fn without_a_model_an_ordinary_user_serves_as_none() {
    let place = Ordinary::new();
    let server = Running::start(place.serve().args(["--xattr", "all"]));
    assert!(server.line("security model ").starts_with("none;"));
    let said = server.line("none without privileges: ");
    for part in ["file capabilities (no CAP_SETFCAP)", "trusted.* attributes"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    server.line("listening on ");
}
