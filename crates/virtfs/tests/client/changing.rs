//! `mv`, `rm`, `mkdir`, `ln`, `chmod`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::site::{Site, mode};

#[test]
fn mkdir_makes_directories_with_the_mode_that_was_asked_for() {
    let site = Site::new();
    site.run("mkdir", &[], &["a"]).ok();
    assert!(site.served.join("a").is_dir());
    let again = site.run("mkdir", &[], &["a", "x/y"]).failed();
    assert!(again.contains("virtfs: a: File exists"), "{again}");
    assert!(again.contains("virtfs: x/y: No such file"), "{again}");
    let root = site.run("mkdir", &[], &["/"]).failed();
    assert!(root.contains("names no entry of a directory"), "{root}");
    site.run("mkdir", &["-p", "-m", "2750"], &["a/b/c", "a"])
        .ok();
    assert_eq!(mode(&site.served.join("a/b/c")), 0o2750);
    site.serve("file", "");
    let through = site.run("mkdir", &["-p"], &["file/sub", "file"]).failed();
    assert_eq!(through.matches("Not a directory").count(), 2, "{through}");
}

#[test]
fn mv_renames_and_moves_into_directories() {
    let site = Site::new();
    site.serve("a", "a");
    site.serve("b", "b");
    site.serve("dir/old", "old");
    site.run("mv", &[], &["a", "c"]).ok();
    assert_eq!(site.content("c"), "a");
    site.run("mv", &[], &["b", "c", "dir"]).ok();
    assert_eq!(site.content("dir/b") + &site.content("dir/c"), "ba");
    site.run("mv", &["-n"], &["dir/b", "dir/old"]).ok();
    assert_eq!(site.content("dir/old"), "old");
    site.run("mv", &[], &["dir/b", "/dir/old"]).ok();
    assert_eq!(site.content("dir/old"), "b");
    let several = site.run("mv", &[], &["dir/c", "dir/old", "none"]).failed();
    assert!(several.contains("none: Not a directory"), "{several}");
    let missing = site.run("mv", &[], &["nobody", "dir"]).failed();
    assert!(missing.contains("nobody: No such file"), "{missing}");
    assert!(
        site.run("mv", &[], &["/", "dir"])
            .failed()
            .contains("virtfs: /: ")
    );
}

#[test]
fn rm_removes_directories_only_when_told_to_and_never_the_root() {
    let site = Site::new();
    site.serve("d/e/file", "");
    site.serve("d/file", "");
    site.serve("file", "");
    site.serve("kept", "kept");
    symlink("../kept", site.served.join("d/link")).unwrap();
    let err = site.run("rm", &[], &["file", "d", "missing"]).failed();
    assert!(err.contains("virtfs: d: it is a directory"), "{err}");
    assert!(err.contains("virtfs: missing: No such file"), "{err}");
    assert!(!site.served.join("file").exists());
    for root in ["/", ".", "d/.."] {
        let err = site.run("rm", &["-rf"], &[root]).failed();
        assert!(err.contains("names no entry"), "{err}");
    }
    site.run("rm", &["-rf"], &["d", "missing", "missing/too"])
        .ok();
    assert_eq!(fs::read_dir(&site.served).unwrap().count(), 1);
    assert_eq!(site.content("kept"), "kept");
}

#[test]
fn rm_follows_no_link_out_of_the_tree() {
    let site = Site::new();
    site.serve("other/file", "kept");
    site.serve("tree/file", "");
    symlink("../other", site.served.join("tree/dir")).unwrap();
    symlink("other", site.served.join("link")).unwrap();
    site.run("rm", &["-r"], &["tree", "link"]).ok();
    assert_eq!(site.content("other/file"), "kept");
    assert_eq!(fs::read_dir(&site.served).unwrap().count(), 1);
}

#[test]
fn rm_removes_large_and_deep_trees() {
    let site = Site::new();
    for dir in 0..10 {
        for file in 0..150 {
            site.serve(&format!("tree/{dir}/{file}"), "");
        }
    }
    site.serve(&format!("tree/{}file", "d/".repeat(200)), "");
    site.run("rm", &["-r"], &["tree"]).ok();
    assert!(!site.served.join("tree").exists());
}

#[test]
fn ln_makes_links_of_both_kinds() {
    let site = Site::new();
    site.serve("file", "file");
    site.serve("dir/x", "");
    site.run("ln", &[], &["file", "hard"]).ok();
    let inode = |path: &str| fs::metadata(site.served.join(path)).unwrap().ino();
    assert_eq!(inode("hard"), inode("file"));
    site.run("ln", &["-s"], &["any where", "soft"]).ok();
    let text = fs::read_link(site.served.join("soft")).unwrap();
    assert_eq!(text.to_str(), Some("any where"));
    site.run("ln", &[], &["file", "dir"]).ok();
    assert_eq!(inode("dir/file"), inode("file"));
    let err = site.run("ln", &["-s"], &["x", "soft"]).failed();
    assert!(err.contains("soft: File exists"), "{err}");
    site.run("ln", &["-f"], &["file", "soft"]).ok();
    assert_eq!(inode("soft"), inode("file"));
    // One file already: neither name is lost.
    site.run("ln", &["-f"], &["file", "hard"]).ok();
    assert_eq!(inode("hard"), inode("file"));
}

#[test]
fn chmod_takes_octal_and_symbolic_modes() {
    let site = Site::new();
    site.serve("file", "");
    let file = site.served.join("file");
    for (change, expected) in [
        ("640", 0o640),
        ("u+x,o=g", 0o744),
        ("4755", 0o4755),
        ("a-s", 0o755),
    ] {
        site.run("chmod", &[], &[change, "file"]).ok();
        assert_eq!(mode(&file), expected, "{change}");
    }
    let usage = site.run("chmod", &[], &["u+q", "file"]);
    assert_eq!(usage.code, Some(2));
    symlink("file", site.served.join("link")).unwrap();
    site.run("chmod", &[], &["600", "link"]).failed();
    assert_eq!(mode(&file), 0o755);
}

#[test]
fn chmod_changes_whole_trees_and_follows_no_link() {
    let site = Site::new();
    site.serve("tree/dir/file", "");
    site.serve("outside", "");
    symlink("../outside", site.served.join("tree/link")).unwrap();
    let [tree, file, outside] =
        ["tree", "tree/dir/file", "outside"].map(|path| site.served.join(path));
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o600)).unwrap();
    site.run("chmod", &["-R"], &["u=rwX,go=", "tree"]).ok();
    assert_eq!((mode(&tree), mode(&file)), (0o700, 0o600));
    assert_eq!(mode(&site.served.join("tree/dir")), 0o700);
    site.run("chmod", &["-R"], &["a=rX", "tree"]).ok();
    assert_eq!((mode(&tree), mode(&file)), (0o555, 0o444));
    assert_eq!(mode(&outside), 0o600);
}
