//! A fid stands for its file, whoever renames the file or what is above it.

mod site;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use site::{NEW, OLD, RDONLY, RDWR, Site, content, for_each_mover, gone, walk, xattr_put};
use virtfs_proto::SetattrMask;
use virtfs_tests::SetAttr;
use virtfs_tests::errno::{EEXIST, ENOENT, ESTALE};

#[test]
fn fids_of_a_file_follow_it_through_renames() {
    for_each_mover(|mover, site, served, client| {
        site.mkdir("d/e");
        site.put("d/e/f", OLD);
        std::os::unix::fs::symlink("target", site.export("d/e/l")).unwrap();
        for (fid, path) in [(1, "d/e/f"), (2, "d/e/f"), (3, "d/e/l")] {
            walk(client, fid, path).unwrap();
        }
        client.lopen(2, RDWR).unwrap();
        let ino = site.ino("d/e/f");
        mover.rename(site, served, "d/e/f", "g");
        mover.rename(site, served, "d/e/l", "d/m");
        mover.rename(site, served, "d", "z");
        // Others come under the old names.
        site.mkdir("d/e");
        site.put("d/e/f", NEW);
        site.put("d/e/l", NEW);
        for fid in [1, 2] {
            assert_eq!(client.getattr(fid).unwrap().qid.path, ino);
            assert_eq!(content(client, fid).unwrap(), OLD);
        }
        assert_eq!(client.write(2, 4, b"OLD"), Ok(3));
        xattr_put(client, 1, "user.mark", "mine").unwrap();
        let set = SetAttr {
            valid: SetattrMask::SIZE | SetattrMask::MODE,
            size: 7,
            mode: 0o600,
            ..SetAttr::default()
        };
        client.setattr(1, set).unwrap();
        assert_eq!(client.readlink(3).unwrap(), b"target");
        assert_eq!(site.get("g"), "the OLD");
        assert_eq!(site.get("d/e/f"), NEW);
        let mode = fs::metadata(site.export("d/e/f"))
            .unwrap()
            .permissions()
            .mode();
        assert_ne!(mode & 0o7777, 0o600);
    });
}

#[test]
fn fids_of_a_directory_follow_it_through_renames_of_it_and_above_it() {
    for_each_mover(|mover, site, served, client| {
        site.mkdir("d/e");
        site.put("d/e/f", OLD);
        walk(client, 3, "d/e").unwrap();
        walk(client, 5, "d/e").unwrap();
        client.lopen(5, RDONLY).unwrap();
        mover.rename(site, served, "d/e", "d/E");
        mover.rename(site, served, "d", "z");
        // Others come under the old names.
        site.mkdir("d/e");
        site.put("d/e/f", NEW);

        assert_eq!(client.getattr(3).unwrap().qid.path, site.ino("z/E"));
        client.walk(3, 6, &["f"]).unwrap();
        assert_eq!(content(client, 6).unwrap(), OLD);
        let names: Vec<_> = client.readdir_all(5, 4096).unwrap();
        assert!(
            names
                .iter()
                .any(|entry| entry.name == b"f" && entry.qid.path == site.ino("z/E/f"))
        );

        client.walk(3, 7, &[]).unwrap();
        let made = client.lcreate(7, "made", RDWR, 0o644).map(drop);
        let above = client.walk(3, 8, &[".."]).map(|qids| qids[0].path);
        let higher = client.walk(3, 9, &["..", ".."]);
        if mover.is_known() {
            assert_eq!(made, Ok(()));
            assert_eq!(above, Ok(site.ino("z")));
            assert_eq!(higher.unwrap()[1].path, site.ino(""));
        } else {
            // Right, or not at all.
            assert!(made.is_ok() || made.is_err_and(gone), "{made:?}");
            assert!(
                above == Ok(site.ino("z")) || above == Err(ESTALE),
                "{above:?}"
            );
            if let Ok(qids) = higher {
                let right = [site.ino("z"), site.ino("")];
                assert!(
                    qids.iter()
                        .map(|qid| qid.path)
                        .eq(right[..qids.len()].to_vec())
                );
            }
        }
        assert_eq!(made.is_ok(), site.has("z/E/made"));
        assert_eq!(fs::read_dir(site.export("d/e")).unwrap().count(), 1);

        // A walk to the new place puts everything right.
        walk(client, 10, "z/E").unwrap();
        let above = client.walk(3, 11, &["..", ".."]).unwrap();
        assert_eq!(
            [above[0].path, above[1].path],
            [site.ino("z"), site.ino("")]
        );
        client.mkdir(3, "now", 0o755).unwrap();
        assert!(site.has("z/E/now"));
    });
}

