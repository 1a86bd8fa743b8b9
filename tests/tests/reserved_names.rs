//! What the mapped models keep for themselves is out of every client's reach, in every message.

use virtfs_local::{LocalFs, Options, SecurityModel};
use virtfs_tests::errno::*;
use virtfs_tests::{Raw, Served};

fn serve(dir: &std::path::Path, model: SecurityModel) -> Served {
    let options = Options {
        model,
        ..Options::default()
    };
    Served::fs(LocalFs::open(dir, options).unwrap())
}

/// Fid 1 is the file `f`, fid 2 the directory `d`, each with metadata.
fn session(served: &Served) -> Raw {
    let mut client = served.session();
    client.put_file(0, 1, "f", b"text");
    client.mkdir(0, "d", 0o755).unwrap();
    client.walk(0, 1, &["f"]).unwrap();
    client.walk(0, 2, &["d"]).unwrap();
    client.put_file(2, 3, "f", b"text");
    client
}

fn listed(client: &mut Raw, fid: u32) -> Vec<Vec<u8>> {
    client.walk(fid, 50, &[]).unwrap();
    client.lopen(50, 0).unwrap();
    let entries = client.readdir_all(50, 4000).unwrap();
    client.clunk(50).unwrap();
    let mut names: Vec<_> = entries.into_iter().map(|e| e.name).collect();
    names.sort();
    names
}

#[test]
fn mapped_file_refuses_its_names_in_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path(), SecurityModel::MappedFile);
    let mut client = session(&served);
    let folder = dir.path().join(".virtfs_metadata");
    let text = || std::fs::read(folder.join("f")).unwrap();
    let before = text();
    let bad = Err(EINVAL);
    for name in [
        ".virtfs_metadata",
        ".virtfs_metadata_root",
        ".Virtfs_MetaData",
    ] {
        for at in [0, 2] {
            assert_eq!(client.walk(at, 9, &[name]).map(drop), bad);
            assert_eq!(client.walk(0, 9, &["d", name, "f"]).map(|q| q.len()), Ok(1));
            assert_eq!(client.walk(at, 9, &[name, "f"]).map(drop), bad);
            client.walk(at, 10, &[]).unwrap();
            assert_eq!(client.lcreate(10, name, 2, 0o600).map(drop), bad);
            client.clunk(10).unwrap();
            assert_eq!(client.symlink(at, name, "t").map(drop), bad);
            assert_eq!(client.mknod(at, name, 0o010600).map(drop), bad);
            assert_eq!(client.mknod(at, name, 0o100600).map(drop), bad);
            assert_eq!(client.mkdir(at, name, 0o755).map(drop), bad);
            assert_eq!(client.link(at, 1, name), bad);
            assert_eq!(client.rename(1, at, name), bad);
            assert_eq!(client.renameat((at, name), (0, "x")), bad);
            assert_eq!(client.renameat((at, "f"), (at, name)), bad);
            for flags in [0, 0x200] {
                assert_eq!(client.unlinkat(at, name, flags), bad);
            }
        }
    }
    assert_eq!(text(), before);
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|n| n.as_bytes().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut client, 0), names(&[".", "..", "d", "f"]));
    assert_eq!(listed(&mut client, 2), names(&[".", "..", "f"]));
}

#[test]
fn mapped_xattr_refuses_its_attributes_in_every_message() {
    let dir = tempfile::tempdir().unwrap();
    let served = serve(dir.path(), SecurityModel::MappedXattr);
    let mut client = session(&served);
    for name in [
        "user.virtfs.uid",
        "user.virtfs.gid",
        "user.virtfs.mode",
        "user.virtfs.rdev",
        "user.virtfs.",
        "user.virtfs.system.posix_acl_access",
        "user.virtfs.system.posix_acl_default",
        "user.virtfs.security.capability",
    ] {
        for fid in [1, 2] {
            let before = client.getattr(fid).unwrap();
            assert_eq!(client.xattrwalk(fid, 9, name), Err(ENODATA), "{name}");
            for (size, flags) in [(4, 0), (4, 1), (4, 2), (0, 2)] {
                client.walk(fid, 9, &[]).unwrap();
                // Said at once, or when the value is set.
                let set = match client.xattrcreate(9, name, size, flags) {
                    Ok(()) => {
                        if size > 0 {
                            client.write(9, 0, &[0; 4]).unwrap();
                        }
                        client.clunk(9)
                    }
                    refused => {
                        client.clunk(9).unwrap();
                        refused
                    }
                };
                assert_eq!(set, Err(EACCES), "{name} {size} {flags}");
            }
            let after = client.getattr(fid).unwrap();
            assert_eq!((after.mode, after.uid), (before.mode, before.uid));
        }
    }
    let size = client.xattrwalk(1, 9, "").unwrap();
    assert_eq!(size, 0, "nothing is listed");
    // The names of the other model mean nothing here.
    client.mkdir(0, ".virtfs_metadata", 0o755).unwrap();
}
