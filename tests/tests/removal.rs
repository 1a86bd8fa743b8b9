//! Tremove takes away the entry of its fid or nothing, and always ends the fid.

mod site;

use std::fs;

use site::{Mover, NEW, OLD, RDWR, Site, for_each_mover, gone, walk};
use virtfs_tests::Served;
use virtfs_tests::errno::{EACCES, EBUSY, EINVAL, ENOENT, ENOTEMPTY, EROFS};

#[test]
fn each_of_two_hard_links_is_removed_by_its_own_fid() {
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        for first in [1, 2] {
            site.mkdir("d");
            site.mkdir("e");
            site.put("d/one", OLD);
            fs::hard_link(site.export("d/one"), site.export("e/two")).unwrap();
            walk(&mut client, 1, "d/one").unwrap();
            walk(&mut client, 2, "e/two").unwrap();
            // One more fid of each, which must not be confused.
            client.walk(1, 3, &[]).unwrap();
            client.walk(2, 4, &[]).unwrap();
            client.remove(first).unwrap();
            assert_eq!(site.has("d/one"), first == 2);
            assert_eq!(site.has("e/two"), first == 1);
            assert!(client.remove(first + 2).is_err_and(gone));
            client.remove(3 - first).unwrap();
            assert!(!site.has("d/one") && !site.has("e/two"));
            client.clunk(5 - first).unwrap();
            client.clunk(5 - first).unwrap_err();
        }
    }
}

#[test]
fn two_links_in_one_directory_are_told_apart() {
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        site.put("one", OLD);
        fs::hard_link(site.export("one"), site.export("two")).unwrap();
        walk(&mut client, 1, "one").unwrap();
        walk(&mut client, 2, "two").unwrap();
        client.rename(1, 0, "uno").unwrap();
        assert!(site.has("uno") && site.has("two") && !site.has("one"));
        client.remove(2).unwrap();
        assert!(site.has("uno") && !site.has("two"));
        client.remove(1).unwrap();
        assert!(!site.has("uno"));
    }
}

#[test]
fn a_removal_finds_its_file_where_another_session_has_moved_it() {
    for site in Site::each() {
        let served = site.serve();
        let mut client = served.session();
        site.mkdir("d/e");
        site.put("d/e/f", OLD);
        site.mkdir("d/e/g");
        for (fid, path) in [(1, "d/e/f"), (2, "d/e/g"), (3, "d/e"), (4, "d/e/f")] {
            walk(&mut client, fid, path).unwrap();
        }
        client.lopen(4, RDWR).unwrap();
        Mover::Session.rename(&site, &served, "d/e/f", "d/F");
        Mover::Session.rename(&site, &served, "d", "z");
        // What takes the old names stays.
        site.mkdir("d/e");
        site.put("d/e/f", NEW);
        client.remove(1).unwrap();
        assert!(!site.has("z/F"));
        assert_eq!(client.read(4, 0, 100).unwrap(), OLD.as_bytes());
        assert!(client.remove(4).is_err_and(gone));
        client.remove(2).unwrap();
        assert!(!site.has("z/e/g"));
        client.remove(3).unwrap();
        assert!(!site.has("z/e"));
        assert_eq!(site.get("d/e/f"), NEW);
    }
}

#[test]
fn a_removal_takes_nothing_else_when_the_host_has_moved_the_file() {
    for_each_mover(|mover, site, served, client| {
        if mover.is_known() {
            return;
        }
        for replaced in [false, true] {
            site.mkdir("d");
            site.put("d/f", OLD);
            site.mkdir("d/g");
            walk(client, 1, "d/f").unwrap();
            walk(client, 2, "d/g").unwrap();
            walk(client, 3, "d/f").unwrap();
            client.lopen(3, RDWR).unwrap();
            mover.rename(site, served, "d/f", "F");
            mover.rename(site, served, "d/g", "G");
            if replaced {
                site.put("d/f", NEW);
                site.mkdir("d/g");
            }
            for fid in [1, 2, 3] {
                assert!(client.remove(fid).is_err_and(gone));
                // It clunks nevertheless.
                assert_eq!(client.getattr(fid).unwrap_err(), ENOENT);
            }
            assert_eq!(site.get("F"), OLD);
            assert!(site.has("G"));
            if replaced {
                assert_eq!(site.get("d/f"), NEW);
                assert!(site.has("d/g"));
            }
            fs::remove_dir_all(site.export("d")).unwrap();
            fs::remove_file(site.export("F")).unwrap();
            fs::remove_dir(site.export("G")).unwrap();
        }
    });
}

#[test]
fn a_removal_always_ends_the_fid() {
    let site = Site::new();
    site.mkdir("d/full");
    site.put("f", OLD);
    let served = Served::local_readonly(&site.export(""));
    let mut client = served.session();
    for (fid, path) in [(1, "f"), (2, "d")] {
        walk(&mut client, fid, path).unwrap();
        assert_eq!(client.remove(fid), Err(EROFS));
        assert_eq!(client.clunk(fid), Err(ENOENT));
        // The number is free.
        walk(&mut client, fid, path).unwrap();
    }
    assert!(site.has("f"));

    let served = site.serve();
    let mut client = served.session();
    walk(&mut client, 1, "d").unwrap();
    assert_eq!(client.remove(1), Err(ENOTEMPTY));
    assert_eq!(client.clunk(1), Err(ENOENT));
    client.walk(0, 1, &[]).unwrap();
    assert!(matches!(client.remove(1), Err(EBUSY | EACCES | EINVAL)));
    assert_eq!(client.clunk(1), Err(ENOENT));
    // An extended attribute has no entry.
    walk(&mut client, 1, "f").unwrap();
    client.xattrwalk(1, 2, "").unwrap();
    client.remove(2).unwrap_err();
    assert_eq!(client.clunk(2), Err(ENOENT));
    assert!(site.has("f") && site.has("d/full"));
}