#[test]
fn a_walk_never_ends_in_a_directory_that_is_not_the_parent() {
    for_each_mover(|mover, site, served, client| {
        site.mkdir("a/b/c");
        site.mkdir("y");
        walk(client, 1, "a/b/c").unwrap();
        mover.rename(site, served, "a/b", "y/b");
        // A stranger takes the old place.
        site.mkdir("a/b/c");
        let up = client.walk(1, 2, &["..", ".."]);
        if mover.is_known() {
            assert_eq!(up.unwrap()[1].path, site.ino("y"));
            client.clunk(2).unwrap();
        } else if let Ok(qids) = up {
            let right = [site.ino("y/b"), site.ino("y")];
            let seen: Vec<_> = qids.iter().map(|qid| qid.path).collect();
            assert!(right.starts_with(&seen), "{seen:?}");
        }
    });
}

#[test]
fn a_fid_is_renamed_from_where_its_file_is_now() {
    for_each_mover(|mover, site, served, client| {
        site.mkdir("d");
        site.put("d/f", OLD);
        walk(client, 1, "d/f").unwrap();
        mover.rename(site, served, "d/f", "d/g");
        mover.rename(site, served, "d", "z");
        site.mkdir("d");
        site.put("d/f", NEW);
        let renamed = client.rename(1, 0, "h");
        if mover.is_known() {
            renamed.unwrap();
            assert!(site.get("h") == OLD && !site.has("z/g"));
            // And once more.
            client.rename(1, 0, "i").unwrap();
            assert!(site.get("i") == OLD && !site.has("h"));
            client.remove(1).unwrap();
            assert!(!site.has("i"));
        } else {
            assert!(renamed.is_err_and(gone));
            assert!(site.get("z/g") == OLD && !site.has("h"));
        }
        assert_eq!(site.get("d/f"), NEW);
    });
}

#[test]
fn a_directory_made_anew_by_the_host_is_not_the_one_a_fid_stands_for() {
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        site.mkdir("d");
        let ino = site.ino("d");
        walk(&mut client, 1, "d").unwrap();
        walk(&mut client, 2, "d").unwrap();
        client.lopen(2, RDONLY).unwrap();
        fs::remove_dir(site.export("d")).unwrap();
        site.mkdir("d");
        site.put("d/f", NEW);
        let attr = client.getattr(1).unwrap();
        assert_eq!(attr.qid.path, ino);
        assert_ne!(
            site.ino("d"),
            ino,
            "a held inode's number is not used again"
        );
        assert!(client.walk(1, 3, &["f"]).is_err_and(gone));
        assert!(client.mkdir(1, "new", 0o755).is_err_and(gone));
        assert!(client.unlinkat(1, "f", 0).is_err_and(gone));
        assert!(client.renameat((1, "f"), (0, "g")).is_err_and(gone));
        assert!(client.renameat((0, "d"), (1, "g")).is_err_and(gone));
        assert!(client.walk(1, 3, &[".."]).is_err_and(gone));
        assert!(client.remove(1).is_err_and(gone));
        let names = client.readdir_all(2, 4096).unwrap_or_default();
        assert!(names.iter().all(|entry| entry.name != b"f"));
        assert_eq!(site.get("d/f"), NEW);
        assert_eq!(fs::read_dir(site.export("d")).unwrap().count(), 1);
        // The name leads to the new one.
        walk(&mut client, 3, "d/f").unwrap();
        assert_eq!(content(&mut client, 3).unwrap(), NEW);
    }
}

/// A name whose file is another one is walked to anew, whatever was known of it.
#[test]
fn a_walk_finds_the_file_that_is_there_now() {
    for_each_mover(|mover, site, served, client| {
        site.put("f", OLD);
        site.put("n", NEW);
        site.mkdir("d");
        walk(client, 1, "f").unwrap();
        walk(client, 2, "d").unwrap();
        mover.rename(site, served, "f", "g");
        mover.rename(site, served, "n", "f");
        mover.rename(site, served, "d", "e");
        walk(client, 3, "f").unwrap();
        walk(client, 4, "g").unwrap();
        assert_eq!(content(client, 3).unwrap(), NEW);
        assert_eq!(content(client, 4).unwrap(), OLD);
        assert_eq!(content(client, 1).unwrap(), OLD);
        assert_eq!(walk(client, 5, "d"), Err(ENOENT));
        assert_eq!(client.mkdir(0, "e", 0o755).unwrap_err(), EEXIST);
        client.remove(3).unwrap();
        assert!(site.has("g") && !site.has("f"));
        client.remove(4).unwrap();
        assert!(!site.has("g"));
    });
}
