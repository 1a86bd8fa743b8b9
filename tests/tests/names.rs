//! Names: what is none is refused in every message that carries one, before anything is done.

use virtfs_proto::Tmkdir;
use virtfs_tests::errno::*;
use virtfs_tests::{Rng, Served};

#[test]
fn names_that_are_none_are_refused_in_every_message() {
    let served = Served::memory();
    let mut client = served.session();
    client.mkdir(0, "d", 0o755).unwrap();
    client.put_file(0, 1, "f", b"");
    client.walk(0, 1, &["f"]).unwrap();
    client.walk(0, 2, &[]).unwrap();
    let long = "n".repeat(256);
    for name in ["", "/", "a/b", "/a", "a/", "\0", "a\0", "a\0b", &long] {
        let errno = if name.len() > 255 {
            ENAMETOOLONG
        } else {
            ENOENT
        };
        let bad = Err(errno);
        assert_eq!(client.walk(0, 9, &[name]).map(drop), bad, "{name:?}");
        assert_eq!(client.walk(0, 9, &["d", name]).map(drop), bad, "{name:?}");
        assert_eq!(client.lcreate(2, name, 2, 0o600).map(drop), bad, "{name:?}");
        assert_eq!(client.symlink(0, name, "t").map(drop), bad, "{name:?}");
        assert_eq!(client.mknod(0, name, 0o010000).map(drop), bad, "{name:?}");
        assert_eq!(client.mkdir(0, name, 0o755).map(drop), bad, "{name:?}");
        assert_eq!(client.link(0, 1, name), bad, "{name:?}");
        assert_eq!(client.rename(1, 0, name), bad, "{name:?}");
        assert_eq!(client.renameat((0, name), (0, "x")), bad, "{name:?}");
        assert_eq!(client.renameat((0, "f"), (0, name)), bad, "{name:?}");
        for flags in [0, 0x200] {
            assert_eq!(client.unlinkat(0, name, flags), bad, "{name:?}");
        }
    }
    for name in [".", ".."] {
        assert_eq!(client.lcreate(2, name, 2, 0o600), Err(EEXIST));
        assert_eq!(client.symlink(0, name, "t"), Err(EEXIST));
        assert_eq!(client.mknod(0, name, 0o010000), Err(EEXIST));
        assert_eq!(client.mkdir(0, name, 0o755), Err(EEXIST));
        assert_eq!(client.link(0, 1, name), Err(EEXIST));
        assert_eq!(client.rename(1, 0, name), Err(EISDIR));
        assert_eq!(client.renameat((0, name), (0, "x")), Err(EISDIR));
        assert_eq!(client.renameat((0, "f"), (0, name)), Err(EISDIR));
    }
    for flags in [0, 0x200] {
        assert_eq!(client.unlinkat(0, ".", flags), Err(EINVAL));
        assert_eq!(client.unlinkat(0, "..", flags), Err(ENOTEMPTY));
    }
    for flags in [1, 0x100, 0x201, 1 << 31] {
        assert_eq!(client.unlinkat(0, "f", flags), Err(EINVAL));
    }
    for name in ["user.\0", "user.a\0b"] {
        assert_eq!(client.xattrcreate(1, name, 1, 0), Err(EINVAL));
        assert_eq!(client.xattrwalk(1, 9, name), Err(EINVAL));
    }
    let long = format!("user.{long}");
    assert_eq!(client.xattrcreate(1, &long, 1, 0), Err(ERANGE));
    assert_eq!(client.xattrwalk(1, 9, &long), Err(ERANGE));
    for flags in [3, 4, 8, 1 << 31] {
        assert_eq!(client.xattrcreate(1, "user.a", 1, flags), Err(EINVAL));
    }
    for target in ["", "a\0b"] {
        assert_eq!(client.symlink(0, "s", target), Err(ENOENT));
    }
    // Nothing came of any of it.
    client.lopen(2, 0).unwrap();
    assert_eq!(client.readdir_all(2, 4096).unwrap().len(), 4);
    assert!(client.getattr(1).is_ok());
}

#[test]
fn names_of_255_bytes_of_any_value_are_names() {
    let dir = tempfile::tempdir().unwrap();
    for served in [Served::memory(), Served::local(dir.path())] {
        let mut client = served.session();
        let mut rng = Rng::new(5);
        for _ in 0..20 {
            let name: Vec<u8> = (0..255).map(|_| 1 + rng.below(255) as u8).collect();
            let name: Vec<u8> = name
                .into_iter()
                .map(|b| if b == b'/' { b'_' } else { b })
                .collect();
            let mkdir = Tmkdir {
                dfid: 0,
                name: &name,
                mode: 0o755,
                gid: 0,
            };
            assert_eq!(client.call(mkdir).ecode(), None);
            assert_eq!(client.walk_bytes(0, 1, &[&name]).unwrap().len(), 1);
            client.clunk(1).unwrap();
        }
        client.walk(0, 1, &[]).unwrap();
        client.lopen(1, 0).unwrap();
        assert_eq!(client.readdir_all(1, 8192).unwrap().len(), 22);
    }
}
